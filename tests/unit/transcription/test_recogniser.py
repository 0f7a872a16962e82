"""A recognition over sessions that fail at any moment."""

import asyncio
from itertools import pairwise
from random import Random

import pytest

from callstream.transcription.engine import EngineFailed, SessionSettings, Utterance
from callstream.transcription.kept_audio import interleaved
from callstream.transcription.recogniser import (
    Recogniser,
    RecogniserLimits,
    RecognitionFailed,
)
from tests.unit.relays.scenes import play_without_waiting
from tests.unit.transcription.scripted_engine import ScriptedEngine, ScriptedSession, sound


class Scene:
    """A recognition of two channels that begins at 10 s."""

    def __init__(
        self, engine: ScriptedEngine, *, settled: tuple[int, int] = (0, 0), kept: float = 60
    ) -> None:
        self.given: list[Utterance] = []
        loop = asyncio.get_running_loop()
        self.engine = engine
        self.recogniser = Recogniser(
            engine,
            SessionSettings("en-US", channels=2),
            begin_ms=10_000,
            settled_ms=settled,
            give=self.given.append,
            clock=loop.time,
            limits=RecogniserLimits(kept=kept),
        )
        self.running = asyncio.create_task(self.recogniser.run())

    async def say(self, *channels: bytes, piece_ms: int = 100) -> None:
        """Feed audio in pieces, in real time."""
        audio, size = interleaved(channels), piece_ms * 8 * 2 * len(channels)
        for at in range(0, len(audio), size):
            self.recogniser.feed(audio[at : at + size])
            await asyncio.sleep(piece_ms / 1000)

    async def finish(self) -> None:
        self.recogniser.finish()
        await self.running

    def words(self, channel: int) -> list[tuple[str, int]]:
        return [
            (word.text, word.start_ms)
            for each in self.given
            if each.channel == channel
            for word in each.words
        ]


class MuteSession(ScriptedSession):
    """A session that takes audio, and gives nothing."""

    async def receive(self) -> Utterance | None:
        await asyncio.Event().wait()
        raise AssertionError


def speech(random: Random, first: int) -> tuple[bytes, list[tuple[str, int]]]:
    """Some 30 s of words with pauses, and the words with their beginnings."""
    audio, words, at = b"", [], 10_000
    for number in range(first, first + 40):
        pause, length = random.choice([10, 50, 400, 1500]), random.randrange(50, 400, 10)
        audio += sound(0, pause) + sound(number, length)
        words.append((f"{number}:{length}", at + pause))
        at += pause + length
    return audio, words


@pytest.mark.parametrize("seed", range(8))
def test_recogniser_gives_each_word_once_and_in_order_however_sessions_fail(seed: int) -> None:
    async def act() -> None:
        random = Random(seed)  # noqa: S311  # a scene, not a secret

        def next_session(session: ScriptedSession) -> None:
            if random.random() < 0.2:
                raise EngineFailed("refused", is_busy=random.random() < 0.5)
            session.fails_at = random.choice([0, 1500, 4000, 9000, 12_000, 60_000])

        engine = ScriptedEngine(next_session)
        scene = Scene(engine)
        scene.recogniser._limits = RecogniserLimits(most_failures=1000)
        (one, words_one), (other, words_other) = speech(random, 1), speech(random, 100)
        length = max(len(one), len(other))
        await scene.say(one.ljust(length, b"\0"), other.ljust(length, b"\0"), piece_ms=20)
        engine.next_session = lambda _: None
        await scene.finish()

        assert scene.words(0) == words_one
        assert scene.words(1) == words_other
        assert all(session.closed for session in engine.sessions)
        assert scene.recogniser.lost_ms == 0

    play_without_waiting(act)


def test_recogniser_feeds_what_was_given_before_as_zeros() -> None:
    async def act() -> None:
        scene = Scene(ScriptedEngine(), settled=(10_500, 0))
        # Too short a pause for the engine to end the utterance.
        audio = sound(1, 500) + sound(0, 100) + sound(2, 500)
        await scene.say(audio, audio)
        await scene.finish()

        assert scene.words(0) == [("2:500", 10_600)]
        assert scene.words(1) == [("1:500", 10_000), ("2:500", 10_600)]

    play_without_waiting(act)


