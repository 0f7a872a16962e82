"""Puts one recorded stream together from its records, which may come in any order and repeated.

This is for whoever keeps the whole stream in memory: a replay, a comparison, a test. Who follows a
stream live reads through `callstream.reordering.buffer` instead.
"""

from collections import Counter
from dataclasses import dataclass

from callstream.dialects.events import Connected, Dtmf, Error, Mark, Media, Start, Stop, Track
from callstream.frames.records import Disconnected, Record, Rejected

type Sequenced = Start | Media | Dtmf | Mark | Error | Stop
"""The events that may carry one of the carrier's sequence numbers."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What has been found so far."""

    frames: dict[Track, int]
    """Distinct frames of each track."""
    missing: int
    """Sequence numbers that have not come, between the first and the highest that has.

    A rejected message's number cannot be read, so it is among these.
    """
    repeats: int
    """Records whose sequence number had come before."""
    conflicts: int
    """Those of the repeats that say something else than the first; the first is kept."""
    rejected: int


class Assembly:
    """The records of one stream, in the carrier's order."""

    def __init__(self) -> None:
        self.connected: Connected | None = None
        self.start: Start | None = None
        self.stop: Stop | None = None
        self.disconnected: Disconnected | None = None
        self.rejected: list[Rejected] = []
        self.unnumbered: list[Sequenced] = []
        """What came without a number: SignalWire's marks, some errors of Telnyx's."""
        self._events: dict[int, Sequenced] = {}
        self._frames: Counter[Track] = Counter()
        self._highest = 0
        self._repeats = 0
        self._conflicts = 0

    def add(self, record: Record) -> None:
        """Take one record."""
        match record.event:
            case Rejected() as rejected:
                self.rejected.append(rejected)
            case Connected() as connected:
                self.connected = connected
            case Disconnected() as disconnected:
                self.disconnected = disconnected
            case event if event.sequence is None:
                self.unnumbered.append(event)
            case event:
                self._add(event, event.sequence)

    def _add(self, event: Sequenced, sequence: int) -> None:
        if sequence in self._events:
            self._repeats += 1
            self._conflicts += event != self._events[sequence]
            return
        self._events[sequence] = event
        self._highest = max(self._highest, sequence)
        match event:
            case Media():
                self._frames[event.track] += 1
            case Start() if self.start is None or sequence < self.start.sequence:
                self.start = event  # a second one, which no carrier sends, changes nothing
            case Stop():
                self.stop = event

    def events(self) -> list[Sequenced]:
        """Everything that carries a sequence number, in order."""
        return [event for _, event in sorted(self._events.items())]

    def audio(self, track: Track) -> bytes:
        """A track's audio in the stream's codec, in order; what is missing is left out."""
        return b"".join(
            event.audio
            for event in self.events()
            if isinstance(event, Media) and event.track == track
        )

    def figures(self) -> Figures:
        """The counts so far."""
        first = self.start.sequence if self.start else min(self._events, default=1)
        expected = self._highest - first + 1 if self._events else 0
        return Figures(
            frames=dict(self._frames),
            missing=expected - len(self._events),
            repeats=self._repeats,
            conflicts=self._conflicts,
            rejected=len(self.rejected),
        )
