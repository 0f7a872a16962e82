"""Recognises what is said on one channel."""

from array import array
from typing import Final, NamedTuple, Protocol

from callstream.adapters.speech.library import Samples, Segment
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
_MOST_REPEATED: Final = 3


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
        self._last_words: list[str] = []
        detector.start()

    @property
    def settled_ms(self) -> int:
        """Up to where the audio is done: what comes later begins after this time."""
        begins = self._seen - _NOTICING if self._open is None else self._open
        return max(begins - _LEAD, self._last_end, 0) // _MS

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
        end = self._end
        # The detector notices a last short word by the silence after it.
        self._audio += bytes(_NOTICING * _SAMPLE_BYTES)
        self._detect(self._end)
        del self._audio[(end - self._kept) * _SAMPLE_BYTES :]
        return self._decoded(self._detector.stop())

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
        spoken: list[Spoken] = []
        for segment in segments:
            start, end = (self._origin + round(at * SAMPLE_RATE) for at in segment[:2])
            if not segment.is_over:
                self._open = start
            elif end - start >= _SHORTEST and start < self._end:
                spoken += self._decode(start, min(end, self._end))
        return spoken

    def _decode(self, start: int, end: int) -> list[Spoken]:
        # A long segment was cut: then the next begins half a second before the cut, and repeats it.
        repeats = start < self._last_end
        begin = max(start if repeats else max(self._last_end, start - _LEAD), self._kept)
        samples = _silence(_LEAD - (start - begin)) + self._samples(begin, end) + _silence(_TAIL)
        text = self._decoder.text(samples, SAMPLE_RATE)
        text = without_repetition(self._last_words, text) if repeats else text
        start, self._last_end = max(start, self._last_end), end
        self._last_words = text.split()
        return [Spoken(start // _MS, end // _MS, text)] if text else []

    def _forget(self) -> None:
        """Drop audio that no later segment has; start the detector again if it is time."""
        if self._open is not None:
            return
        needed = max(self._kept, self._seen - _NOTICING - _LEAD)
        del self._audio[: (needed - self._kept) * _SAMPLE_BYTES]
        self._kept = needed
        if self._seen - self._origin > _RESTART_AFTER and self._seen - self._last_end > _QUIET:
            self._detector.stop()
            self._detector.start()
            # A word that begins just now must not lose its beginning.
            seen, self._origin, self._seen = self._seen, self._kept, self._kept
            self._detect(seen)


def _silence(samples: int) -> Samples:
    return array("f", [0.0]) * samples


def without_repetition(before: list[str], text: str) -> str:
    """Drop up to three words at the beginning of ``text`` that are the last of ``before``."""
    words = text.split()
    for count in range(_MOST_REPEATED, 0, -1):
        if count <= len(words) and _plain(before[-count:]) == _plain(words[:count]):
            return " ".join(words[count:])
    return text


def _plain(words: list[str]) -> list[str]:
    return ["".join(filter(str.isalnum, word)).lower() for word in words]
