"""The way back of one fork, with a carrier's side that is made up."""

import asyncio
import json
import threading
from base64 import b64encode
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.audio.transcoding import UnusableAudio
from callstream.dialects.events import (
    Clear,
    Mark,
    Media,
    ReturnDtmf,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
)
from callstream.errors import Unavailable
from callstream.frames.records import Record, RecordEvent
from callstream.relays.sinks import return_path
from callstream.relays.sinks.fork import Fork, ForkedCall
from callstream.relays.sinks.return_path import ReturnPath

CALL = ForkedCall("relay-1", "CA1", "AC1", PCMU_8K, ("inbound",), {})
PIECE = 160
SECOND = bytes(8000)


class Office:
    """A carrier that takes nothing while it is held."""

    def __init__(self) -> None:
        self.posted: list[ReturnEvent] = []
        self.hears = PCMU_8K
        self.legs_before: set[str] = set()
        self.legs: set[str] = set()
        self.problem: Exception | None = None
        self.takes = threading.Event()
        self.takes.set()
        self.asked = threading.Event()

    def send_back(self, event: ReturnEvent, hears: AudioFormat) -> Collection[str]:
        self.asked.set()
        assert self.takes.wait(30)
        if self.problem is not None:
            raise self.problem
        assert hears == self.hears
        self.posted.append(event)
        return self.legs

    def other_legs(self) -> Collection[str]:
        return self.legs_before

    @property
    def pieces(self) -> list[bytes]:
        return [event.audio for event in self.posted if isinstance(event, ReturnMedia)]


class Scene:
    def __init__(self, dialect: str = "telnyx", hears: AudioFormat = PCMU_8K) -> None:
        self.office, self.now = Office(), 1000.0
        self.office.hears = hears
        self.answers: list[dict[str, Any]] = []
        self.subscribed: list[str] = []
        self.fork = Fork(dialect, CALL, hears=hears)
        self.path = ReturnPath(self.fork, self.office, self, self.answer, lambda: self.now)

    def answer(self, texts: Sequence[str]) -> None:
        self.answers += [json.loads(text) for text in texts]

    async def subscribe(self, stream_id: str) -> None:
        self.subscribed.append(stream_id)

    async def say(self, **message: Any) -> None:
        await self.path.hear(json.dumps(message))

    async def speak(self, audio: bytes) -> None:
        await self.say(event="media", media={"payload": b64encode(audio).decode()})

    async def mark(self, name: str) -> None:
        await self.say(event="mark", mark={"name": name})

    @property
    def errors(self) -> list[int]:
        return [each["payload"]["code"] for each in self.answers if each["event"] == "error"]

    @property
    def marks(self) -> list[str]:
        return [each["mark"]["name"] for each in self.answers if each["event"] == "mark"]

    @asynccontextmanager
    async def posting(self) -> Any:
        task = asyncio.create_task(self.path.post())
        try:
            yield
        finally:
            self.office.takes.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def held(self) -> Any:
        """A carrier that is busy with a first piece."""
        self.office.takes.clear()
        async with self.posting():
            await self.speak(bytes(PIECE))
            await asyncio.to_thread(self.office.asked.wait, 30)
            yield


