"""A carrier's player for the audio that a server sends on a bidirectional stream.

Pure: time is passed in, in seconds of any clock.
"""

from collections import deque
from dataclasses import dataclass

from callstream.audio import packets
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects.events import Clear, ReturnDtmf, ReturnEvent, ReturnMark, ReturnMedia


@dataclass(slots=True)
class Played:
    """A message's audio as it is played. Both times are in seconds of the call."""

    at: float
    audio: bytes
    seconds: float
    """How long it is played: less than the audio lasts if it is cleared."""


class Playback:
    """Buffers audio, and returns a mark when all audio before the mark has been played.

    Args:
        speed: times real time; 0 plays in no time.
        format_: the format of the audio.
    """

    def __init__(self, speed: float = 1.0, format_: AudioFormat = PCMU_8K) -> None:
        self.received = bytearray()
        """All received audio, whether it was played or cleared."""
        self.played: list[Played] = []
        """All received audio with its place in the call, in order."""
        self.marks = 0
        self.clears = 0
        self.digits = ""
        """The keys that the server has pressed into the call."""
        self.format = format_
        self._speed = speed
        self._began = 0.0
        self._silent_at = 0.0
        self._marks: deque[tuple[float, str]] = deque()

    @property
    def next_mark_at(self) -> float | None:
        """When the next mark is due; None if no mark waits."""
        return self._marks[0][0] if self._marks else None

    def begin(self, now: float) -> None:
        """The call begins."""
        self._began = now

    def take(self, event: ReturnEvent, now: float) -> None:
        """Take an event from the server."""
        match event:
            case ReturnMedia(audio=audio):
                self.received += audio
                begins, seconds = max(self._silent_at, now), packets.seconds(audio, self.format)
                self.played.append(Played((begins - self._began) * self._speed, audio, seconds))
                if self._speed:
                    self._silent_at = begins + seconds / self._speed
            case ReturnMark(name=name):
                self.marks += 1
                self._marks.append((max(self._silent_at, now), name))
            case ReturnDtmf(digit=digit):
                self.digits += digit
            case Clear():
                self.clears += 1
                self._cut((now - self._began) * self._speed)
                self._silent_at = now
                self._marks = deque((now, name) for _, name in self._marks)

    def _cut(self, at: float) -> None:
        """Play nothing behind a time. At speed 0 everything was played at once."""
        for piece in reversed(self.played if self._speed else ()):
            if piece.at + piece.seconds <= at:
                break
            piece.seconds = max(at - piece.at, 0.0)

    def due(self, now: float) -> list[str]:
        """The marks to return now, in order."""
        names: list[str] = []
        while self._marks and self._marks[0][0] <= now:
            names.append(self._marks.popleft()[1])
        return names
