"""The sink of a transcription: an engine hears the call, and lines of text come back."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Never, Protocol, override

import msgspec
from msgspec import Struct, field

from callstream.audio.formats import ByteOrder
from callstream.calls.model import StartedStream
from callstream.dialects.events import Media, SpokenPhrase, Start, Stop, Track, Vocabulary
from callstream.errors import Unavailable
from callstream.frames.records import Disconnected, Halted, StreamEvent
from callstream.relays.endings import Ending, Outcome
from callstream.relays.halting import TrackSummary
from callstream.relays.model import Relay
from callstream.relays.ports import DialFailed
from callstream.relays.sinks.call_audio import Stretch
from callstream.relays.sinks.fork import TRACKS
from callstream.relays.sinks.incoming_audio import AudioSnapshot, IncomingAudio
from callstream.relays.sinks.line_maker import LineMaker
from callstream.relays.sinks.recognition import Recognition
from callstream.relays.sinks.sink import CallFeed, Rest, Sink
from callstream.relays.sinks.transcript_lines import TranscriptLines
from callstream.relays.timings import RelayTimings
from callstream.transcription.engine import SAMPLE_RATE, Engine, SessionSettings, Utterance
from callstream.transcription.model import TranscriptionSettings
from callstream.transcription.recogniser import RecognitionFailed

_logger = logging.getLogger(__name__)

_TICK: Final = 0.05
_LAST_WORDS: Final = 25.0
"""At the end, the engine has so many seconds to give the last words."""
_MOST_BEHIND_MS: Final = 10_000
"""Missed records wait while the engine is so far behind."""
_LATE: Final = 1.5
"""The record of a stop does not wait for missing frames, as later frames do."""
_FRAME_MS: Final = 20
_BYTES_A_MS: Final = SAMPLE_RATE * 2 // 1000


class TranscriptionSnapshot(Struct):
    """Where a transcription is.

    `settled` is up to where the lines of each track had been sent, in milliseconds of the call's
    time. `numbers` are those of the last lines, `numbers_before` of the last before the relay.
    `phrases` are those that came during the call.
    """

    audio: AudioSnapshot = field(default_factory=AudioSnapshot)
    settled: dict[Track, int] = field(default_factory=dict)
    numbers: dict[Track, int] = field(default_factory=dict)
    numbers_before: dict[Track, int] = field(default_factory=dict)
    phrases: list[SpokenPhrase] = field(default_factory=list)


class CallBook(Protocol):
    """What a transcription reads and writes about its call. Blocking; may raise `Unavailable`."""

    def started_at(self) -> int | None:
        """When the call started, in milliseconds since 1970; None if the call is not known."""

    def stopped_at(self) -> int | None:
        """When a command stopped the relay, in milliseconds since 1970; None if none did."""

    def write_summary(self, tracks: Mapping[Track, TrackSummary], seconds: int) -> None:
        """Write how much was transcribed, once the relay is over."""


class TranscriptionSink(Sink):
    """A sink with a speech recognition engine.

    The tasks of the recognition and of the lines outlive `run`, so that `finish` can wait for the
    last words.

    Args:
        relay: the relay, with the settings of the transcription.
        engine: recognises speech.
        lines: takes the lines.
        book: knows the call.
        clock: time in seconds, the same for all runs of a relay.
        timings: how long to wait.
        l16_byte_order: the byte order of L16 of the call.
        vocabulary: the engine's vocabulary to use.
    """

    # Ten of its 18 methods are those of the `Sink` protocol.

    rest = Rest.MISSED

    _feed: CallFeed
    _audio: IncomingAudio
    _recognition: Recognition
    _maker: LineMaker

    def __init__(
        self,
        relay: Relay,
        engine: Engine,
        lines: TranscriptLines,
        book: CallBook,
        *,
        clock: Callable[[], float],
        timings: RelayTimings,
        l16_byte_order: ByteOrder = "big",
        vocabulary: str | None = None,
    ) -> None:
        self._relay = relay
        self._vocabulary = vocabulary
        self._settings = relay.transcription or TranscriptionSettings()
        self._tracks = TRACKS[relay.track]
        self._engine = engine
        self._lines = lines
        self._book = book
        self._clock = clock
        self._timings = timings
        self._byte_order: ByteOrder = l16_byte_order
        self._left = TranscriptionSnapshot()
        # `feed` may wait, and be given up: then `finish` goes on.
        self._due = deque[Stretch]()
        self._sending: asyncio.Task[Never] | None = None
        self._is_open = self._is_halted = False
        self.failure: RecognitionFailed | None = None
        """Why the engine recognises nothing any more; None as long as it does."""

    @override
    async def connect(self) -> None:
        if self._settings.language not in self._engine.languages:
            raise DialFailed("unsupported_language")

    @override
    async def open(
        self, streams: Sequence[StartedStream], snapshot: bytes | None, feed: CallFeed
    ) -> None:
        self._feed = feed
        began_at = await asyncio.to_thread(self._book.started_at)
        if snapshot is not None:
            self._left = _decode(snapshot)
        left = self._left
        ends = await self._lines.open(None if snapshot is None else left.numbers)
        if snapshot is None:
            left.numbers_before = dict(self._lines.numbers)
        last = self._lines.last
        self._maker = LineMaker(self._relay.relay_id, self._settings, left.phrases, last)
        self._audio = IncomingAudio(
            self._tracks,
            self._relay.since or 0,
            streams[0].started_at if began_at is None else began_at,
            left.audio,
            self._byte_order,
        )
        if snapshot is not None and (stopped_at := await asyncio.to_thread(self._book.stopped_at)):
            # The run before died after that: the missed records go on after it.
            self._audio.end_at(stopped_at)
        # In a thread, because the import of a codec takes its time.
        await asyncio.to_thread(self._audio.prepare, streams)
        settled = [max(ends[track], left.settled.get(track, 0)) for track in self._tracks]
        settings = SessionSettings(
            language=self._settings.language,
            channels=len(self._tracks),
            smart_formatting=self._settings.smart_formatting,
            finds_private=self._settings.redaction != "unredacted",
            vocabulary=self._vocabulary,
        )
        self._recognition = Recognition(self._engine, settings, settled, self._give, self._clock)
        self._is_open = True

    @override
    async def run(self) -> Outcome:
        self._start_sending()
        reason = "undecodable_audio"
        try:
            while self._audio.is_decodable:
                await self._pump()
                await asyncio.sleep(_TICK)
                if self._is_halted:
                    return Outcome(Ending.COMMAND)
        except RecognitionFailed as failed:
            self.failure, reason = failed, _reason(failed)
        await self._conclude()
        return Outcome(Ending.FAILURE, reason)

    @override
    def take(self, stream_id: str, event: StreamEvent, received_at: int) -> None:
        match event:
            case Halted() if event.relay_id == self._relay.relay_id:
                self._audio.end_at(received_at)
                # Frames that were received before may come a little later.
                loop = asyncio.get_running_loop()
                loop.call_later(_LATE, self._audio.end_stream, stream_id)
                self._is_halted = True
            case Stop() | Disconnected():
                self._audio.end_stream(stream_id)
            case Vocabulary():
                self._maker.add_phrases(event.phrases)
            case Start():
                self._audio.add_stream(stream_id, event.format, received_at)
            case Media():
                self._audio.take(stream_id, event, received_at, self._clock())

    @override
    def is_settled(self, snapshot: bytes) -> bool:
        ends = _decode(snapshot).audio.ends
        return all(self._settled_ms(track) >= end for track, end in ends.items())

    @override
    async def drained(self) -> None:
        # `run` takes the audio on.
        while self._audio.is_waiting or self._recognition.behind_ms > _MOST_BEHIND_MS:  # noqa: ASYNC110
            await asyncio.sleep(_TICK)

    @override
    def snapshot(self) -> bytes:
        self._left.audio = self._audio.snapshot()
        # No further than frames have come: zeros may stand for frames that are still on their way.
        ends = self._left.audio.ends
        self._left.settled = {
            track: min(self._settled_ms(track), ends.get(track, 0)) for track in self._tracks
        }
        self._left.numbers = self._lines.numbers
        self._left.phrases = self._maker.phrases
        return msgspec.msgpack.encode(self._left)

    @property
    @override
    def dropped(self) -> int:
        return self._recognition.lost_ms // _FRAME_MS if self._is_open else 0

    @override
    async def flush(self, ending: Ending) -> None:
        """Let the audio come that was received before a command stopped the relay.

        The call's streams are on several shards, whose records come at different times.
        """
        if ending is Ending.COMMAND:
            stopped_at: int | None = None
            with suppress(Unavailable):
                stopped_at = await asyncio.to_thread(self._book.stopped_at)
            self._audio.end_at(stopped_at or self._clock() * 1000)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timings.delivery):
                    await self._audio.passed.wait()

    @override
    async def finish(self, *, is_final: bool) -> bool:
        if is_final:
            self._start_sending()
            try:
                async with asyncio.timeout(_LAST_WORDS):
                    await self._pump(is_final=True)
                    await self._recognition.end()
            except (RecognitionFailed, TimeoutError) as failed:
                extra = {"relay_id": self._relay.relay_id}
                _logger.error("the last words are not recognised: %s", failed, extra=extra)  # noqa: TRY400
            await self._conclude()
        else:
            # The next run gets the audio of the words that are pending once more.
            await self._recognition.stop()
            await self._send_rest(self._timings.finish_patience)
        return True

    @override
    async def close(self) -> None:
        if self._is_open:
            await self._recognition.stop()
            await self._send_rest(0)

    def _start_sending(self) -> None:
        if self._sending is None:
            self._sending = asyncio.create_task(self._lines.run())

    async def _send_rest(self, patience: float) -> None:
        """Let the lines that wait be sent, for so many seconds, and send no more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._lines.drained()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None

    async def _pump(self, *, is_final: bool = False) -> None:
        """Give the engine the audio that is due. Raises `RecognitionFailed`."""
        self._due += self._audio.due(
            self._clock(), is_missing=self._feed.is_reading, is_final=is_final
        )
        while self._due:
            await self._recognition.feed(self._due[0])
            self._due.popleft()
        self._recognition.check()
        if self._sending is not None and self._sending.done():
            self._sending.result()  # a fault; another run may not have it

    def _give(self, utterance: Utterance) -> None:
        track = self._tracks[utterance.channel]
        if (line := self._maker.make(track, utterance)) is not None:
            self._lines.put(self._audio.sources[track], line)

    def _settled_ms(self, track: Track) -> int:
        """Up to where a track's lines have been sent."""
        settled = self._recognition.settled_ms(self._tracks.index(track))
        pending = self._lines.pending_ms(track)
        return settled if pending is None else min(settled, pending)

    async def _conclude(self) -> None:
        """Send the lines that wait, and write the summary."""
        await self._send_rest(_LAST_WORDS)
        until = min(self._audio.until, self._clock() * 1000)
        seconds = (until - (self._relay.since or self._relay.created_at)) / 1000
        tracks: dict[Track, TrackSummary] = {}
        for track in self._tracks:
            taken_ms = self._audio.snapshot().taken_ms.get(track, 0)
            lines = self._lines.numbers[track] - self._left.numbers_before.get(track, 0)
            tracks[track] = TrackSummary(taken_ms * _BYTES_A_MS, taken_ms, lines)
        try:
            await asyncio.to_thread(self._book.write_summary, tracks, max(0, round(seconds)))
        except Unavailable as error:
            extra = {"relay_id": self._relay.relay_id}
            _logger.warning("the summary is not written: %s", error, extra=extra)


def _decode(snapshot: bytes) -> TranscriptionSnapshot:
    return msgspec.msgpack.decode(snapshot, type=TranscriptionSnapshot)


def _reason(failed: RecognitionFailed) -> str:
    """The relay's reason; the engine's own is in the log."""
    if failed.is_permanent:
        return "engine_refuses"
    return "engine_busy" if failed.is_busy else "engine_failed"
