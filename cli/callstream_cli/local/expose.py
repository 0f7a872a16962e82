"""``callstream expose``: the part of the local stack that the internet may reach through a tunnel.

The emulator is an AWS without passwords, which runs any code as a Lambda function: a tunnel must
not lead to its port. This module listens on another port and passes on only what CloudFront passes
on in front of the real gateway, which is handshakes at the media WebSocket, and, if wanted,
requests to one other server on this machine: the web hook that the carrier calls. Meanwhile the
endpoints give media URLs at the tunnel, in the form that they have on AWS.
"""

import asyncio
import re
import signal
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

import typer

from callstream_cli import event_loop
from callstream_cli.local import aws
from callstream_cli.local.commands import explained, local_stack
from callstream_cli.local.description import StackDescription
from callstream_cli.local.errors import LocalStackError
from callstream_cli.local.process import HOST
from callstream_cli.plain_output import print_line

DEFAULT_PORT: Final = 4580

# As the output MediaUrlTemplate has it with CloudFront.
_PUBLIC_URL: Final = "wss://{host}/{{path}}/{{token}}"
_URL_VARIABLE: Final = "CALLSTREAM_MEDIA_URL"
_HOST_NAME: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?", re.IGNORECASE)
_HEAD_SECONDS: Final = 10.0
_OPEN_SECONDS: Final = 30.0
_MOST_HEAD_BYTES: Final = 16_384
_MOST_CONNECTIONS: Final = 200
_CHUNK: Final = 65_536
_HEAD_END: Final = b"\r\n\r\n"
_TERMINATED: Final = 128 + signal.SIGTERM


def expose(
    public: Annotated[
        str, typer.Argument(metavar="HOST", help="The tunnel's public host, as abc.example.com.")
    ],
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1, for the tunnel.")
    ] = DEFAULT_PORT,
    webhook: Annotated[
        int | None,
        typer.Option(
            min=1, max=65_535, help="Port of your web hook, which gets all other requests."
        ),
    ] = None,
) -> None:
    """Let a tunnel reach the local stack's media WebSocket, and nothing else, until Ctrl-C.

    Point a tunnel with https and wss at the port, for example `ngrok http 4580`. Until the command
    ends, the endpoints of ASAPP and Clerk Chat give media URLs at the tunnel.

    Never point a tunnel at the local stack itself: everybody who finds the tunnel could then run
    programs on this machine.
    """
    if not _HOST_NAME.fullmatch(public):
        raise typer.BadParameter("a host is needed, without https:// and path", param_hint="HOST")
    with explained():
        stack = local_stack().describe()
        if stack is None:
            raise LocalStackError("The local stack is not running. `callstream up` starts it.")
        front = Front(stack["media_url"], public, webhook)
        try:
            with media_urls_at(public, stack):
                event_loop.run(_expose(front, port))
        except OSError as error:
            raise LocalStackError(f"Port {port} on {HOST}: {error.strerror}") from None
        except asyncio.CancelledError:
            raise typer.Exit(_TERMINATED) from None


async def _expose(front: "Front", port: int) -> None:
    this = asyncio.current_task()
    if this is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    server = await front.start(port)
    port = server.sockets[0].getsockname()[1]
    print_line(f"Point the tunnel {front.public} at http://{HOST}:{port}. Ctrl-C ends the command.")
    try:
        await server.serve_forever()
    finally:
        server.abort_clients()


@contextmanager
def media_urls_at(public: str, stack: StackDescription) -> Iterator[None]:
    """Have the endpoints give media URLs at a public host, while the context lasts."""
    _set_media_url(stack, _PUBLIC_URL.format(host=public))
    try:
        yield
    finally:
        _set_media_url(stack, stack["media_url"])


def _set_media_url(stack: StackDescription, template: str) -> None:
    # A slow import, which a refused command does not need.
    import boto3  # noqa: PLC0415

    with aws.talking_to(stack["aws_endpoint_url"]):
        functions = boto3.client("lambda")
        for page in functions.get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                variables = function.get("Environment", {}).get("Variables", {})
                if _URL_VARIABLE in variables:
                    functions.update_function_configuration(
                        FunctionName=function["FunctionName"],
                        Environment={"Variables": {**variables, _URL_VARIABLE: template}},
                    )


