"""The return path of one fork, with a carrier's side that is made up."""

import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import Callable, Collection, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate
from math import sin
from typing import Any, override

import pytest

from callstream.audio.conversion import UnusableAudio
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects.events import (
    Clear,
    ReturnDtmf,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
)
from callstream.errors import Unavailable, Undeliverable
from callstream.relays.sinks.fork import ForkProtocol
from callstream.relays.sinks.return_path import ReturnPath
from tests.mp3_files import mp3
from tests.unit.relays.scenes import CALL, Legs, play, play_without_waiting, until

PIECE = 160
SECOND = bytes(8000)
MP3_FILES, L16_16K = AudioFormat("mp3", 8000, 1), AudioFormat("L16", 16_000, 1)


def tone(seconds: int) -> bytes:
    """An MP3 file of a kilobyte a second."""
    samples = (round(8000 * sin(n)) for n in range(8000))
    second = b"".join(sample.to_bytes(2, sys.byteorder, signed=True) for sample in samples)
    return mp3(second * seconds, 8000, kbits=8)


class Scene:
    def __init__(
        self,
        dialect: str = "telnyx",
        return_format: AudioFormat = PCMU_8K,
        legs: Legs | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.legs, self.now = legs or Legs(), 1000.0
        self.legs.return_format = return_format
        self.answers: list[dict[str, Any]] = []
        self.subscribed: list[str] = []
        self.fork = ForkProtocol(dialect, CALL, return_format=return_format)
        self.path = ReturnPath(self.fork, self.legs, self, self.answer, clock or self.clock)

    def clock(self) -> float:
        return self.now

    def answer(self, texts: Sequence[str]) -> None:
        self.answers += [json.loads(text) for text in texts]

    async def flush(self) -> None:
        await self.path.flush(60)

    async def subscribe_marks(self, stream_id: str) -> None:
        self.subscribed.append(stream_id)

    async def send(self, **message: Any) -> None:
        await self.path.receive(json.dumps(message))

    async def send_audio(self, audio: bytes) -> None:
        await self.send(event="media", media={"payload": b64encode(audio).decode()})

    async def mark(self, name: str) -> None:
        await self.send(event="mark", mark={"name": name})

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
            self.legs.takes.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def held(self, piece: bytes = bytes(PIECE)) -> Any:
        """A carrier that is busy with a first piece."""
        self.legs.takes.clear()
        async with self.posting():
            await self.send_audio(piece)
            await self.legs.asked.wait()
            yield


def test_the_rest_of_a_message_is_joined_with_the_next() -> None:
    async def act() -> None:
        scene = Scene()
        async with scene.posting():
            await scene.send_audio(b"a" * 200)
            await scene.send_audio(b"b" * 120)
            await scene.flush()

        assert scene.legs.audio == b"a" * 200 + b"b" * 120

    play(act)


def test_the_rest_of_a_message_is_padded_when_a_mark_comes_or_nothing_follows() -> None:
    async def act() -> None:
        scene = Scene()
        async with scene.posting():
            await scene.send_audio(b"a" * 40)
            await scene.mark("said")
            await scene.send_audio(b"b" * 40)
            await until(lambda: len(scene.legs.posted) == 2)
            scene.now += 1
            await until(lambda: len(scene.legs.posted) == 3)

        first, mark, second = scene.legs.posted
        assert first == ReturnMedia(b"a" * 40 + b"\xff" * 120)
        assert isinstance(mark, ReturnMark)
        assert second == ReturnMedia(b"b" * 40 + b"\xff" * 120)

    play(act)


def test_clear_overtakes_what_waits_for_a_busy_carrier() -> None:
    async def act() -> None:
        scene = Scene("signalwire")
        async with scene.held():
            await scene.send_audio(10 * SECOND)
            await scene.mark("first")
            await scene.send(event="dtmf", dtmf={"digit": "5"})
            await scene.send_audio(SECOND)
            await scene.mark("second")
            await scene.send_audio(b"old")
            await scene.send(event="clear")
            # At once, though nothing was posted yet.
            assert scene.marks == ["first", "second"]
            await scene.send_audio(b"n" * PIECE)
            scene.legs.takes.set()
            await scene.flush()

        assert scene.legs.posted == [
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
                await scene.send(event="clear")
            scene.legs.takes.set()
            await scene.flush()

        assert scene.legs.posted == [ReturnMedia(bytes(PIECE)), Clear()]

    play(act)


def test_audio_beyond_the_limit_is_refused() -> None:
    async def act() -> None:
        scene = Scene()
        async with scene.held():
            for _ in range(50):
                await scene.send_audio(bytes(1_000_000))
            assert scene.errors == [100005] * 10  # told now and then
            assert "more than 32 MB" in scene.answers[0]["payload"]["detail"]
            scene.now += 30
            await scene.send(event="clear")
            await scene.send_audio(b"n" * PIECE)
            scene.legs.takes.set()
            await scene.flush()

        assert scene.legs.pieces == [bytes(PIECE), b"n" * PIECE]
        assert set(scene.errors) == {100005}

    play(act)


def test_32_megabytes_at_once_are_taken() -> None:
    async def act() -> None:
        scene = Scene(return_format=AudioFormat("L16", 48_000, 1))
        piece, whole = bytes(1920), bytes(1920 * 4166)
        async with scene.held(piece):
            for _ in range(4):
                await scene.send_audio(whole)
            assert scene.errors == []
            await scene.send_audio(b"r" * 8000)
            assert scene.errors == [100005]
            await scene.mark("n" * 8000)
            assert scene.errors == [100005] * 2
            scene.legs.takes.set()
            await scene.flush()
            # There is nothing left of what was refused.
            await scene.send_audio(b"n" * 1920)
            await scene.flush()

        assert scene.legs.audio == piece + 4 * whole + b"n" * 1920

    play(act)


def test_large_packets_are_bounded_too() -> None:
    async def act() -> None:
        scene = Scene(return_format=AudioFormat("OPUS", 16000, 1))
        for _ in range(36):
            await scene.send_audio(bytes(900_000))
        assert scene.errors == [100005]
        async with scene.posting():
            await scene.flush()
            await scene.send_audio(bytes(900_000))
            await scene.mark("said")
            await scene.flush()

        assert scene.errors == [100005]
        assert len(scene.legs.pieces) == 36

    play(act)


def test_a_flood_is_read_slowly_and_a_clear_in_it_takes_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act() -> None:
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        monkeypatch.setattr(asyncio, "sleep", pause)
        scene = Scene()
        for number in range(16_000):
            await scene.mark(str(number))
        assert scene.errors == [100005] * 10
        assert pauses == [1 / 1000] * 1000
        await scene.send(event="clear")
        assert scene.marks == [str(number) for number in range(9000)]
        # The consumer earns what it may send.
        scene.now += 0.0041
        for name in "abcde":
            await scene.mark(name)
        assert len(pauses) == 1002

    play(act)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"event": "media", "media": {"payload": "*"}}', 100004),
        ('{"event": "media", "media": {"playload": "/w=="}}', 100003),
        ('{"event": "media", "media": {"payload": null}}', 100003),
        ('{"event": "media", "media": {"payload": 5}}', 100003),
        ('{"event": "noise"}', 100003),
        ('{"event": "dtmf", "dtmf": {"digit": "5"}}', 100003),
        ("{", 100003),
        (b"\x00\xff", 100003),
    ],
)
def test_unreadable_messages_are_answered_but_not_for_ever(text: str | bytes, code: int) -> None:
    async def act() -> None:
        scene = Scene()
        for _ in range(1000):
            await scene.path.receive(text)
        assert scene.errors == [code] * 10
        scene.now += 1
        await scene.path.receive(text)
        assert scene.errors == [code] * 11

    play(act)


