"""One turn of a dialogue while it is open: what the agent gets in it, and what came of it."""

from collections import deque
from typing import Final, NamedTuple

from callstream.dialogues.virtual_agent import Heard, Reply, SpeechBegan, Turn
from callstream.relays.sinks.dialogue_audio import Piece
from callstream.relays.sinks.dialogue_keys import Keys

ONSET_MS: Final = 3000
"""After so much audio, at most, the service notices that the person speaks."""
_MARGIN_MS: Final = 500
"""So much audio after the end of a transcript still belongs to what was said."""
_SPEED: Final = 2.0
"""Audio that has waited is given so many times faster than real time. Google refuses to be flooded:
"Audio data is being streamed too fast" (googleapis/google-cloud-java#1534)."""
_MOST_AHEAD: Final = 3.0
"""The agent gets audio at most so many seconds before it has to listen to it at that speed. So what
a run reads again after a hand-over is given at once, and the person can interrupt."""


class _Fed(NamedTuple):
    """A piece that the agent has, and where it begins in the turn, in ms."""

    piece: Piece
    offset_ms: float


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
        # Without the silence before the speech.
        self._fed: deque[_Fed] = deque()
        self._fed_ms = 0.0
        self._spoken_ms: float | None = None
        self._listened_at = now

    @property
    def is_finished(self) -> bool:
        """Whether the audio of the turn has ended."""
        return self.finished_at is not None

    @property
    def is_full(self) -> bool:
        """Whether the agent has got as much audio as a turn may have."""
        return self._fed_ms >= self.turn.longest_s * 1000

    @property
    def quiet_until_ms(self) -> int:
        """Up to where the person has said nothing, in the call's time."""
        return self._fed[0].piece.begin_ms if self._fed else self.end_ms

    def has_time(self, now: float) -> bool:
        """Whether the agent can listen to more audio now."""
        return self._listened_at - now < _MOST_AHEAD

    def feed(self, piece: Piece, now: float) -> None:
        """Give the agent audio."""
        self.turn.feed(piece.audio)
        self._listened_at = max(self._listened_at, now) + piece.length_ms / 1000 / _SPEED
        self._fed.append(_Fed(piece, self._fed_ms))
        self._fed_ms += piece.length_ms
        self.end_ms = max(self.end_ms, piece.end_ms)
        forgotten_ms = self._listened_ms(now) - ONSET_MS
        while not self.is_heard and self._fed[0].offset_ms < forgotten_ms:
            self._fed.popleft()

    def hear(self, event: SpeechBegan | Heard) -> None:
        """The person speaks."""
        self.is_heard = True
        if isinstance(event, Heard) and event.is_final:
            self.news.append(event)
            self._spoken_ms = event.end_ms

    def heard_until_ms(self, event: SpeechBegan | Heard, now: float) -> float:
        """The place in the call's time that an event, which comes now, is about at the latest."""
        begin_ms = self.end_ms - self._fed_ms
        if isinstance(event, Heard) and event.end_ms is not None:
            return begin_ms + event.end_ms
        return begin_ms + self._listened_ms(now)

    def take_back(self) -> list[Piece]:
        """All audio in which the person may have spoken, for the turn that repeats this one."""
        pieces = [fed.piece for fed in self._fed]
        self._fed.clear()
        return pieces

    def take_rest(self) -> list[Piece]:
        """The audio after the utterance, for the next turn.

        The service tells with some delay that the utterance has ended. Audio that has waited is
        given faster than in real time, so that much of it may have followed meanwhile.
        """
        if self._spoken_ms is None:
            return []
        until_ms = self._spoken_ms + _MARGIN_MS
        rest = [fed.piece for fed in self._fed if fed.offset_ms >= until_ms]
        if rest:
            self.end_ms = rest[0].begin_ms
        self._fed.clear()
        return rest

    def press(self, keys: Keys, now: float) -> None:
        """Give the agent keys, which end the turn."""
        self.keys, self.is_heard = keys, True
        self.turn.press(keys.digits, are_wanted=keys.are_wanted)
        self.finish(now)

    def finish(self, now: float) -> None:
        """End the audio of the turn."""
        if self.finished_at is None:
            self.finished_at = self.latest_at = now
            self.turn.finish()

    def _listened_ms(self, now: float) -> float:
        """How much of its audio the agent may have listened to, at the speed of `_SPEED`."""
        return self._fed_ms - max(0.0, self._listened_at - now) * 1000 * _SPEED
