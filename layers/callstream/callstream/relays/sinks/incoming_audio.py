"""The audio that a sink listens to: chosen by its time of receipt, decoded, and in its place.

For a transcription, audio waits for a moment before the engine gets it: when a command stops the
relay, the record that says so may come a little later than frames that were received after it.
"""

import asyncio
import logging
import math
from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct, field

from callstream.audio.conversion import can_convert
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.calls.model import StartedStream
from callstream.dialects.events import Media, Track
from callstream.relays.checkpoint import forget_oldest
from callstream.relays.sinks.call_audio import CallAudio, Stretch, clock_of
from callstream.relays.sinks.fork_audio import ForkAudio
from callstream.transcription.engine import SAMPLE_RATE

_logger = logging.getLogger(__name__)

_PCM: Final = AudioFormat("L16", SAMPLE_RATE, 1)
_SAMPLES_A_MS: Final = SAMPLE_RATE // 1000
HOLD: Final = 0.2
"""So many seconds a frame of a transcription waits."""


class AudioSnapshot(Struct):
    """Where the audio is, for the run that goes on after this one. Times are in milliseconds.

    `ends` is up to where each track was taken, in the call's time, and `taken_ms` how much of it.
    `offsets` are the beginnings of
    the streams in the call's time, and `shifts` are those of `CallAudio`.
    """

    ends: dict[Track, int] = field(default_factory=dict)
    taken_ms: dict[Track, int] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    shifts: dict[str, int] = field(default_factory=dict)


class _Frame(NamedTuple):
    stream_id: str
    media: Media
    received_at: int
    arrived_at: float


class IncomingAudio:
    """The audio of one run.

    Args:
        tracks: the tracks to take, in the order of the samples.
        since: audio that was received before is left out; in milliseconds since 1970.
        began_at: when the call started, in milliseconds since 1970: the zero of the call's time.
        left: where the run before was.
        l16_byte_order: the byte order of L16 of the call.
        hold: so many seconds a frame waits; 0 if no frame must be taken back after a command.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        since: int,
        began_at: int,
        left: AudioSnapshot,
        l16_byte_order: ByteOrder,
        *,
        hold: float = HOLD,
    ) -> None:
        self._hold_s = hold
        self._tracks = tracks
        self._since = since
        self._began_at = began_at
        self._left = left
        self._byte_order: ByteOrder = l16_byte_order
        self._placed = CallAudio(tracks, left.shifts)
        self._decoder = ForkAudio(_PCM, l16_byte_order=l16_byte_order)
        self._held: deque[_Frame] = deque()
        self._newest = 0
        self._until = math.inf
        self.sources: dict[Track, str] = {}
        """The stream that each track was last taken from."""
        self.is_decodable = True
        """Whether this function has all codecs of the call."""
        # The streams of which audio may still come that was received before the end.
        self._coming: set[str] = set()
        self.passed = asyncio.Event()
        """Set when the end has come of all streams."""

    def add_stream(self, stream_id: str, format_: AudioFormat, started_at: int) -> None:
        """Add a stream that started at a time, in milliseconds since 1970."""
        self._decoder.add_stream(stream_id, format_)
        self._coming.add(stream_id)
        self.passed.clear()
        self._left.offsets.setdefault(stream_id, max(0, started_at - self._began_at))
        forget_oldest(self._left.offsets)

    def prepare(self, streams: Iterable[StartedStream]) -> None:
        """Add streams, and import their codecs; blocking."""
        for stream in streams:
            self.add_stream(stream.stream_id, stream.format, stream.started_at)
            try:
                self._decoder.prepare(stream.stream_id, self._tracks)
                can_decode = can_convert(stream.format, _PCM)
            except ImportError:
                can_decode = False
            if not can_decode:
                self.is_decodable = False
                extra = {"stream_id": stream.stream_id}
                _logger.error("no codec for %s here", stream.format.encoding, extra=extra)

    def end_at(self, moment: float) -> None:
        """Take no audio that was received at this time or later, in milliseconds since 1970."""
        self._until = min(self._until, moment)

    def end_stream(self, stream_id: str) -> None:
        """No more audio of a stream comes that was received before the end."""
        self._coming.discard(stream_id)
        if not self._coming:
            self.passed.set()

    @property
    def until(self) -> float:
        """The time of `end_at`; infinite if there is none."""
        return self._until

    def take(self, stream_id: str, media: Media, received_at: int, now: float) -> None:
        """Take a frame that comes at `now`, in seconds."""
        if received_at >= self._until:
            self.end_stream(stream_id)
        elif received_at >= self._since and media.track in self._tracks:
            self._hold(_Frame(stream_id, media, received_at, now))

    def due(self, now: float, *, is_missing: bool = False, is_final: bool = False) -> list[Stretch]:
        """The audio that is ready for the engine.

        Args:
            now: the time in seconds.
            is_missing: whether earlier audio is still being read.
            is_final: whether nothing follows.
        """
        while self._held and (is_final or self._is_due(self._held[0], now)):
            frame = self._held.popleft()
            if frame.received_at < self._until:
                self._place(frame, now)
        return self._placed.take(now, is_missing=is_missing, is_final=is_final)

    @property
    def is_waiting(self) -> bool:
        """Whether frames wait."""
        return bool(self._held)

    def snapshot(self) -> AudioSnapshot:
        """Where the audio is."""
        self._left.shifts = self._placed.shifts
        return self._left

    def _hold(self, frame: _Frame) -> None:
        self._held.append(frame)
        self._newest = max(self._newest, frame.received_at)
        left, track = self._left, frame.media.track
        length_ms = round(self._decoder.length_ms(frame.stream_id, frame.media.audio))
        left.taken_ms[track] = left.taken_ms.get(track, 0) + length_ms
        shift_ms = self._placed.shifts.get(clock_of(frame.stream_id, track), 0) // _SAMPLES_A_MS
        end = self._time_of(frame) + shift_ms + length_ms
        left.ends[track] = max(left.ends.get(track, 0), end)

    def _time_of(self, frame: _Frame) -> int:
        """When a frame begins, in the call's time."""
        return frame.media.timestamp + self._left.offsets.get(frame.stream_id, 0)

    def _is_due(self, frame: _Frame, now: float) -> bool:
        is_old = self._newest - frame.received_at >= self._hold_s * 1000
        return is_old or now - frame.arrived_at >= self._hold_s

    def _place(self, frame: _Frame, now: float) -> None:
        track = frame.media.track
        self.sources[track] = frame.stream_id
        at_ms = self._time_of(frame)
        for payload in self._decoder.take(frame.stream_id, track, frame.media.audio, at_ms):
            samples = payload.audio
            if self._byte_order != "little":
                samples = swapped(samples)
            self._placed.put(frame.stream_id, track, round(payload.at_ms), samples, now)


def swapped(samples: bytes) -> bytes:
    """L16 in the other byte order; half a sample at the end is left out."""
    swapped = array("h", samples[: len(samples) & ~1])
    swapped.byteswap()
    return swapped.tobytes()