def test_signalwire_consumers_get_no_errors_and_the_log_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act() -> None:
        scene = Scene("signalwire")
        async with scene.posting():
            await scene.path.receive("{")
            await asyncio.sleep(0)
        assert scene.answers == []

    play(act)
    assert "The frame was not formed correctly" in caplog.text
    assert "{'malformed': 1}" in caplog.text


def test_mark_that_a_carrier_could_not_return_is_refused() -> None:
    async def act() -> None:
        scene = Scene()
        for length, refused in ((8192, 0), (8193, 1)):
            await scene.mark("n" * length)
            assert scene.errors == [100003] * refused

    play(act)


def test_mp3_takes_one_message_a_second_with_a_little_jitter() -> None:
    async def act() -> None:
        scene = Scene(return_format=MP3_FILES)
        for wait, refused in ((0, 0), (0, 1), (0.8, 1), (1.2, 1), (1, 1), (0.7, 2)):
            scene.now += wait
            await scene.send_audio(b"ID3")
            assert scene.errors == [100005] * refused

    play(act)


WAV = b"RIFF\0\0\0\0WAVEfmt " + bytes(160)


@pytest.mark.parametrize(
    ("return_format", "audio", "detail"),
    [
        (MP3_FILES, WAV, "The payload begins with a WAV header: send MP3"),
        (MP3_FILES, b"OggS\0\2" + bytes(160), "The payload begins with an Ogg header: send MP3"),
        (MP3_FILES, b"some text that is not audio" * 9, "the audio is not MP3"),
        (MP3_FILES, bytes(4000), "the audio is not MP3"),
        (PCMU_8K, WAV, "The payload begins with a WAV header: send raw PCMU"),
        (
            AudioFormat("L16", 16_000, 1),
            b"ID3\4\0\0\0\0\0\0" + bytes(160),
            "The payload begins with an MP3 header: send raw L16",
        ),
    ],
)
def test_audio_that_is_a_file_of_another_kind_is_named_once_and_not_played(
    return_format: AudioFormat, audio: bytes, detail: str
) -> None:
    async def act() -> None:
        scene = Scene(return_format=return_format)
        async with scene.posting():
            for _ in range(5):
                await scene.send_audio(audio)
                await scene.flush()
                scene.now += 1
        refusal = {"code": 100002, "title": "unknown_error", "detail": detail}
        assert [each["payload"] for each in scene.answers] == [refusal]
        assert scene.legs.posted == []

    play(act)


