"""The port of the ears: what recognises the audio of one stream."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Somebody begins to speak."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What has been said so far; it may change."""

    text: str
    end_ms: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """What was said until a pause. Times are milliseconds of the stream's audio."""

    text: str
    end_ms: int
    confidence: float = 0.9


Sound = SpeechBegan | Guess | Sentence


class Ear(Protocol):
    """Hears the audio of one stream: 16-bit linear PCM at 8 kHz, little-endian."""

    def hear(self, audio: bytes) -> list[Sound]:
        """Take some more audio; gives what is known by now."""

    def finish(self) -> list[Sound]:
        """End the audio; waits for the rest of what was said."""

    def close(self) -> None:
        """Give up the ear, in any state."""
