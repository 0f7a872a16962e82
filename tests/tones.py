"""Speech for tests of recognition: each word is a tone of its own, or the lines are known before.

Whoever hears the same tones again hears the same words again. Half a second of quiet ends a line.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, override

import audioop

_VOCABULARY: Final = """one two three red green blue north south east west hello goodbye please
thanks yes no account number order address bill card pin 4111111111111111 8642 my water person
danger"""
WORDS: Final = tuple(_VOCABULARY.split())
"""The words that are recognised: each is a tone of its own."""
HALF_A_WORD: Final = "uh"
"""The word that is recognised where a word is cut."""

_RATE: Final = 8000
_WORD_MS: Final = 200
_GAP_MS: Final = 80
_QUIET_MS: Final = 500
_BLOCK_MS: Final = 20
_FIRST_HZ: Final = 400
_STEP_HZ: Final = 60


def quiet(milliseconds: int) -> bytes:
    """Silence at 8 kHz, 16 bits."""
    return bytes(2 * _RATE * milliseconds // 1000)


def speech(text: str, pause_ms: int = 700) -> bytes:
    """The audio of a line of `WORDS`, and the pause that ends the line."""
    return b"".join(_tone(word) + quiet(_GAP_MS) for word in text.split()) + quiet(pause_ms)


def _tone(word: str) -> bytes:
    hertz = _FIRST_HZ + _STEP_HZ * WORDS.index(word)
    samples = (
        round(8000 * math.sin(2 * math.pi * hertz * n / _RATE))
        for n in range(_RATE * _WORD_MS // 1000)
    )
    return struct.pack(f"<{_RATE * _WORD_MS // 1000}h", *samples)


def stereo(left: bytes, right: bytes) -> bytes:
    """Two tracks, interleaved; the shorter one goes on in silence."""
    length = max(len(left), len(right))
    both = audioop.tostereo(left.ljust(length, b"\0"), 2, 1, 0)
    return audioop.add(both, audioop.tostereo(right.ljust(length, b"\0"), 2, 0, 1), 2)


@dataclass(frozen=True)
class Heard:
    """A word that was recognised. Times are milliseconds since the first audio."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Line:
    """What was recognised of a line so far."""

    words: tuple[Heard, ...]
    is_final: bool


class Ear:
    """Recognises the tones of one track."""

    loudness = 800
    """The root mean square from which on a block is loud."""

    def __init__(self) -> None:
        self.words_heard = 0
        self._rest = self._word = b""
        self._words: tuple[Heard, ...] = ()
        self._at_ms = self._quiet_ms = 0

    def hear(self, audio: bytes) -> Iterator[Line]:
        """The lines that change by some more audio."""
        audio = self._rest + audio
        block_bytes = 2 * _RATE * _BLOCK_MS // 1000
        whole = len(audio) // block_bytes * block_bytes
        self._rest = audio[whole:]
        for start in range(0, whole, block_bytes):
            block = audio[start : start + block_bytes]
            self._at_ms += _BLOCK_MS
            is_loud = audioop.rms(block, 2) >= self.loudness
            self._quiet_ms = 0 if is_loud else self._quiet_ms + _BLOCK_MS
            yield from self._hear_loud(block) if is_loud else self._hear_quiet()

    def end(self) -> Iterator[Line]:
        """The last lines."""
        yield from self._end_word()
        yield from self._end_line()

    def _hear_loud(self, block: bytes) -> Iterator[Line]:
        self._word += block
        yield from ()

    def _hear_quiet(self) -> Iterator[Line]:
        if self._quiet_ms >= 2 * _BLOCK_MS:
            yield from self._end_word()
        if self._quiet_ms >= _QUIET_MS:
            yield from self._end_line()

    def _end_word(self) -> Iterator[Line]:
        if not self._word:
            return
        end = self._at_ms - self._quiet_ms
        length = len(self._word) * 1000 // (2 * _RATE)
        self._words += (Heard(_word_of(self._word), end - length, end),)
        self.words_heard += 1
        self._word = b""
        yield Line(self._words, is_final=False)

    def _end_line(self) -> Iterator[Line]:
        if self._words:
            yield Line(self._words, is_final=True)
            self._words = ()


class ScriptedEar(Ear):
    """Takes whatever is loud, until a pause, for the next line of a script."""

    loudness = 100

    def __init__(self, script: Iterator[str]) -> None:
        super().__init__()
        self._script = script
        self._line: list[str] = []
        self._began_ms = self._ended_ms = 0

    @override
    def _hear_loud(self, block: bytes) -> Iterator[Line]:
        if not self._line:
            self._line = next(self._script, HALF_A_WORD).split()
            self._began_ms = self._at_ms - _BLOCK_MS
        self._ended_ms = self._at_ms
        known = (self._at_ms - self._began_ms) // 300
        if len(self._words) < min(known, len(self._line)):
            self.words_heard += 1
            self._words = self._spread(known)
            yield Line(self._words, is_final=False)

    @override
    def _end_word(self) -> Iterator[Line]:
        yield from ()

    @override
    def _end_line(self) -> Iterator[Line]:
        if self._line:
            yield Line(self._spread(len(self._line)), is_final=True)
            self._line, self._words = [], ()

    def _spread(self, known: int) -> tuple[Heard, ...]:
        words = self._line[:known]
        step = (self._ended_ms - self._began_ms) // len(words)
        starts = range(self._began_ms, self._ended_ms, step)
        return tuple(Heard(word, at, at + step) for word, at in zip(words, starts, strict=False))


def _word_of(audio: bytes) -> str:
    """The word of a tone: by its length and the crossings of zero, without blunt ends."""
    block = 2 * _RATE * _BLOCK_MS // 1000
    inside = audio[block:-block]
    if len(audio) < 8 * block or not inside:
        return HALF_A_WORD
    hertz = audioop.cross(inside, 2) * _RATE / len(inside)
    number = round((hertz - _FIRST_HZ) / _STEP_HZ)
    return WORDS[number] if 0 <= number < len(WORDS) else HALF_A_WORD
