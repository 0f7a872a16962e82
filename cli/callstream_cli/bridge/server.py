"""The bridge's two servers: HTTP for streaming URLs, WebSockets for the streams."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final, override
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.http11 import Request, Response

from callstream_cli.bridge.messages import Numbering
from callstream_cli.bridge.urls import PATH, HttpAnswer, StreamingUrls, failure

HOST: Final = "127.0.0.1"
_MOST_BODY: Final = 64 * 1024
_GATHER_SECONDS: Final = 0.1
# Codes that say how a connection ended, and that no close frame may have (RFC 6455, 7.4.1).
_NOT_SENT: Final = {1005: 1000, 1006: 1011, 1015: 1011}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the bridge listens: for HTTP requests, and for WebSockets."""

    http: int
    media: int


@asynccontextmanager
async def bridge(base: str, ports: Ports) -> AsyncIterator[Ports]:
    """Run a bridge to a deployment meanwhile; gives the ports, of which 0 stands for any.

    Raises:
        OSError: a port is taken.
    """
    urls = StreamingUrls(base)
    media = _Media(urls)
    async with serve(
        media.stream,
        HOST,
        ports.media,
        process_request=media.admit,
        compression=None,
        ping_interval=None,
        logger=_quiet(),
    ) as server:
        media_port = next(iter(server.sockets)).getsockname()[1]
        own = f"ws://{HOST}:{media_port}/autotranscribe?token="
        http = ThreadingHTTPServer((HOST, ports.http), _handler(urls, own))
        thread = Thread(target=http.serve_forever, daemon=True)
        thread.start()
        try:
            yield Ports(http.server_address[1], media_port)
        finally:
            await asyncio.to_thread(http.shutdown)
            http.server_close()


def _handler(urls: StreamingUrls, own: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one client."""

        timeout = 60

        def do_POST(self) -> None:  # the name that http.server wants
            """Give a streaming URL."""
            self._answer(self._given() if urlsplit(self.path).path == PATH else _unknown())

        def do_GET(self) -> None:
            """Refuse: the bridge has one endpoint."""
            self._answer(_unknown())

        def _given(self) -> HttpAnswer:
            size = self.headers.get("Content-Length", "0")
            if not size.isdecimal() or int(size) > _MOST_BODY:
                return failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a body has at most 64 KiB")
            return urls.ask(dict(self.headers), self.rfile.read(int(size)), own)

        def _answer(self, answer: HttpAnswer) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        @override
        def log_message(self, *_: object) -> None:
            """Say nothing: requests have credentials."""

    return Handler


def _unknown() -> HttpAnswer:
    return failure(HTTPStatus.NOT_FOUND, f"the only endpoint is POST {PATH}")


class _Media:
    """The streams of all clients."""

    def __init__(self, urls: StreamingUrls) -> None:
        self._urls = urls
        # The gateway's connection for each client that is being admitted.
        self._admitted: dict[ServerConnection, ClientConnection] = {}

    async def admit(self, client: ServerConnection, request: Request) -> Response | None:
        """Connect to the gateway first, so that the client sees how the gateway refuses."""
        token = parse_qs(urlsplit(request.path).query).get("token", [""])[0]
        url = self._urls.url(token)
        if url is None:
            return client.respond(HTTPStatus.FORBIDDEN, "This bridge has not given this token.\n")
        try:
            self._admitted[client] = await connect(
                url, compression=None, ping_interval=None, max_size=None, logger=_quiet()
            )
        except InvalidStatus as refused:
            status = HTTPStatus(refused.response.status_code)
            return client.respond(status, f"The gateway has answered {status}.\n")
        except (OSError, TimeoutError, WebSocketException) as error:
            return client.respond(
                HTTPStatus.BAD_GATEWAY, f"The gateway cannot be reached: {error}\n"
            )
        return None

    async def stream(self, client: ServerConnection) -> None:
        """Pass on messages both ways, until one side closes."""
        gateway = self._admitted.pop(client)
        there = asyncio.create_task(_pass_audio(client, gateway))
        back = asyncio.create_task(_pass_answers(gateway, client))
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            await _close_as(client, gateway)
            await _close_as(gateway, client)


async def _pass_audio(client: ServerConnection, gateway: ClientConnection) -> None:
    messages = Numbering()
    receiving: asyncio.Task[str | bytes] | None = None
    try:
        while True:
            receiving = receiving or asyncio.create_task(client.recv())
            patience = _GATHER_SECONDS if messages.has_audio else None
            done, _ = await asyncio.wait([receiving], timeout=patience)
            if done:
                message, receiving = receiving.result(), None
                made = messages.take(message)
            else:
                made = messages.flush()
            for text in made:
                await gateway.send(text)
    except ConnectionClosed:
        return
    finally:
        if receiving is not None:
            receiving.cancel()


async def _pass_answers(gateway: ClientConnection, client: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for message in gateway:
            await client.send(message)


async def _close_as(
    closed: ServerConnection | ClientConnection, other: ServerConnection | ClientConnection
) -> None:
    """If one side has closed, close the other side in the same way."""
    code = closed.close_code
    if code is not None:
        await other.close(_NOT_SENT.get(code, code), closed.close_reason or "")


def _quiet() -> logging.Logger:
    logger = logging.getLogger("callstream_cli.bridge")
    logger.disabled = True  # refused handshakes and broken connections are the client's
    return logger