def test_a_wav_header_is_logged_in_dialects_without_errors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act() -> None:
        scene = Scene("twilio")
        async with scene.posting():
            for _ in range(5):
                await scene.send_audio(WAV)
            await scene.send_audio(b"n" * PIECE)
            await scene.flush()
        assert scene.answers == []
        assert scene.legs.audio == b"n" * PIECE

    play(act)
    assert caplog.text.count("begins with a WAV header: send raw PCMU") == 1
    assert "{'unusable': 5}" in caplog.text


def test_mp3_in_parts_is_played_as_the_carrier_needs_it() -> None:
    async def act() -> None:
        loop = asyncio.get_running_loop()
        legs, file = TimedLegs(), tone(120)
        scene = Scene(return_format=MP3_FILES, legs=legs, clock=loop.time)
        legs.return_format = L16_16K
        began, size = loop.time(), len(file) // 4 + 1
        async with scene.posting():
            for at in range(0, len(file), size):
                await scene.send_audio(file[at : at + size])
                await asyncio.sleep(1)
            await scene.mark("heard")
            await until_loop(lambda: isinstance(legs.posted[-1], ReturnMark))

        assert scene.errors == []
        seconds = len(legs.audio) / 32_000
        # Encoders put some silence around the audio.
        assert 120 <= seconds < 121
        assert seconds - 21 <= legs.times[-1] - began <= seconds
        assert max(legs.audio) > 0

    play_without_waiting(act)


def test_clear_ends_an_mp3_file() -> None:
    async def act() -> None:
        scene = Scene(return_format=MP3_FILES)
        scene.legs.return_format = L16_16K
        async with scene.posting():
            await scene.send_audio(tone(5))
            await until(lambda: scene.legs.posted)
            await scene.send(event="clear")
            before = scene.legs.audio
            scene.now += 1
            await scene.send_audio(tone(1))
            await scene.flush()

        assert Clear() in scene.legs.posted
        assert 1 <= (len(scene.legs.audio) - len(before)) / 32_000 < 1.5
        assert scene.errors == []

    play(act)


