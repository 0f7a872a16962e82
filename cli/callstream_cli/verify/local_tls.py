"""TLS for the local stack, whose media URLs have none: Twilio and SignalWire fork to wss URLs only.

A server on this machine takes TLS off, and passes bytes on. The local stack's relays accept any
certificate of this machine.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from callstream_cli.listener.certificate import self_signed
from callstream_cli.verify.deployed import Deployed

_HOST: Final = "127.0.0.1"
_CHUNK: Final = 65_536


@asynccontextmanager
async def wss_urls(deployed: Deployed) -> AsyncIterator[Callable[[str], str]]:
    """Makes of a media URL a URL that all vendors take; on AWS, media URLs are such URLs."""
    if not deployed.is_local:
        yield lambda url: url
        return
    stack = urlsplit(deployed.media_endpoint("ws"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(stack.hostname, stack.port)
        await asyncio.gather(_pass_on(reader, outer), _pass_on(inner, writer))

    context = self_signed(_HOST).server_context()
    async with await asyncio.start_server(serve, _HOST, 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        # Twilio's URLs have no query. The local stack takes a token in the path too.
        yield lambda url: urlunsplit(
            ("wss", f"{_HOST}:{port}", *urlsplit(url.replace("?token=", "/"))[2:])
        )


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy what comes until it ends; then the other side ends too."""
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
