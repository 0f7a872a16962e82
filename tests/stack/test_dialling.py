"""How a relay dials its consumer. These tests need a loopback socket, but no stack."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.protocol import State

from callstream.adapters.network import websockets
from callstream.adapters.network.connecting import Connect
from callstream.destinations import Destination
from callstream.relays.ports import DialFailed

HOST = "127.0.0.1"


def serving(
    server: Callable[[ServerConnection], Awaitable[None]], client: Callable[[int], Awaitable[None]]
) -> None:
    async def act() -> None:
        async with serve(server, HOST, 0) as listener:
            await client(next(iter(listener.sockets)).getsockname()[1])

    asyncio.run(act())


def test_slow_consumer_is_not_taken_for_a_lost_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # As `websockets` does it by itself, only sooner.
    often = partial(Connect, ping_interval=0.01, ping_timeout=0.02)
    monkeypatch.setattr(websockets, "Connect", often)
    done = asyncio.Event()

    async def reads_nothing(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await done.wait()
        connection.transport.abort()

    async def act(port: int) -> None:
        destination = Destination(HOST, port, (HOST,), tls=False)
        consumer = await websockets.dial(f"ws://{HOST}:{port}/", destination, {})
        connection = consumer._connection
        while connection.state is State.OPEN and len(connection.pending_pings) < 10:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        state = connection.state
        limit = 120_000
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            raw = connection.transport.get_extra_info("socket")
            limit = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        done.set()
        await connection.wait_closed()
        assert state is State.OPEN
        # Who takes nothing at all for two minutes is.
        assert limit == 120_000

    serving(reads_nothing, act)


def test_name_with_very_many_addresses_is_given_up() -> None:
    async def takes_all(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def act(port: int) -> None:
        silent = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
        url = f"ws://{HOST}:{port}/"
        with pytest.raises(DialFailed, match="refused"):
            await websockets.dial(url, Destination(HOST, port, (*silent, HOST), tls=False), {})
        found = await websockets.dial(
            url, Destination(HOST, port, (*silent[1:], HOST), tls=False), {}
        )
        await found.close(1000)

    serving(takes_all, act)


def test_server_without_tls_is_told_from_a_closed_port() -> None:
    async def reason(port: int, *, tls: bool) -> str:
        destination = Destination(HOST, port, (HOST,), tls=tls)
        with pytest.raises(DialFailed) as failed:
            await websockets.dial(f"ws{'s' * tls}://{HOST}:{port}/", destination, {})
        return failed.value.reason

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async def act(port: int) -> None:
        silent = await asyncio.start_server(hangs_up, HOST, 0)
        silent_port = silent.sockets[0].getsockname()[1]
        assert [await reason(each, tls=True) for each in (port, silent_port)] == ["tls", "tls"]
        silent.close()
        await silent.wait_closed()
        assert await reason(silent_port, tls=True) == "refused"

    serving(ServerConnection.wait_closed, act)
