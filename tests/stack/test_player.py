"""Playing a recorded stream to a socket: the messages, and failures.

These tests need a loopback socket, but no stack.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from callstream.audio.formats import PCMU_8K
from callstream.dialects.events import Media, Start
from callstream.frames.recording import StreamRecording
from callstream.frames.records import Record, RecordEvent
from callstream_cli.reading.player import PlayReport, play
from callstream_cli.reading.recording import story_of
from callstream_cli.reading.script import Script, script

type Handler = Callable[[ServerConnection], Awaitable[None]]


def made(frames: int = 20) -> Script:
    recording = StreamRecording()
    start = Start(
        sequence=1,
        carrier_stream_id="MZ",
        call_id="CA",
        account_id="AC",
        tracks=("inbound",),
        format=PCMU_8K,
    )
    events: list[RecordEvent] = [start, *map(_media, range(frames))]
    for event in events:
        recording.add(Record("s1", "acme", "genagent", "twilio", 0, event))
    return script(story_of(recording), "twilio", "MZnew")


def _media(number: int) -> Media:
    return Media(
        sequence=number + 2,
        track="inbound",
        chunk=number + 1,
        timestamp=number * 20,
        audio=bytes(160),
    )


def played(
    handler: Handler, what: Script, speed: float = 0, path: str = "/", **options: Any
) -> PlayReport:
    async def run() -> PlayReport:
        async with serve(handler, "127.0.0.1", 0, **options) as server:
            host, port = next(iter(server.sockets)).getsockname()
            return await play(f"ws://{host}:{port}{path}", what, speed=speed)

    return asyncio.run(run())


def test_player_sends_every_line_in_order_and_closes() -> None:
    heard: list[str | bytes] = []

    async def listen(socket: ServerConnection) -> None:
        await socket.send("hello")
        heard.extend([text async for text in socket])

    what = made(250)
    report = played(listen, what)

    assert heard == [line.text for line in what.lines]
    assert (report.messages, report.frames, report.received) == (253, 250, 1)
    assert (report.close_code, report.error) == (1000, None)


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 0.38), (4.0, 0.095)])
def test_player_keeps_the_streams_own_time(speed: float, seconds: float) -> None:
    times: list[float] = []

    async def listen(socket: ServerConnection) -> None:
        times.extend([time.monotonic() async for _ in socket])

    began = time.monotonic()
    report = played(listen, made(), speed)

    # A busy machine may delay messages, but nothing makes them earlier.
    assert report.seconds >= seconds
    assert times[-1] - began >= seconds


def test_server_that_hangs_up_is_reported() -> None:
    async def hang_up(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(1011)

    report = played(hang_up, made(500), speed=1)

    assert report.error is not None
    assert "closed the connection with code 1011 (internal error) after" in report.error


@pytest.mark.parametrize(
    ("status", "why"), [(401, "the URL's token"), (403, "the URL's token"), (502, "HTTP 502")]
)
def test_answer_that_is_not_a_websocket_is_reported(status: int, why: str) -> None:
    async def never(socket: ServerConnection) -> None:
        await socket.recv()

    report = played(
        never,
        made(),
        path="/x?token=secret",
        process_request=lambda socket, _: socket.respond(HTTPStatus(status), ""),
    )

    assert why in (report.error or "")
    assert "secret" not in (report.error or "")
    assert report.messages == 0


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ws://user:secret@127.0.0.1:1/x?token=secret", "ws://127.0.0.1:1 cannot be reached: Conn"),
        ("http://127.0.0.1:1/secret", "not a WebSocket URL"),
        ("ws://[secret", "not a WebSocket URL"),
        ("secret", "not a WebSocket URL"),
        ("ws://127.0.0.1:999999/secret", "not a WebSocket URL"),
    ],
)
def test_server_that_cannot_be_reached_is_reported(url: str, why: str) -> None:
    report = asyncio.run(play(url, made()))

    assert why in (report.error or "")
    assert "secret" not in (report.error or "")
