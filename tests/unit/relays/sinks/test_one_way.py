"""The return path of a one-way stream; test_websocket.py shows it in its sink."""

import asyncio

import pytest

from callstream.relays.sinks.one_way import OneWayPath
from callstream.relays.sinks.return_path import MESSAGES_A_SECOND, MESSAGES_AT_ONCE


def test_flood_is_read_slowly_and_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def act() -> None:
        path = OneWayPath("MZ1", lambda: 1000.0)
        for _ in range(MESSAGES_AT_ONCE + 10):
            await path.receive('{"event": "media"}')

    monkeypatch.setattr(asyncio, "sleep", pause)
    asyncio.run(act())

    assert pauses == [1 / MESSAGES_A_SECOND] * 10
    assert caplog.messages == ["the stream is one-way: messages are ignored"]


def test_posting_reports_how_many_messages_were_ignored(caplog: pytest.LogCaptureFixture) -> None:
    async def act() -> None:
        path = OneWayPath("MZ1", lambda: 1000.0)
        posting = asyncio.create_task(path.post())
        for _ in range(3):
            await path.receive("x")
        await path.flush(1)
        await asyncio.sleep(0)
        posting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await posting

    with caplog.at_level("INFO"):
        asyncio.run(act())

    assert caplog.messages[-1] == "ignored 3 messages"
