"""The audio of a call that waits for the next turn of a dialogue, in pieces of 100 ms. Pure.

Between two turns audio waits, bounded: the oldest goes first, and is counted. The audio of a turn
that has failed is given back, and is the first to be taken again; it is bounded by the turn's.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from callstream.dialogues.virtual_agent import SAMPLE_RATE
from callstream.relays.sinks.call_audio import Stretch

BYTES_A_MS: Final = SAMPLE_RATE * 2 // 1000
PIECE_BYTES: Final = 100 * BYTES_A_MS
"""Pieces of 100 ms cost less than half of the CPU of pieces of 20 ms."""
MOST_WAITING_MS: Final = 60_000
"""So much audio waits at most while no turn takes it: 1 MB. It is what is left of the two minutes
that a rescue reads again (`RelayTimings.farthest_back`), given at twice the speed."""


class Piece(NamedTuple):
    """Audio that ends at a place in the call's time, in milliseconds."""

    end_ms: int
    audio: bytes

    @property
    def length_ms(self) -> float:
        """How long the audio is."""
        return len(self.audio) / BYTES_A_MS

    @property
    def begin_ms(self) -> int:
        """Where the audio begins."""
        return self.end_ms - round(self.length_ms)


class WaitingAudio:
    """The audio that waits. Audio before `from_ms`, in the call's time, was heard before."""

    def __init__(self, from_ms: int) -> None:
        self._from_ms = from_ms
        self._returned: deque[Piece] = deque()
        self._new: deque[Piece] = deque()
        self._new_bytes = 0
        self._rest = bytearray()
        self._end_ms = 0
        self._dropped_bytes = 0

    def put(self, stretch: Stretch) -> None:
        """Add audio that has come."""
        end_ms = stretch.begin_ms + len(stretch.audio) // BYTES_A_MS
        if end_ms <= self._from_ms:
            return
        missing = max(0, self._from_ms - stretch.begin_ms)
        self._rest += stretch.audio[missing * BYTES_A_MS :]
        # Late audio, of which the place has been given as silence, is heard late.
        self._end_ms = max(self._end_ms, end_ms)
        while len(self._rest) >= PIECE_BYTES:
            self._cut(PIECE_BYTES)
        while self._new_bytes > MOST_WAITING_MS * BYTES_A_MS:
            oldest = self._new.popleft()
            self._new_bytes -= len(oldest.audio)
            self._dropped_bytes += len(oldest.audio)

    def take(self) -> Piece | None:
        """The next piece; None if no piece is complete."""
        if self._returned:
            return self._returned.popleft()
        if not self._new:
            return None
        piece = self._new.popleft()
        self._new_bytes -= len(piece.audio)
        return piece

    def give_back(self, pieces: Sequence[Piece]) -> None:
        """Let a turn's pieces be taken once more, before the others."""
        self._returned.extendleft(reversed(pieces))

    def complete(self) -> None:
        """Let the last piece be shorter: nothing follows."""
        if self._rest:
            self._cut(len(self._rest))

    @property
    def end_ms(self) -> int:
        """Up to where audio has come, in the call's time."""
        return self._end_ms

    @property
    def waiting_ms(self) -> int:
        """How much audio waits that no turn has taken yet."""
        return self._new_bytes // BYTES_A_MS

    @property
    def dropped_ms(self) -> int:
        """How much audio was dropped."""
        return self._dropped_bytes // BYTES_A_MS

    def _cut(self, size: int) -> None:
        after_ms = (len(self._rest) - size) // BYTES_A_MS
        self._new.append(Piece(self._end_ms - after_ms, bytes(self._rest[:size])))
        self._new_bytes += size
        del self._rest[:size]