@dataclass(frozen=True, slots=True)
class _Head:
    """The first lines of an HTTP request. The names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, head: bytes) -> Self:
        """Read a request's head. Raises `ValueError` if there is none."""
        first, *lines = head.removesuffix(_HEAD_END).decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        if version not in {"HTTP/1.0", "HTTP/1.1"} or not target.startswith("/"):
            raise ValueError(first)
        pairs = [line.split(":", 1) for line in lines]
        return cls(method, target, {name.lower(): value.strip() for name, value in pairs})

    @property
    def is_handshake(self) -> bool:
        """Whether a WebSocket is asked for."""
        return self.method == "GET" and self.headers.get("upgrade", "").lower() == "websocket"

    def encode(self) -> bytes:
        """The head as text on the wire."""
        lines = [f"{name}: {value}" for name, value in self.headers.items()]
        text = "\r\n".join([f"{self.method} {self.target} HTTP/1.1", *lines])
        return text.encode("latin-1") + _HEAD_END


@dataclass
class Front:
    """A server that passes requests on: handshakes to the media API, the others to a web hook.

    Args:
        media_url: the media URL of ``stack.json``.
        public: the tunnel's host, which the carrier asks.
        webhook: the web hook's port on this machine; without one, other requests get a 404.
    """

    media_url: str
    public: str
    webhook: int | None = None

    def __post_init__(self) -> None:
        self._open = 0

    async def start(self, port: int) -> asyncio.Server:
        """Listen on 127.0.0.1."""
        return await asyncio.start_server(self._serve, HOST, port, limit=_MOST_HEAD_BYTES)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > _MOST_CONNECTIONS:
                await _refuse(writer, HTTPStatus.SERVICE_UNAVAILABLE)
                return
            async with asyncio.timeout(_HEAD_SECONDS):
                head = _Head.parse(await reader.readuntil(_HEAD_END))
            if head.is_handshake:
                await self._to_media(head, reader, writer)
            elif self.webhook is not None:
                await self._to_webhook(self.webhook, head, reader, writer)
            else:
                await _refuse(writer, HTTPStatus.NOT_FOUND)
        except (ValueError, LimitOverrunError):
            await _refuse(writer, HTTPStatus.BAD_REQUEST)
        except (TimeoutError, IncompleteReadError):
            pass  # the client has sent no request
        except OSError:
            await _refuse(writer, HTTPStatus.BAD_GATEWAY)
        finally:
            self._open -= 1
            writer.close()

    async def _to_media(self, head: _Head, reader: StreamReader, writer: StreamWriter) -> None:
        media = urlsplit(self.media_url)
        # A client that sets CloudFront's headers itself gains nothing: they are replaced.
        headers = {
            **head.headers,
            "host": media.netloc,
            "x-callstream-host": self.public,
            "x-callstream-path": head.target,
        }
        request = _Head("GET", media.path + head.target, headers)
        stack_reader, stack_writer = await asyncio.open_connection(HOST, media.port)
        try:
            stack_writer.write(request.encode())
            async with asyncio.timeout(_OPEN_SECONDS):
                answer = await stack_reader.readuntil(_HEAD_END)
            status = HTTPStatus(int(answer.split(b" ", 2)[1]))
            # Only a WebSocket may send more: anything else could be a request to the emulator.
            if status is not HTTPStatus.SWITCHING_PROTOCOLS:
                await _refuse(writer, status)
                return
            writer.write(answer)
            await _join(reader, writer, stack_reader, stack_writer)
        finally:
            stack_writer.close()

    async def _to_webhook(
        self, port: int, head: _Head, reader: StreamReader, writer: StreamWriter
    ) -> None:
        hook_reader, hook_writer = await asyncio.open_connection(HOST, port)
        try:
            # The carrier's signature covers the public host, which some tunnels replace. Each
            # request has a connection of its own, since the next may be a handshake.
            headers = {**head.headers, "host": self.public, "connection": "close"}
            hook_writer.write(_Head(head.method, head.target, headers).encode())
            await _join(reader, writer, hook_reader, hook_writer)
        finally:
            hook_writer.close()


async def _join(
    reader: StreamReader, writer: StreamWriter, other: StreamReader, other_writer: StreamWriter
) -> None:
    """Pass bytes on both ways, until one side ends."""
    ways = {
        asyncio.create_task(_pump(reader, other_writer)),
        asyncio.create_task(_pump(other, writer)),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)


async def _pump(source: StreamReader, target: StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()


async def _refuse(writer: StreamWriter, status: HTTPStatus) -> None:
    head = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Length: 0\r\nConnection: close"
    with suppress(OSError):
        writer.write(head.encode() + _HEAD_END)
        await writer.drain()
