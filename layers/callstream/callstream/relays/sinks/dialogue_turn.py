"""One turn of a dialogue while it is open: what the agent gets in it, and what came of it."""

from collections import deque
from typing import Final

from callstream.dialogues.virtual_agent import Heard, Reply, Turn
from callstream.relays.sinks.dialogue_audio import BYTES_A_MS, Piece
from callstream.relays.sinks.dialogue_keys import Keys

ONSET_MS: Final = 3000
"""The person may have begun to speak so long before the service notices."""


class OpenTurn:
    """A turn that began `now`, in seconds, when the agent had got the audio before `begin_ms`."""

    def __init__(self, turn: Turn, begin_ms: int, now: float) -> None:
        self.turn = turn
        self.began_at = now
        self.end_ms = begin_ms
        """Where the audio ends that the agent has got, in the call's time."""
        self.keys: Keys | None = None
        """The keys that the agent has got."""
        self.is_heard = False
        """Whether the person has said something."""
        self.finished_at: float | None = None
        """When the audio of the turn ended, in seconds; None while more may be given."""
        self.latest_at = now
        """When the last event came after that, in seconds."""
        self.answered_at: float | None = None
        """When the last reply came, in seconds."""
        self.has_replied = False
        self.news: list[Heard | Reply] = []
        """What is to be reported once the turn is over."""
        # What is given to the next turn if this one fails: not the silence before the speech.
        self._pieces: deque[Piece] = deque()
        self._pieces_ms = 0.0
        self._fed_bytes = 0

    @property
    def is_finished(self) -> bool:
        """Whether the audio of the turn has ended."""
        return self.finished_at is not None

    @property
    def is_full(self) -> bool:
        """Whether the agent has got as much audio as a turn may have."""
        return self._fed_bytes >= self.turn.longest_s * 1000 * BYTES_A_MS

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The audio that the next turn gets if this one has no effect."""
        return tuple(self._pieces)

    def feed(self, piece: Piece) -> None:
        """Give the agent audio."""
        self.turn.feed(piece.audio)
        self._fed_bytes += len(piece.audio)
        self.end_ms = max(self.end_ms, piece.end_ms)
        self._pieces.append(piece)
        self._pieces_ms += piece.length_ms
        while not self.is_heard and self._pieces_ms > ONSET_MS:
            self._pieces_ms -= self._pieces.popleft().length_ms

    def press(self, keys: Keys, now: float) -> None:
        """Give the agent keys, which end the turn."""
        self.keys, self.is_heard = keys, True
        self.turn.press(keys.digits)
        self.finish(now)

    def finish(self, now: float) -> None:
        """End the audio of the turn."""
        if self.finished_at is None:
            self.finished_at = self.latest_at = now
            self.turn.finish()
