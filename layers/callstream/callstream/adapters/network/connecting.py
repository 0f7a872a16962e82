"""How WebSockets are connected: no redirects, and the kernel notices if the other side is gone."""

import socket
from typing import Final, override

from websockets.asyncio.client import ClientConnection, connect

# If the other side acknowledges nothing that was sent for so long, it is gone.
_UNACKNOWLEDGED_SECONDS: Final = 120


class Connect(connect):
    """A connection that follows no redirect: the address that it leads to was not vetted."""

    @override
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def watched(
    connecting: Connect, unacknowledged_seconds: int = _UNACKNOWLEDGED_SECONDS
) -> ClientConnection:
    """Connect, and let the kernel notice if the other side is gone.

    The kernel sees whether the other side acknowledges what was sent, pings included. Whether a
    pong comes back says nothing.
    """
    connection = await connecting
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux alone
        raw = connection.transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unacknowledged_seconds * 1000)
    return connection
