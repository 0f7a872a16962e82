"""A turn, over a stream in memory."""

import asyncio
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import pytest

from callstream.adapters.google import turn as turns
from callstream.adapters.google.turn import StreamTurn
from callstream.dialogues.virtual_agent import AgentFailed, Heard, Reply, TurnEvent
from tests.unit.dialogues.agent_conformance import run

Act = Callable[[], list[TurnEvent]]


class Wire:
    """Both ends of a stream: responses say what they do when they are read."""

    is_answered = False

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.responses: SimpleQueue[Act | None] = SimpleQueue()
        self.is_cancelled = False
        self._requests: Iterator[str] = iter(())

    def open(self, requests: Iterator[str]) -> "Wire":
        self._requests = requests
        return self

    def all_sent(self) -> list[str]:
        return [*self._requests]

    def __iter__(self) -> Iterator[Act]:
        return iter(self.responses.get, None)

    def cancel(self) -> bool:
        self.is_cancelled = True
        self.responses.put(None)
        return True

    def first(self) -> str:
        return "first"

    def audio(self, audio: bytes) -> str:
        return audio.decode()

    def keys(self, digits: str, *, are_wanted: bool) -> str:
        return f"keys {digits} {are_wanted}"

    def read(self, response: Act) -> list[TurnEvent]:
        return response()

    def rest(self) -> list[Reply]:
        return [Reply(b"rest")]


def mistake() -> list[TurnEvent]:
    raise ValueError("my card number is 4111")


async def all_events(turn: StreamTurn[str, Act]) -> None:
    while await turn.receive():
        pass


def test_turn_sends_all_until_it_is_finished_and_gives_what_waited() -> None:
    wire = Wire()

    async def act() -> list[TurnEvent | None]:
        turn = StreamTurn(wire.open, wire)
        turn.feed(b"one")
        turn.press("2", are_wanted=True)
        turn.finish()
        turn.feed(b"late")
        turn.press("3", are_wanted=True)
        turn.finish()
        wire.responses.put(lambda: [Heard("hello", is_final=True)])
        wire.responses.put(None)
        events = [await turn.receive() for _ in range(4)]
        await turn.close()
        return events

    events = run(act())

    assert wire.all_sent() == ["first", "one", "keys 2 True"]
    assert events == [Heard("hello", is_final=True), Reply(b"rest"), None, None]


def test_response_that_cannot_be_read_fails_the_turn_and_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wire = Wire()

    async def act() -> None:
        turn = StreamTurn(wire.open, wire)
        wire.responses.put(mistake)
        assert await turn.receive() == Reply(b"rest")
        for _ in range(2):
            with pytest.raises(AgentFailed) as failed:
                await turn.receive()
            assert (failed.value.reason, failed.value.remedy) == ("unreadable", "none")
        await turn.close()

    run(act())
    assert caplog.messages == ["a response cannot be read: ValueError"]


def test_turn_that_is_finished_waits_no_longer_than_for_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "_ANSWER_SECONDS", 0.01)
    wire = Wire()

    async def act() -> None:
        turn = StreamTurn(wire.open, wire)
        receiving = asyncio.create_task(turn.receive())
        # The person may be silent for long.
        _, waiting = await asyncio.wait([receiving], timeout=0.1)
        assert waiting
        turn.finish()
        with pytest.raises(AgentFailed) as failed:
            await receiving
        assert (failed.value.reason, failed.value.remedy) == ("no_answer", "repeat")
        await turn.close()

    run(act())
    assert wire.is_cancelled


def test_more_events_than_anybody_takes_fail_the_turn() -> None:
    wire = Wire()

    async def act() -> None:
        turn = StreamTurn(wire.open, wire)
        wire.responses.put(lambda: [Heard("x", is_final=False)] * 1001)
        with pytest.raises(AgentFailed) as failed:
            await all_events(turn)
        assert (failed.value.reason, failed.value.remedy) == ("too_many_events", "none")
        await turn.close()

    run(act())
    assert wire.is_cancelled


def test_turn_that_nobody_closes_does_no_harm_when_its_loop_is_gone() -> None:
    wire = Wire()

    async def act() -> None:
        StreamTurn(wire.open, wire)

    run(act())
    wire.responses.put(lambda: [Heard("x", is_final=False)])
    wire.responses.put(None)

    # Ends when the turn has read all: the test would hang.
    assert wire.all_sent() == ["first"]
