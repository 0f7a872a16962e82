"""Recognises what is said on one channel."""

from array import array
from typing import Final, NamedTuple, Protocol

from callstream.adapters.speech.moonshine import LONGEST_SEGMENT_S, Samples, Segment
from callstream.transcription.engine import SAMPLE_RATE

_SAMPLE_BYTES: Final = 2
_MS: Final = SAMPLE_RATE // 1000
# However the audio comes, the detector gets pieces of 100 ms: the text does not depend on it.
_BLOCK: Final = 100 * _MS
# A segment begins up to 0.6 s before the detector notices it.
_NOTICING: Final = 600 * _MS
# The decoder mistakes a first word that begins at once, and a last word that ends at once.
_LEAD: Final = 500 * _MS
_TAIL: Final = 500 * _MS
# No word is that short; after a restart the detector may report a remainder.
_SHORTEST: Final = 250 * _MS
# The detector keeps all audio since its start: it is started again now and then, in quiet.
_RESTART_AFTER: Final = 60_000 * _MS
_QUIET: Final = 2_000 * _MS
_SCALE: Final = 1 / 32_768
# A segment that is too long is cut at the quietest 80 ms of its last three seconds.
_CUT_WITHIN: Final = 3_000 * _MS
_STEP: Final = 10 * _MS
_STEPS: Final = 8


class Spoken(NamedTuple):
    """What was said until a pause. Times are in milliseconds of the channel's audio."""

    start_ms: int
    end_ms: int
    text: str


class _Detector(Protocol):
    def start(self) -> None: ...

    def add(self, samples: Samples, rate: int) -> None: ...

    def segments(self) -> list[Segment]: ...

    def stop(self) -> list[Segment]: ...


class _Decoder(Protocol):
    def text(self, samples: Samples, rate: int) -> str: ...


class Channel:
    """The audio of one channel, with a detector and a decoder of its own.

    All positions are in samples since the beginning.
    """

    def __init__(self, detector: _Detector, decoder: _Decoder) -> None:
        self._detector = detector
        self._decoder = decoder
        self._audio = bytearray()
        # Where `_audio` begins, and how far the detector has come.
        self._kept = 0
        self._seen = 0
        # Where the detector was started, and where the open segment begins.
        self._origin = 0
        self._open: int | None = None
        self._last_end = 0
        # A long segment that may go on; whether the next segment begins where the last was cut.
        self._held: list[Segment] = []
        self._is_cut = False
        self._is_over = False
        detector.start()

    @property
    def settled_ms(self) -> int:
        """Up to where the audio is done: what comes later begins after this time."""
        return max(self._begins - _LEAD, self._last_end, 0) // _MS

    def add(self, audio: bytes) -> list[Spoken]:
        """Add 16-bit linear PCM; give what has been said meanwhile."""
        self._audio += audio
        spoken: list[Spoken] = []
        while self._end - self._seen >= _BLOCK:
            self._detect(self._seen + _BLOCK)
            spoken += self._decoded(self._detector.segments())
            self._forget()
        return spoken

    def finish(self) -> list[Spoken]:
        """End the audio; give the rest of what has been said."""
        self._is_over, end = True, self._end
        # The detector notices a last short word by the silence after it.
        self._audio += bytes(_NOTICING * _SAMPLE_BYTES)
        self._detect(self._end)
        del self._audio[(end - self._kept) * _SAMPLE_BYTES :]
        return self._decoded(self._detector.stop())

    @property
    def _begins(self) -> int:
        """Where the open segment begins, or the next at the earliest."""
        return self._seen - _NOTICING if self._open is None else self._open

    @property
    def _end(self) -> int:
        return self._kept + len(self._audio) // _SAMPLE_BYTES

    def _detect(self, end: int) -> None:
        self._detector.add(self._samples(self._seen, end), SAMPLE_RATE)
        self._seen = end

    def _samples(self, start: int, end: int) -> Samples:
        first, last = ((at - self._kept) * _SAMPLE_BYTES for at in (start, end))
        linear = array("h", bytes(self._audio[first:last]))
        return array("f", [sample * _SCALE for sample in linear])

    def _decoded(self, segments: list[Segment]) -> list[Spoken]:
        self._open = None
        new, segments, self._held = segments, [*self._held, *segments], []
        # Only the next look shows whether somebody goes on to speak after a long segment.
        if new and _is_long(new[-1]) and not self._is_over:
            self._held = [segments[-1]]
            segments[-1] = segments[-1]._replace(is_over=False)
        spoken: list[Spoken] = []
        for at, segment in enumerate(segments):
            start, end = (self._origin + round(time * SAMPLE_RATE) for time in segment[:2])
            start = self._last_end if self._is_cut else max(start, self._last_end)
            if not segment.is_over:
                self._open = start
                break
            # The detector cuts a long segment anywhere; the next segment begins before the cut.
            self._is_cut = at + 1 < len(segments) and segments[at + 1].start < segment.end
            if self._is_cut:
                end = self._quietest(end - _CUT_WITHIN, end)
            if end - start >= _SHORTEST and start < self._end:
                spoken += self._decode(start, min(end, self._end))
        return spoken

    def _decode(self, start: int, end: int) -> list[Spoken]:
        begin = max(start - _LEAD, self._last_end, self._kept)
        samples = _silence(_LEAD - (start - begin)) + self._samples(begin, end) + _silence(_TAIL)
        text = self._decoder.text(samples, SAMPLE_RATE)
        self._last_end = end
        return [Spoken(start // _MS, end // _MS, text)] if text else []

    def _quietest(self, start: int, end: int) -> int:
        """The middle of the quietest moment: there is most likely no word."""
        samples = self._samples(start, end)
        steps = range(0, len(samples) - _STEP, _STEP)
        loudness = [sum(map(abs, samples[at : at + _STEP])) for at in steps]
        of_moments = [sum(loudness[at : at + _STEPS]) for at in range(len(loudness) - _STEPS + 1)]
        return start + (of_moments.index(min(of_moments)) * _STEP) + _STEP * _STEPS // 2

    def _forget(self) -> None:
        """Drop audio that no later segment has; start the detector again if it is time."""
        needed = max(self._kept, self._begins - _LEAD)
        del self._audio[: (needed - self._kept) * _SAMPLE_BYTES]
        self._kept = needed
        is_quiet = self._open is None and self._seen - self._last_end > _QUIET
        if is_quiet and self._seen - self._origin > _RESTART_AFTER:
            self._detector.stop()
            self._detector.start()
            # A word that begins just now must not lose its beginning.
            seen, self._origin, self._seen = self._seen, self._kept, self._kept
            self._detect(seen)


def _is_long(segment: Segment) -> bool:
    return segment.is_over and segment.end - segment.start >= LONGEST_SEGMENT_S


def _silence(samples: int) -> Samples:
    return array("f", [0.0]) * samples