def play(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def within_reason() -> None:
        async with asyncio.timeout(60):
            await act()

    asyncio.run(within_reason())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  # what it waits for knows of no event
        await asyncio.sleep(0.001)


def record(stream_id: str, event: RecordEvent) -> Record:
    return Record(stream_id, "acme", "genagent", "telnyx", 0, event)


def test_what_is_left_of_a_message_is_joined_with_the_next() -> None:
    async def act() -> None:
        scene = Scene()
        async with scene.posting():
            await scene.speak(b"a" * 200)
            await scene.speak(b"b" * 120)
            await scene.path.emptied()

        assert scene.office.pieces == [b"a" * 160, b"a" * 40 + b"b" * 120]

    play(act)


def test_what_is_left_is_filled_up_when_a_mark_comes_or_nothing_follows() -> None:
    async def act() -> None:
        scene = Scene()
        async with scene.posting():
            await scene.speak(b"a" * 40)
            await scene.mark("said")
            await scene.speak(b"b" * 40)
            await until(lambda: len(scene.office.posted) == 3)

        first, mark, second = scene.office.posted
        assert first == ReturnMedia(b"a" * 40 + b"\xff" * 120)
        assert isinstance(mark, ReturnMark)
        assert second == ReturnMedia(b"b" * 40 + b"\xff" * 120)

    play(act)


def test_what_is_left_waits_while_the_carrier_has_enough_to_play(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act() -> None:
        monkeypatch.setattr(return_path, "_SOON", 0.001)
        scene = Scene()
        async with scene.posting():
            # The clock stands still, so there are 20 minutes to be played.
            await scene.speak(SECOND + b"a" * 40)
            await until(lambda: len(scene.office.pieces) == 50)
            await asyncio.sleep(0.05)
            assert len(scene.office.pieces) == 50
            await scene.speak(b"b" * 120)
            await scene.path.emptied()

        assert scene.office.pieces[50:] == [b"a" * 40 + b"b" * 120]

    play(act)


def test_a_consumer_is_heard_while_the_carrier_is_busy_and_clear_overtakes() -> None:
    async def act() -> None:
        scene = Scene("signalwire")
        async with scene.held():
            await scene.speak(10 * SECOND)
            await scene.mark("first")
            await scene.say(event="dtmf", dtmf={"digit": "5"})
            await scene.speak(SECOND)
            await scene.mark("second")
            await scene.speak(b"old")
            await scene.say(event="clear")
            # At once, though nothing was posted yet.
            assert scene.marks == ["first", "second"]
            await scene.speak(b"n" * PIECE)
            scene.office.takes.set()
            await scene.path.emptied()

        assert scene.office.posted == [
            ReturnMedia(bytes(PIECE)),
            Clear(),
            ReturnDtmf("5"),
            ReturnMedia(b"n" * PIECE),
        ]

    play(act)


def test_many_clears_are_one() -> None:
    async def act() -> None:
        scene = Scene()
        async with scene.held():
            for _ in range(100):
                await scene.say(event="clear")
            scene.office.takes.set()
            await scene.path.emptied()

        assert scene.office.posted == [ReturnMedia(bytes(PIECE)), Clear()]

    play(act)


def test_no_more_waits_than_may() -> None:
    async def act() -> None:
        scene = Scene()
        async with scene.held():
            for _ in range(100):
                await scene.speak(SECOND)
            assert scene.errors == [100005] * 10  # told now and then
            scene.now += 30
            await scene.say(event="clear")
            await scene.speak(b"n" * PIECE)
            scene.office.takes.set()
            await scene.path.emptied()

        assert scene.office.pieces == [bytes(PIECE), b"n" * PIECE]
        assert set(scene.errors) == {100005}

    play(act)


def test_sixty_seconds_at_once_are_taken() -> None:
    async def act() -> None:
        scene = Scene()
        async with scene.held():
            await scene.speak(60 * SECOND)
            assert scene.errors == []
            await scene.speak(b"r" * (PIECE + 1))
            assert scene.errors == [100005]
            await scene.mark("one too many")
            assert scene.errors == [100005] * 2
            scene.office.takes.set()
            await scene.path.emptied()
            # There is nothing left of what was refused.
            await scene.speak(b"n" * PIECE)
            await scene.path.emptied()

        assert scene.office.pieces[1:] == [bytes(PIECE)] * 3000 + [b"n" * PIECE]

    play(act)


def test_large_packets_are_bounded_too() -> None:
    async def act() -> None:
        scene = Scene(hears=AudioFormat("OPUS", 16000, 1))
        for _ in range(7):
            await scene.speak(bytes(900_000))
        assert scene.errors == [100005]
        async with scene.posting():
            await scene.path.emptied()
            await scene.speak(bytes(900_000))
            await scene.mark("said")
            await scene.path.emptied()

        assert scene.errors == [100005]
        assert len(scene.office.pieces) == 7

    play(act)


def test_a_flood_is_refused_and_a_clear_in_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        monkeypatch.setattr(asyncio, "sleep", pause)
        scene = Scene()
        for number in range(4000):
            await scene.mark(str(number))
        assert scene.errors == [100005] * 10
        assert pauses == [1 / 200] * 1000
        await scene.say(event="clear")
        assert scene.marks == [str(number) for number in range(3000)]
        # It earns what it may say.
        scene.now += 0.021
        for name in "abcde":
            await scene.mark(name)
        assert len(pauses) == 1002

    play(act)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"event": "media", "media": {"payload": "*"}}', 100004),
        ('{"event": "noise"}', 100003),
        ('{"event": "dtmf", "dtmf": {"digit": "5"}}', 100003),
        ("{", 100003),
        (b"\x00\xff", 100003),
    ],
)
def test_what_cannot_be_read_is_told_but_not_for_ever(text: str | bytes, code: int) -> None:
    async def act() -> None:
        scene = Scene()
        for _ in range(1000):
            await scene.path.hear(text)
        assert scene.errors == [code] * 10
        scene.now += 1
        await scene.path.hear(text)
        assert scene.errors == [code] * 11

    play(act)


