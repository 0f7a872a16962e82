"""The audio of a call on one timeline, for engines: linear PCM, all tracks in step. Pure.

Frames have their place by the carrier's timestamps. Zeros take the place of audio that the carrier
leaves out. A place that has been read is not filled afterwards, except for zeros that were given
because nothing came at all: the fan-out may have been late with everything, so the audio that
comes afterwards begins there, and the zeros are taken back. No zeros are given while missed audio
is being read, however slowly.

Places are in samples of one track, from the beginning of the call's first stream.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from callstream.dialects.events import Track
from callstream.relays.checkpoint import forget_oldest
from callstream.transcription.engine import SAMPLE_RATE
from callstream.transcription.kept_audio import SAMPLE_BYTES, interleaved

_MS: Final = SAMPLE_RATE // 1000
_JITTER: Final = 40 * _MS
"""A frame follows the frame before at once if its time differs by no more than this."""
_LEAD: Final = 200 * _MS
"""The timeline begins so long before its first frame: another track may begin a little earlier."""
_PATIENCE: Final = 1500 * _MS
"""A track that is behind another is waited for, up to this; the reorder buffer waits for 1 s."""
_QUIET_SECONDS: Final = 2.0
"""If nothing has come for so long, zeros follow in real time."""
_LONGEST_GAP: Final = 10 * SAMPLE_RATE
"""A longer gap is no silence: the timeline begins anew after the gap."""
_JUMP_BACK: Final = 5 * SAMPLE_RATE
"""A frame that is farther behind than this has another clock."""


class Stretch(NamedTuple):
    """Interleaved audio of all tracks, from a place on.

    A stretch that begins before the end of the one before takes back the rest of it.
    """

    begin_ms: int
    audio: bytes


class CallAudioCounters(Struct):
    """How often the clock of a stream has jumped back, and how many ms came too late."""

    jumps: int = 0
    late_ms: int = 0


def clock_of(stream_id: str, track: Track) -> str:
    """The name of the clock of a stream's track."""
    return f"{stream_id}/{track}"


class CallAudio:
    """The timeline of one run.

    Args:
        tracks: the tracks, in the order of their samples.
        shifts: of streams and tracks whose clock has jumped back (`clock_of`): how many samples are
            added to their times.
    """

    def __init__(self, tracks: Sequence[Track], shifts: Mapping[str, int]) -> None:
        self.shifts = dict(shifts)
        self.counters = CallAudioCounters()
        # What has not been read, of each track, from `_read` on.
        self._waiting = {track: bytearray() for track in tracks}
        self._read: int | None = None
        # Where the latest frame of each track ended.
        self._heard: dict[Track, int] = {}
        self._heard_at = 0.0
        # Where the zeros begin that were given because nothing came.
        self._filled_from: int | None = None
        self._stretches: list[Stretch] = []

    def put(self, stream_id: str, track: Track, at_ms: int, samples: bytes, now: float) -> None:
        """Put a frame on its place.

        Args:
            stream_id: the stream that the frame is from.
            track: its track, one of the tracks of the timeline.
            at_ms: when the frame begins.
            samples: 16-bit linear, little-endian.
            now: when the frame comes, in seconds.
        """
        clock = clock_of(stream_id, track)
        place = at_ms * _MS + self.shifts.get(clock, 0)
        if self._read is None:
            self._read = max(0, place - _LEAD)
        heard = self._heard.get(track)
        if heard is not None and abs(place - heard) <= _JITTER:
            place = heard
        place = self._follow_clock(clock, place)
        if place < (read := self._read):
            count = min(read - place, len(samples) // SAMPLE_BYTES)
            self.counters.late_ms += count // _MS
            place, samples = place + count, samples[count * SAMPLE_BYTES :]
        line = self._waiting[track]
        gap = (place - read) * SAMPLE_BYTES - len(line)
        line += bytes(max(0, gap)) + samples[max(0, -gap) :]
        self._heard[track] = max(heard or 0, place + len(samples) // SAMPLE_BYTES)
        self._heard_at, self._filled_from = now, None

    def take(
        self, now: float, *, is_missing: bool = False, is_final: bool = False
    ) -> list[Stretch]:
        """The audio that is ready, in order.

        Args:
            now: the time in seconds.
            is_missing: whether earlier audio is still being read: then nothing takes its place.
            is_final: whether nothing follows, so that no track is waited for.
        """
        if is_missing:
            self._heard_at = now
        if self._read is not None:
            quiet = now - self._heard_at - _QUIET_SECONDS
            if newest := self._newest:
                end = self._read + newest
                behind = [
                    heard
                    for heard in self._heard.values()
                    if heard < end and end - heard <= _PATIENCE
                ]
                waits = behind and not is_final and quiet < 0
                self._emit(min(behind) if waits else end)
            elif quiet > 0 and not is_final:
                start = max(self._heard.values(), default=self._read)
                if self._filled_from is None:
                    self._filled_from = max(start, self._read)
                self._emit(start + round(quiet * SAMPLE_RATE))
        stretches, self._stretches = self._stretches, []
        return stretches

    def _follow_clock(self, clock: str, place: int) -> int:
        """Where a frame belongs; begins the timeline anew if it must."""
        read = self._read or 0
        end = read + self._newest
        filled = self._filled_from
        if filled is not None and filled - _PATIENCE <= place < read:
            self._read = filled
            return filled if filled - _JITTER <= place < filled else place
        if read - place > _JUMP_BACK:
            self.counters.jumps += 1
            self.shifts[clock] = self.shifts.get(clock, 0) + end - place
            forget_oldest(self.shifts)
            return end
        if place - end > _LONGEST_GAP:
            self._emit(end)
            self._read = place - _LEAD
        return place

    @property
    def _newest(self) -> int:
        """How many samples wait of the track that has most."""
        return max(map(len, self._waiting.values())) // SAMPLE_BYTES

    def _emit(self, until: int) -> None:
        """Give the audio up to a place, with zeros for the tracks that have none."""
        read = self._read or 0
        size = (until - read) * SAMPLE_BYTES
        if size <= 0:
            return
        parts = []
        for line in self._waiting.values():
            part = bytes(line[:size])
            del line[:size]
            parts.append(part + bytes(size - len(part)))
        self._stretches.append(Stretch(read // _MS, interleaved(parts)))
        self._read = until
