"""Notices when somebody begins to speak, by loudness alone: at once, and on every machine."""

from typing import Final

import audioop

_SAMPLE_BYTES: Final = 2
_BLOCK_BYTES: Final = _SAMPLE_BYTES * 8000 // 50
"""20 ms."""
_QUIETEST: Final = 300
_ABOVE_NOISE: Final = 4
_BLOCKS: Final = 4
# How fast the noise is taken to rise, for each block.
_RISE: Final = 1.02


class LoudnessGate:
    """Takes 16-bit linear PCM at 8 kHz; says when speech begins.

    Speech is four times as loud as the quietest moments before it, for 80 ms.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._noise = float(_QUIETEST)
        self._loud_blocks = 0

    def hear(self, audio: bytes) -> bool:
        """Whether speech is heard in a piece of audio."""
        audio = self._rest + audio
        whole = len(audio) // _BLOCK_BYTES * _BLOCK_BYTES
        self._rest = audio[whole:]
        speaks = False
        for start in range(0, whole, _BLOCK_BYTES):
            loudness = audioop.rms(audio[start : start + _BLOCK_BYTES], _SAMPLE_BYTES)
            self._noise = max(1.0, min(self._noise * _RISE, loudness))
            is_loud = loudness > max(_QUIETEST, _ABOVE_NOISE * self._noise)
            self._loud_blocks = self._loud_blocks + 1 if is_loud else 0
            speaks = speaks or self._loud_blocks >= _BLOCKS
        return speaks
