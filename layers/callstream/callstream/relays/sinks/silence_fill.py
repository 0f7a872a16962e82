"""Even audio for a fork: silence fills what a carrier leaves out. Pure.

Some carriers leave silence out: the timestamps jump, or nothing comes for a while. An even track
has a timeline of its own, which begins with the track's first frame and has no hole. Times are
milliseconds of the fork's time.

If nothing comes, silence follows in real time, but `PATIENCE_MS` late: a frame that comes late
still finds its place. A frame whose place has been filled is dropped, because nothing can be taken
back from a live consumer.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from msgspec import Struct, field

from callstream.audio.packetizer import PIECE_MS
from callstream.dialects.events import Track
from callstream.relays.checkpoint import forget_oldest
from callstream.relays.sinks.fork_audio import ForkAudio, Payload

PATIENCE_MS: Final = 2000
"""A missing frame has so long to come; the reorder buffer holds frames for a second."""
MOST_MS: Final = 5000
"""No hole between two frames is filled any further: a carrier's clock may jump by hours."""
_MOST_PIECES: Final = 50
"""So many pieces follow at once if nothing comes; the consumer reads them before more follow."""


class Timeline(Struct):
    """One even track, for the run that goes on after this one."""

    end_ms: float
    """The track has been sent up to here."""
    heard_end_ms: float
    """Where the latest frame ended."""
    heard_at_ms: float
    """When the latest frame came."""
    filled_ms: tuple[float, float] = (0.0, -1.0)
    """The beginning and the end of the latest stretch of silence; at first there is none."""
    shifts_ms: dict[str, float] = field(default_factory=dict)
    """How much the clock of a stream is ahead of the track, after it has jumped."""
    jumps: int = 0
    """How often a clock has jumped."""
    late: int = 0
    """How many frames were dropped, because silence had their place."""

    def take_silence(self, until_ms: float, most: float = math.inf) -> Iterator[float]:
        """Fill the track up to a time with pieces of silence, none shorter: when each begins."""
        for _ in range(int(min(most, max(0.0, until_ms - self.end_ms) // PIECE_MS))):
            at_ms, (begin, end) = self.end_ms, self.filled_ms
            self.end_ms += PIECE_MS
            self.filled_ms = (begin if end == at_ms else at_ms, self.end_ms)
            yield at_ms

    def place(self, stream_id: str, at_ms: float) -> float:
        """Where a frame belongs that the stream's clock has at `at_ms`."""
        shift = self.shifts_ms.get(stream_id, 0.0)
        ahead = at_ms - shift - self.end_ms
        if abs(ahead) > MOST_MS:
            shift += ahead - MOST_MS if ahead > 0 else ahead
            self.shifts_ms[stream_id] = shift
            forget_oldest(self.shifts_ms)
            self.jumps += 1
        return at_ms - shift

    def is_filled(self, from_ms: float, to_ms: float) -> bool:
        """Whether silence has been sent for all of this time."""
        begin, end = self.filled_ms
        return begin <= from_ms and to_ms <= end


class EvenAudio:
    """The audio of a fork whose tracks are even.

    Args:
        audio: makes the payloads.
        timelines: where the run before was in each track; they go on here.
    """

    def __init__(self, audio: ForkAudio, timelines: dict[Track, Timeline]) -> None:
        self._audio = audio
        self._timelines = timelines
        # Until then, frames may be missing because this run was not there, or sends slowly.
        self._unsure_until_ms: float | None = None

    def take(
        self, stream_id: str, track: Track, audio: bytes, at_ms: float, elapsed_ms: float
    ) -> list[Payload]:
        """Convert a frame, which comes at `elapsed_ms`, with the silence before the frame."""
        length_ms = self._audio.length_ms(stream_id, audio)
        line = self._timelines.get(track)
        if line is None:
            line = self._timelines[track] = Timeline(at_ms, at_ms, elapsed_ms)
        at_ms = line.place(stream_id, at_ms)
        line.heard_at_ms, line.heard_end_ms = elapsed_ms, at_ms + length_ms
        if line.is_filled(at_ms, line.heard_end_ms):
            line.late += 1
            return []
        payloads = self._silence(track, line.take_silence(at_ms))
        taken = self._audio.take(stream_id, track, audio, line.end_ms)
        if taken or length_ms < PIECE_MS:
            line.end_ms += length_ms
        # Otherwise the frame could not be decoded, and is missing like any other.
        return payloads + taken

    def fill(self, elapsed_ms: float, *, is_busy: bool) -> list[tuple[Track, Payload]]:
        """The silence that is due because nothing has come until now.

        Args:
            elapsed_ms: how long the fork has been open.
            is_busy: whether messages to the consumer wait: then silence waits as well.
        """
        if is_busy or self._unsure_until_ms is None:
            self._unsure_until_ms = elapsed_ms + PATIENCE_MS
        due: list[tuple[Track, Payload]] = []
        for track, line in self._timelines.items():
            quiet_ms = elapsed_ms - line.heard_at_ms - PATIENCE_MS
            if elapsed_ms >= self._unsure_until_ms:
                silence = line.take_silence(line.heard_end_ms + quiet_ms, _MOST_PIECES)
                due += [(track, payload) for payload in self._silence(track, silence)]
        return due

    @property
    def late(self) -> int:
        """How many frames were dropped, because silence had their place."""
        return sum(line.late for line in self._timelines.values())

    @property
    def jumps(self) -> int:
        """How often a carrier's clock has jumped, so that no silence is in place of the rest."""
        return sum(line.jumps for line in self._timelines.values())

    def _silence(self, track: Track, times_ms: Iterable[float]) -> list[Payload]:
        pieces = (self._audio.silence(track, PIECE_MS, at_ms) for at_ms in times_ms)
        return list(chain.from_iterable(pieces))
