"""What every speech recognition engine does: the port's promises, as tests.

The tests of an engine inherit from `EngineConformance` and give a `subject`:

    class TestMyEngine(EngineConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def subject(cls) -> Subject: ...

The audio is speech (tests/speech_samples.py). An engine that only plays a script, such as the one
behind the stand-in of a vendor, gets the lines before their audio, and may take any loud audio
for the next line.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol

import pytest

from callstream.transcription.engine import (
    SAMPLE_RATE,
    Engine,
    EngineFailed,
    Session,
    SessionSettings,
    Utterance,
)
from tests.speech_samples import sentences, synthesise
from tests.word_error_rate import word_errors, words

BYTES_PER_MS: Final = SAMPLE_RATE * 2 // 1000
PIECE_MS: Final = 100
# Longer than any engine takes for the audio of a test, on a busy machine too.
_PATIENCE_S: Final = 120


class Line(NamedTuple):
    """A sentence of `sentences()`, and where it begins on its channel."""

    channel: int
    start_ms: int
    sentence: int

    @property
    def text(self) -> str:
        """What is said."""
        return sentences()[self.sentence].text

    @property
    def audio(self) -> bytes:
        """The sound."""
        return synthesise(*sentences()[self.sentence])

    @property
    def end_ms(self) -> int:
        """Where it ends."""
        return self.start_ms + len(self.audio) // BYTES_PER_MS


class Subject(Protocol):
    """An engine under test.

    Attributes:
        wrong_words: the part of the words that the engine may take for others.
        tolerance_ms: how far the times of an utterance may be from the truth.
    """

    engine: Engine
    wrong_words: float
    tolerance_ms: int

    def expect(self, lines: list[Line]) -> None:
        """Learn what the next session is going to get; only a scripted engine needs to."""

    async def crash(self, session: Session) -> None:
        """Make what is behind the session die, or answer with an error."""


class Heard(NamedTuple):
    """What came out of a session."""

    utterances: list[Utterance]
    settled: list[tuple[int, ...]]
    """After each piece of audio, up to where each channel was done."""


# Two speakers in turns, the second answer into the first speaker's word, then a long silence.
CONVERSATION: Final = (
    Line(0, 500, 2),
    Line(1, 4_000, 0),
    Line(0, 7_600, 6),
    Line(1, 9_800, 12),
    Line(0, 22_000, 14),
)


def sound(lines: list[Line], channels: int, end_ms: int) -> bytes:
    """The interleaved audio of ``lines``, silent between them."""
    tracks = [bytearray(end_ms * BYTES_PER_MS) for _ in range(channels)]
    for line in lines:
        at = line.start_ms * BYTES_PER_MS
        tracks[line.channel][at : at + len(line.audio)] = line.audio
    audio = bytearray(len(tracks[0]) * channels)
    for channel, track in enumerate(tracks):
        for byte in range(2):
            audio[channel * 2 + byte :: channels * 2] = track[byte::2]
    return bytes(audio)


async def hear(
    engine: Engine, audio: bytes, *, channels: int = 1, piece_ms: int = PIECE_MS
) -> Heard:
    """Feed a session as fast as it accepts, to the end."""
    session = await engine.open(SessionSettings("en-US", channels=channels))
    heard = Heard([], [])

    async def receive() -> None:
        while utterance := await session.receive():
            heard.utterances.append(utterance)

    try:
        receiving = asyncio.create_task(receive())
        size = piece_ms * BYTES_PER_MS * channels
        for at in range(0, len(audio), size):
            await session.feed(audio[at : at + size])
            heard.settled.append(tuple(session.settled_ms(each) for each in range(channels)))
        await session.finish()
        await receiving
    finally:
        await session.close()
    return heard


def assert_understood(subject: Subject, said: str, understood: str) -> None:
    """The engine takes no more words for others than it may."""
    most = subject.wrong_words * len(words(said))
    assert word_errors(said, understood) <= most, understood


def run[Result](act: Coroutine[Any, Any, Result]) -> Result:
    """Run ``act``, and fail if it hangs."""

    async def patiently() -> Result:
        async with asyncio.timeout(_PATIENCE_S):
            return await act

    return asyncio.run(patiently())


class EngineConformance:
    """What is asked of every engine."""

    @pytest.fixture(scope="class")
    @classmethod
    def heard(cls, subject: Subject) -> Heard:
        """The conversation, as the engine understands it. Its last word has no silence after it."""
        subject.expect([*CONVERSATION])
        audio = sound([*CONVERSATION], 2, CONVERSATION[-1].end_ms)
        return run(hear(subject.engine, audio, channels=2))

    def test_everything_that_is_said_comes_once_in_order_and_from_its_channel(
        self, subject: Subject, heard: Heard
    ) -> None:
        for channel in (0, 1):
            said = " ".join(line.text for line in CONVERSATION if line.channel == channel)
            of_channel = [each for each in heard.utterances if each.channel == channel]
            understood = " ".join(each.text for each in of_channel)
            assert word_errors(said, understood) <= subject.wrong_words * len(words(said)), (
                understood
            )
            assert of_channel == sorted(of_channel, key=lambda each: each.start_ms)

    def test_times_of_utterances_are_those_of_the_speech(
        self, subject: Subject, heard: Heard
    ) -> None:
        for line in CONVERSATION:
            parts = [
                each
                for each in heard.utterances
                if each.channel == line.channel
                and each.start_ms < line.end_ms
                and line.start_ms < each.end_ms
            ]
            assert parts[0].start_ms == pytest.approx(line.start_ms, abs=subject.tolerance_ms)
            assert parts[-1].end_ms == pytest.approx(line.end_ms, abs=subject.tolerance_ms)

    def test_words_if_there_are_any_are_those_of_the_text_with_times_inside_it(
        self, heard: Heard
    ) -> None:
        for each in heard.utterances:
            if each.words:
                text = "".join(word.before + word.text + word.after for word in each.words)
                assert words(text.replace(" ", "")) == words(each.text.replace(" ", ""))
            times = [time for word in each.words for time in (word.start_ms, word.end_ms)]
            assert times == sorted(times)
            assert all(each.start_ms <= time <= each.end_ms for time in times)

    def test_silence_gives_no_utterance(self, heard: Heard) -> None:
        quiet = (CONVERSATION[-2].end_ms + 1_500, CONVERSATION[-1].start_ms - 1_500)

        assert not [each for each in heard.utterances if quiet[0] < each.start_ms < quiet[1]]

    def test_settled_time_never_goes_back_and_never_passes_the_beginning_of_what_is_pending(
        self, heard: Heard
    ) -> None:
        for channel in (0, 1):
            settled = [each[channel] for each in heard.settled]
            assert settled == sorted(settled)
            for line in CONVERSATION:
                # The line is pending from its first sound; nothing has come of it before its end.
                while_spoken = settled[line.start_ms // PIECE_MS : line.end_ms // PIECE_MS]
                if line.channel == channel:
                    assert all(each <= line.start_ms + 300 for each in while_spoken)

    def test_sound_of_any_size_of_pieces_gives_the_same_words(self, subject: Subject) -> None:
        line = Line(0, 300, 12)
        audio = sound([line], 1, line.end_ms)
        texts = set()
        for piece_ms in (20, 1_000):
            subject.expect([line])
            heard = run(hear(subject.engine, audio, piece_ms=piece_ms))
            texts.add(tuple(word for each in heard.utterances for word in words(each.text)))

        assert len(texts) == 1
        assert word_errors(line.text, " ".join(*texts)) <= subject.wrong_words * len(
            words(line.text)
        )

    def test_session_without_audio_ends_without_utterances(self, subject: Subject) -> None:
        subject.expect([])

        assert run(hear(subject.engine, b"", channels=2)).utterances == []

    @pytest.mark.parametrize("state", ["open", "fed", "finished", "over", "closed"])
    def test_session_can_be_closed_in_any_state(self, subject: Subject, state: str) -> None:
        async def act() -> None:
            session = await subject.engine.open(SessionSettings("en-US"))
            if state != "open":
                await session.feed(bytes(PIECE_MS * BYTES_PER_MS))
            if state in {"finished", "over"}:
                await session.finish()
            if state == "over":
                assert await session.receive() is None
            await session.close()
            if state == "closed":
                await session.close()

        subject.expect([])
        run(act())

    def test_failed_session_says_so_to_who_feeds_and_to_who_receives(
        self, subject: Subject
    ) -> None:
        async def feed(session: Session) -> None:
            while True:
                await session.feed(bytes(PIECE_MS * BYTES_PER_MS))
                await asyncio.sleep(0)

        async def failure(of: Callable[[Session], Awaitable[object]]) -> EngineFailed:
            session = await subject.engine.open(SessionSettings("en-US"))
            try:
                await session.feed(bytes(PIECE_MS * BYTES_PER_MS))
                using = asyncio.ensure_future(of(session))
                await subject.crash(session)
                with pytest.raises(EngineFailed) as failed:
                    await using
                return failed.value
            finally:
                await session.close()

        for of in (feed, lambda session: session.receive()):
            subject.expect([])
            assert not run(failure(of)).is_permanent

    def test_engine_refuses_a_language_that_it_has_not(self, subject: Subject) -> None:
        assert "en-US" in subject.engine.languages
        with pytest.raises(EngineFailed) as failed:
            run(subject.engine.open(SessionSettings("tlh")))
        assert failed.value.is_permanent