def test_signalwires_consumers_are_told_nothing_and_the_log_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act() -> None:
        scene = Scene("signalwire")
        async with scene.posting():
            await scene.path.hear("{")
            await asyncio.sleep(0)
        assert scene.answers == []

    play(act)
    assert "The frame was not formed correctly" in caplog.text
    assert "{'100003': 1}" in caplog.text


def test_mp3_is_refused_and_more_than_one_a_second_is_too_many() -> None:
    async def act() -> None:
        scene = Scene(hears=AudioFormat("mp3", 0, 1))
        await scene.speak(b"ID3")
        assert scene.answers[0]["payload"] == {
            "code": 100002,
            "title": "unknown_error",
            "detail": "stream_bidirectional_mode mp3 is not supported, but rtp is",
        }
        await scene.speak(b"ID3")
        assert scene.errors == [100002, 100005]
        scene.now += 1
        await scene.speak(b"ID3")
        assert scene.errors == [100002, 100005]  # once in a while
        scene.now += 10
        await scene.speak(b"ID3")
        assert scene.errors == [100002, 100005, 100002]

    play(act)


def test_a_mark_that_no_leg_can_reach_comes_back_at_once() -> None:
    async def act() -> None:
        scene = Scene()
        scene.office.problem = UnusableAudio("the call has no such leg")
        async with scene.posting():
            await scene.mark("unheard")
            await scene.mark("too")
            await until(lambda: len(scene.marks) == 2)

        assert scene.marks == ["unheard", "too"]
        assert scene.errors == [100002]

    play(act)


def test_audio_that_the_call_cannot_play_is_told_once_in_a_while() -> None:
    async def act() -> None:
        scene = Scene()
        scene.office.problem = UnusableAudio("the call speaks something else")
        async with scene.posting():
            await scene.speak(SECOND)
            await scene.path.emptied()
            # It was in the way of nothing that came later.
            scene.office.problem = None
            await scene.mark("said")
            await scene.path.emptied()

        assert scene.errors == [100002]
        assert len(scene.office.posted) == 1

    play(act)


def test_a_carrier_that_cannot_be_reached_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def act() -> None:
        scene = Scene()
        scene.office.problem = Unavailable("apigateway", "Throttled")
        async with scene.posting():
            await scene.speak(SECOND)
            await scene.path.emptied()
            scene.office.problem = None
            await scene.speak(bytes(PIECE))
            await scene.path.emptied()
        assert scene.errors == []
        assert scene.office.pieces == [bytes(PIECE)]

    play(act)
    assert "{'unavailable': 50}" in caplog.text
    assert len(caplog.records) == 2


def test_marks_of_another_leg_come_back_once_and_nothing_else_of_it() -> None:
    async def act() -> None:
        scene = Scene()
        # One was there before anything was said, another came later.
        scene.office.legs_before, scene.office.legs = {"s2"}, {"s2", "s3"}
        async with scene.posting():
            own = [record("s1", Mark(1, "x"))]
            assert scene.path.take_marks(own) == own
            await until(lambda: scene.subscribed == ["s2"])
            await scene.mark("said")
            await scene.path.emptied()
            [mark] = scene.office.posted
            assert isinstance(mark, ReturnMark)
            await asyncio.sleep(0)
            media = Media(1, "inbound", 1, 0, b"\x7f")
            found = [
                record("s1", media),
                record("s2", media),
                record("s2", Mark(2, mark.name)),
                record("s3", Mark(2, mark.name)),
            ]
            assert scene.path.take_marks(found) == found[:1]

        assert sorted(scene.subscribed) == ["s2", "s3"]
        assert scene.marks == ["said"]

    play(act)
