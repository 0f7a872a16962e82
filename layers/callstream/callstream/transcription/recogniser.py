"""Keeps one recognition alive over several sessions with an engine. Pure: no I/O.

The audio of one or two channels is on one timeline, in milliseconds. A session gets the audio from
some place on, and gives utterances. A place of a channel is *settled* if all utterances before it
have been given. The audio since the least settled place is kept, so that a session that fails costs
nothing: the next session gets that audio again. Settled audio is fed as zeros then, so that no
utterance is given twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Never

from msgspec import Struct
from msgspec.structs import replace

from callstream.errors import CallstreamError
from callstream.transcription.engine import (
    SAMPLE_RATE,
    Engine,
    EngineFailed,
    Session,
    SessionSettings,
    Utterance,
)
from callstream.transcription.kept_audio import KeptAudio

_logger = logging.getLogger(__name__)

_SAMPLES_A_MS: Final = SAMPLE_RATE // 1000


class RecognitionFailed(CallstreamError):
    """The engine recognises nothing any more. The attributes are those of `EngineFailed`."""

    def __init__(self, failed: EngineFailed) -> None:
        super().__init__(failed.reason)
        self.reason = failed.reason
        self.is_permanent = failed.is_permanent
        self.is_busy = failed.is_busy


class RecogniserLimits(Struct, frozen=True):
    """The limits of a recogniser. Times are in seconds unless their names say otherwise."""

    kept: float = 60.0
    """So much audio is kept for the next session."""
    shortest_chunk_ms: int = 60
    """A session gets pieces of at least so much audio, except for the last one."""
    longest_chunk_ms: int = 200
    """A session gets pieces of at most so much audio."""
    most_failures: int = 5
    """After so many failures in a row the recognition fails."""
    lasting: float = 10.0
    """The failure of a session that has lasted so long, or has given an utterance, is the first of
    its row; not that of a session from which only the last utterances were missing."""
    quiet_ms: int = 1000
    """A session is renewed at a moment when no more than so much audio is unsettled …"""
    renewal_patience: float = 120.0
    """… or after so long."""
    last_words: float = 10.0
    """A session gives its last utterances within so long, or has failed."""


class Recogniser:
    """One recognition.

    Args:
        engine: recognises speech.
        settings: the settings of its sessions.
        begin_ms: where the audio begins.
        settled_ms: the place of each channel before which everything has been given before.
        give: takes each utterance, in order within its channel, with the times of the timeline.
        clock: monotonic time in seconds.
        sleep: waits for so many seconds.
        limits: how much to keep, and how long to wait.
    """

    # It has 16 methods: those that its owner calls, and one for each part of a session's work,
    # which share the places on the timeline.

    def __init__(
        self,
        engine: Engine,
        settings: SessionSettings,
        *,
        begin_ms: int,
        settled_ms: Sequence[int],
        give: Callable[[Utterance], None],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        limits: RecogniserLimits | None = None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._give = give
        self._clock = clock
        self._sleep = sleep
        self._limits = limits = limits or RecogniserLimits()
        begin = begin_ms * _SAMPLES_A_MS
        self._kept = KeptAudio(settings.channels, begin, round(limits.kept * SAMPLE_RATE))
        self._settled = [each * _SAMPLES_A_MS for each in settled_ms]
        self._session: Session | None = None
        # Where the session began, and how far it has been fed.
        self._began = self._fed = begin
        self._changed = asyncio.Event()
        self._is_ending = self._is_finished = self._is_rewound = self._has_given = False
        self.lost_ms = 0
        """How much audio was dropped, because no session could take it."""

    @property
    def end_ms(self) -> int:
        """Where the audio ends that was fed so far."""
        return self._kept.end // _SAMPLES_A_MS

    @property
    def waiting_ms(self) -> int:
        """How much audio waits for a session."""
        begin = self._fed if self._session else self._kept.begin
        return max(0, self._kept.end - begin) // _SAMPLES_A_MS

    def settled_ms(self, channel: int) -> int:
        """Up to where all utterances of a channel have been given."""
        return self._settled_of(channel) // _SAMPLES_A_MS

    def feed(self, audio: bytes) -> None:
        """Add audio: whole samples of all channels. Never waits."""
        unsettled = min(self._settled_of(each) for each in self._channels)
        needed = self._fed if self._session else unsettled
        dropped = self._kept.append(audio)
        if (lost := min(dropped, self._kept.begin - needed)) > 0:
            if not self.lost_ms:
                _logger.warning("audio is dropped: no engine takes it")
            self.lost_ms += lost // _SAMPLES_A_MS
        self._kept.drop_before(min(needed, unsettled))
        self._changed.set()

    def rewind(self, to_ms: int) -> None:
        """Take back the audio from a place on: other audio follows there. It held no speech."""
        place = to_ms * _SAMPLES_A_MS
        self._settled = [min(self._settled_of(each), place) for each in self._channels]
        self._kept.truncate(place)
        if self._session and self._fed > place:
            # The session has got audio that is taken back.
            self._fed, self._is_rewound = place, True
        self._changed.set()

    def finish(self) -> None:
        """Let `run` return once the last utterances have been given. No audio follows."""
        self._is_ending = True
        self._changed.set()

    async def run(self) -> None:
        """Recognise until `finish`.

        Raises:
            RecognitionFailed: the engine has failed for good, or too often.
        """
        failures = 0
        while await self._has_work():
            began = self._clock()
            try:
                await self._recognise()
                failures = 0
            except EngineFailed as failed:
                lasted = self._clock() - began
                has_lasted = lasted >= self._limits.lasting and not self._is_finished
                failures = 1 if has_lasted or self._has_given else failures + 1
                _logger.warning("the engine has failed: %s, %d in a row", failed.reason, failures)
                if failed.is_permanent or failures >= self._limits.most_failures:
                    raise RecognitionFailed(failed) from failed
                await self._sleep(_pause(failures, is_busy=failed.is_busy))

    @property
    def _channels(self) -> range:
        return range(self._settings.channels)

    def _settled_of(self, channel: int) -> int:
        settled = self._settled[channel]
        if self._session is None:
            return settled
        of_session = self._began + self._session.settled_ms(channel) * _SAMPLES_A_MS
        return max(settled, min(of_session, self._fed))

    async def _has_work(self) -> bool:
        """Wait for audio that a session must get; False if there is none any more."""
        while True:
            if self._kept.end > max(self._kept.begin, min(self._settled)):
                return True
            if self._is_ending:
                return False
            await self._wait()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _recognise(self) -> None:
        """Let one session recognise. Raises `EngineFailed`."""
        self._is_rewound = self._is_finished = self._has_given = False
        session = await self._engine.open(self._settings)
        self._began = self._fed = max(self._kept.begin, min(self._settled))
        self._session = session
        feeding = asyncio.create_task(self._feed(session))
        receiving = asyncio.create_task(self._receive(session))
        try:
            done, _ = await asyncio.wait([feeding, receiving], return_when=asyncio.FIRST_COMPLETED)
            if not self._is_rewound:
                for work in done:
                    work.result()
                self._settled = [max(each, self._fed) for each in self._settled]
        finally:
            for work in (feeding, receiving):
                work.cancel()
            await asyncio.gather(feeding, receiving, return_exceptions=True)
            self._settled = [self._settled_of(each) for each in self._channels]
            self._session = None
            await session.close()

    async def _feed(self, session: Session) -> Never:
        opened, muted = self._clock(), tuple(self._settled)
        shortest, longest = (
            each * _SAMPLES_A_MS
            for each in (self._limits.shortest_chunk_ms, self._limits.longest_chunk_ms)
        )
        while not self._must_renew(opened):
            if self._is_rewound:
                raise EngineFailed("rewound")
            if self._fed < self._kept.begin:
                raise EngineFailed("slow")
            waiting = self._kept.end - self._fed
            if waiting < shortest and not self._is_ending:
                await self._wait()
                continue
            if not waiting:
                break
            chunk = self._kept.read(self._fed, longest, muted)
            self._fed += min(waiting, longest)
            await session.feed(chunk)
        self._is_finished = True
        await session.finish()
        await self._sleep(self._limits.last_words)
        raise EngineFailed("silent")

    def _must_renew(self, opened: float) -> bool:
        overdue = self._clock() - opened - self._engine.longest_session_s
        if overdue < 0:
            return False
        settled = min(self._settled_of(each) for each in self._channels)
        is_quiet = self._fed - settled <= self._limits.quiet_ms * _SAMPLES_A_MS
        return is_quiet or overdue >= self._limits.renewal_patience

    async def _receive(self, session: Session) -> None:
        while (found := await session.receive()) is not None:
            offset_ms, channel = self._began // _SAMPLES_A_MS, found.channel
            begin_ms = max(found.start_ms + offset_ms, self._settled[channel] // _SAMPLES_A_MS)
            end_ms = found.end_ms + offset_ms
            if end_ms <= begin_ms:
                _logger.warning("an utterance is left out: its audio has been recognised before")
                continue
            words = tuple(
                replace(word, start_ms=word.start_ms + offset_ms, end_ms=word.end_ms + offset_ms)
                for word in found.words
            )
            self._has_given = True
            self._settled[channel] = min(end_ms * _SAMPLES_A_MS, self._fed)
            self._give(replace(found, start_ms=begin_ms, end_ms=end_ms, words=words))
        if not self._is_finished:
            raise EngineFailed("ended")


def _pause(failures: int, *, is_busy: bool) -> float:
    """How long to wait after so many failures in a row, in seconds."""
    return 2.0 ** (failures - 1) if is_busy else 0.0 if failures == 1 else 2.0 ** (failures - 2)