def test_a_mark_that_no_leg_can_reach_comes_back_at_once() -> None:
    async def act() -> None:
        scene = Scene()
        scene.legs.problem = UnusableAudio("the call has no such leg")
        async with scene.posting():
            await scene.mark("unheard")
            await scene.mark("too")
            await until(lambda: len(scene.marks) == 2)

        assert scene.marks == ["unheard", "too"]
        assert scene.errors == [100002]

    play(act)


@pytest.mark.parametrize("audio", [bytes(PIECE), WAV])
def test_a_mark_after_refused_audio_comes_back_with_a_clear_only(
    audio: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def act() -> None:
        scene = Scene()
        scene.legs.problem = UnusableAudio("the call has no such leg")
        async with scene.posting():
            await scene.send_audio(audio)
            await scene.mark("unheard")
            await scene.mark("too")
            await until(lambda: len(scene.answers) == 3)
            assert scene.marks == []
            details = [each["payload"]["detail"] for each in scene.answers]
            assert [detail.rpartition(": ")[2] for detail in details[1:]] == ["unheard", "too"]
            await scene.send(event="clear")
            assert scene.marks == ["unheard", "too"]
            # One bad message in a speech does not keep the speech's mark back.
            scene.legs.problem = None
            for each in (bytes(PIECE), WAV):
                await scene.send_audio(each)
            await scene.mark("heard")
            await scene.flush()
        assert isinstance(scene.legs.posted[-1], ReturnMark)
        assert scene.legs.audio == bytes(PIECE)

    play(act)
    assert "unheard" not in caplog.text


def test_a_mark_after_refused_audio_comes_back_at_the_end_of_the_run() -> None:
    async def act() -> None:
        scene = Scene()
        async with scene.posting():
            await scene.send_audio(WAV)
            await scene.mark("unheard")
            assert scene.marks == []
            await scene.flush()

        assert scene.marks == ["unheard"]

    play(act)


def test_audio_that_is_not_mp3_gets_the_useful_error_and_few_others() -> None:
    async def act() -> None:
        scene = Scene(return_format=MP3_FILES)
        async with scene.posting():
            for _ in range(50):
                await scene.send_audio(bytes(PIECE * 25))
            await scene.flush()
            for _ in range(100):
                await scene.send_audio(bytes(PIECE * 25))
                scene.now += 0.02
        assert scene.errors.count(100002) == 1
        assert scene.errors.count(100005) <= 3

    play(act)


def test_audio_that_the_call_cannot_play_is_answered_once_in_a_while() -> None:
    async def act() -> None:
        scene = Scene()
        scene.legs.problem = UnusableAudio("the call speaks something else")
        async with scene.posting():
            await scene.send_audio(SECOND)
            await scene.flush()
            # It was in the way of nothing that came later.
            scene.legs.problem = None
            await scene.send_audio(bytes(PIECE))
            await scene.mark("said")
            await scene.flush()

        assert scene.errors == [100002]
        assert len(scene.legs.posted) == 2

    play(act)


@pytest.mark.parametrize("problem", [Unavailable, Undeliverable])
def test_a_carrier_that_cannot_be_reached_ends_nothing(
    caplog: pytest.LogCaptureFixture, problem: type[Unavailable | Undeliverable]
) -> None:
    async def act() -> None:
        scene = Scene()
        scene.legs.problem = problem("apigateway", "Throttled")
        async with scene.posting():
            await scene.send_audio(SECOND)
            await scene.flush()
            scene.legs.problem = None
            await scene.send_audio(bytes(PIECE))
            await scene.flush()
        assert scene.errors == []
        assert scene.legs.pieces == [bytes(PIECE)]

    play(act)
    assert "{'unavailable': 2}" in caplog.text
    assert len(caplog.records) == 2


def test_marks_of_other_legs_are_subscribed_to_once() -> None:
    async def act() -> None:
        scene = Scene()
        # One leg is there before anything is sent, another comes later.
        scene.legs.others_before, scene.legs.others = {"s2"}, {"s2", "s3"}
        async with scene.posting():
            await until(lambda: scene.subscribed == ["s2"])
            for _ in range(2):
                await scene.mark("said")
            await scene.flush()
            await until(lambda: len(scene.subscribed) == 2)

        assert sorted(scene.subscribed) == ["s2", "s3"]

    play(act)


@pytest.mark.parametrize("is_successor", [False, True])
def test_marks_of_other_legs_wait_for_the_first_mp3_unless_a_mark_is_on_its_way(
    *, is_successor: bool
) -> None:
    async def act() -> None:
        scene = Scene(return_format=MP3_FILES)
        scene.legs.return_format = L16_16K
        scene.legs.others_before = scene.legs.others = {"s2"}
        if is_successor:
            scene.fork.counters.pending.add("1")
        async with scene.posting():
            for _ in range(10):
                await asyncio.sleep(0)
            assert scene.subscribed == (["s2"] if is_successor else [])
            await scene.send_audio(tone(1))
            await until(lambda: scene.subscribed == ["s2"])

    play(act)


class TimedLegs(Legs):
    """A carrier that knows when it got its messages."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    @override
    async def send_back(
        self, event: ReturnEvent, return_format: AudioFormat, *, ends_speech: bool = False
    ) -> Collection[str]:
        if isinstance(event, ReturnMedia):
            self.times.append(asyncio.get_running_loop().time())
        return await super().send_back(event, return_format, ends_speech=ends_speech)


def numbered(begin: int, size: int) -> bytes:
    """Audio of which no two pieces are alike."""
    return b"".join(number.to_bytes(4) for number in range(begin // 4, (begin + size) // 4))


@pytest.mark.parametrize(
    ("messages", "seconds", "times_real_time", "messages_a_mark"),
    [
        (1, 90, 0, 1),
        (4, 30, 0, 1),
        (6000, 0.02, 7, 1),
        (6000, 0.02, 7, 6000),
        (6000, 0.02, 1.5, 6000),
        (600, 0.2, 7, 1),
        (1200, 0.1, 1.5, 1),
    ],
)
def test_speech_of_any_length_is_played_whole_at_the_carriers_pace(
    messages: int, seconds: float, times_real_time: float, messages_a_mark: int
) -> None:
    async def act() -> None:
        loop = asyncio.get_running_loop()
        legs, size = TimedLegs(), round(seconds * 8000)
        scene = Scene(legs=legs, clock=loop.time)
        began, whole = loop.time(), numbered(0, size * messages)
        async with scene.posting():
            for begin in range(0, len(whole), size):
                await scene.send_audio(whole[begin : begin + size])
                if (begin + size) % (size * messages_a_mark) == 0:
                    await scene.mark(str(begin))
                if times_real_time:
                    await asyncio.sleep(seconds / times_real_time)
            await until_loop(lambda: len(legs.audio) == len(whole))
            await until_loop(lambda: isinstance(legs.posted[-1], ReturnMark))

        assert scene.errors == []
        assert legs.audio == whole
        # Each mark comes after the audio before it.
        sizes = accumulate(
            len(event.audio) if isinstance(event, ReturnMedia) else 0 for event in legs.posted
        )
        marked = [
            at
            for at, event in zip(sizes, legs.posted, strict=True)
            if isinstance(event, ReturnMark)
        ]
        between = size * messages_a_mark
        assert marked == list(range(between, len(whole) + 1, between))
        times = legs.times
        took = times[-1] - began
        assert len(whole) / 8000 - 20.5 <= took <= len(whole) / 8000
        # A mark after each piece of 20 ms keeps the pieces from being joined: 50 a second, and the
        # first 200 ms at once.
        budget = 15 if seconds * messages_a_mark >= 0.1 else 62
        assert len(times) <= budget * took
        # Until a consumer is 100 ms ahead, its pieces are posted as they come.
        begins = 15 if times_real_time else 0
        after = times[begins:]
        assert all(later - at >= 1 for at, later in zip(after, after[budget:], strict=False))

    play_without_waiting(act)


async def until_loop(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  # what it waits for knows of no event
        await asyncio.sleep(0.1)


def test_audio_that_cannot_be_posted_before_the_end_is_reported_and_its_marks_come_back() -> None:
    async def act() -> None:
        scene = Scene()
        async with scene.held():
            await scene.send_audio(SECOND)
            await scene.mark("unheard")
            await scene.path.flush(0.01)

        assert scene.marks == ["unheard"]
        assert scene.errors == [100005]
        assert "before the connection ends" in scene.answers[-1]["payload"]["detail"]

    play(act)