def test_recogniser_backs_off_while_the_engine_is_busy_and_then_loses_nothing() -> None:
    async def act() -> None:
        times: list[float] = []

        def refuse(_: ScriptedSession) -> None:
            times.append(asyncio.get_running_loop().time())
            if len(times) < 5:
                raise EngineFailed("too many", is_busy=True)

        scene = Scene(ScriptedEngine(refuse))
        await scene.say(sound(1, 500), sound(0, 500))
        await scene.finish()

        assert [round(b - a) for a, b in pairwise(times)] == [1, 2, 4, 8]
        assert scene.words(0) == [("1:500", 10_000)]

    play_without_waiting(act)


@pytest.mark.parametrize(("permanent", "tries"), [(True, 1), (False, 5)])
def test_recogniser_gives_up_with_the_engines_reason(permanent: bool, tries: int) -> None:  # noqa: FBT001
    async def act() -> None:
        asked: list[ScriptedSession] = []

        def refuse(session: ScriptedSession) -> None:
            asked.append(session)
            raise EngineFailed("refused", is_permanent=permanent)

        scene = Scene(ScriptedEngine(refuse))
        scene.recogniser.feed(bytes(4 * 800))
        with pytest.raises(RecognitionFailed, match="refused"):
            await scene.running
        assert len(asked) == tries

    play_without_waiting(act)


def test_recogniser_gives_up_if_no_session_gives_its_last_words() -> None:
    async def act() -> None:
        engine = ScriptedEngine()

        async def open_mute(settings: SessionSettings) -> ScriptedSession:
            engine.sessions.append(MuteSession(settings))
            return engine.sessions[-1]

        engine.open = open_mute  # type: ignore[method-assign]
        scene = Scene(engine)
        await scene.say(sound(1, 1000), sound(0, 1000))

        with pytest.raises(RecognitionFailed, match="silent"):
            await scene.finish()
        assert len(engine.sessions) == 5

    play_without_waiting(act)


def test_recogniser_counts_the_audio_that_no_engine_takes_in_time() -> None:
    async def act() -> None:
        def refuse(_: ScriptedSession) -> None:
            raise EngineFailed("too many", is_busy=True)

        engine = ScriptedEngine(refuse)
        scene = Scene(engine, kept=2)
        await scene.say(sound(1, 2500), sound(0, 2500))
        engine.next_session = lambda _: None
        await scene.say(sound(0, 500) + sound(2, 500), sound(0, 1000))
        await scene.finish()

        # The engine is asked at once, after 1 s and after 2 s more.
        assert 1000 <= scene.recogniser.lost_ms <= 1200
        assert scene.words(0)[-1] == ("2:500", 13_000)

    play_without_waiting(act)


def test_recogniser_renews_a_session_at_a_quiet_moment() -> None:
    async def act() -> None:
        engine = ScriptedEngine()
        engine.longest_session_s = 5
        scene = Scene(engine)
        await scene.say(sound(1, 7000) + sound(0, 5000), bytes(12_000 * 16))
        await scene.finish()

        assert scene.words(0) == [("1:7000", 10_000)]
        assert len(engine.sessions) == 2
        assert 7300 <= engine.sessions[0].fed_ms <= 8500

    play_without_waiting(act)


def test_recogniser_takes_audio_back_that_was_only_filled_in() -> None:
    async def act() -> None:
        scene = Scene(ScriptedEngine())
        await scene.say(sound(1, 500) + bytes(16 * 3000), bytes(16 * 3500))
        scene.recogniser.rewind(10_500)
        assert scene.recogniser.end_ms == 10_500
        await scene.say(sound(2, 500), sound(3, 500))
        await scene.finish()

        assert [word for word, _ in scene.words(0)] == ["1:500", "2:500"]
        assert scene.words(1) == [("3:500", 10_500)]

    play_without_waiting(act)


def test_recogniser_follows_a_session_that_ends_without_a_word_or_never_ends() -> None:
    async def act() -> None:
        class Silent(ScriptedSession):
            async def receive(self) -> Utterance | None:
                if len(engine.sessions) == 1:
                    return None
                await asyncio.sleep(1e6)
                return None

        class Engine(ScriptedEngine):
            async def open(self, settings: SessionSettings) -> ScriptedSession:
                if len(self.sessions) == 2:
                    return await super().open(settings)
                self.sessions.append(Silent(settings))
                return self.sessions[-1]

        engine = Engine()
        scene = Scene(engine)
        await scene.say(sound(1, 500), sound(0, 500))
        await scene.finish()

        assert len(engine.sessions) == 3
        assert scene.words(0) == [("1:500", 10_000)]

    play_without_waiting(act)
