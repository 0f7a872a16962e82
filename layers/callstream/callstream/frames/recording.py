"""A whole stream in memory, in the carrier's order, however its records come.

This is for a consumer that has all records of a stream: a recording, a replay, a test. A live
consumer, which must give up on a missing message after a while, reads through
`callstream.frames.stream_order`. Here a record that comes hours late still gets its place.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Final, TypeVar, cast

from callstream.dialects.events import Connected, Media, Start, Stop, Track
from callstream.frames.records import (
    AnswerEvent,
    Disconnected,
    GatewayEvent,
    Record,
    RecordEvent,
    Rejected,
    Transcript,
    stream_dialect,
)

# A carrier repeats a message at once. An equal message long after that is a new message of a
# carrier that has begun to number anew.
_AT_ONCE_MS: Final = 2000
_MOST_START_DELAY_MS: Final = 5000

T = TypeVar("T", Connected, Start, Stop, Disconnected)


@dataclass(frozen=True, slots=True)
class RecordingStats:
    """The counts of a recording, in messages."""

    frames: dict[Track, int]
    """Distinct frames of each track."""
    missing: int
    """Sequence numbers that have not come, between the first and the highest of each numbering.

    A rejected message's number cannot be read, so it is among these.
    """
    repeats: int
    """Records of messages that had come before; dropped."""
    conflicts: int
    """Messages whose sequence number had come with another content. They are dropped, unless two in
    sequence, with no message of the numbering between them, show that the carrier numbers anew.
    """
    rejected: int
    """Messages that could not be read."""


class StreamRecording:
    """The records of one stream, in the carrier's order, each once."""

    # It has 19 methods, most of them properties: a consumer asks for parts of a stream's story.

    def __init__(self) -> None:
        self.records = 0
        """How many records have come."""
        self.stream_id = self.tenant_id = ""
        self.dialect: str | None = None
        self._numbered: dict[int, list[Record]] = {}
        self._unnumbered: list[Record] = []
        # Of the gateway, by the identity that a repeat has too.
        self._own: dict[object, Record] = {}
        # The record of each kind of event that was received first.
        self._first: dict[type[object], Record] = {}
        self._repeats = 0
        self._conflicts = 0

    def add(self, record: Record) -> None:
        """Take one record."""
        self.records += 1
        self.stream_id, self.tenant_id = record.stream_id, record.tenant_id
        if isinstance(record.event, GatewayEvent):
            identity = _identity(record)
            self._repeats += identity in self._own
            self._own.setdefault(identity, record)
            return
        self.dialect = stream_dialect(self.dialect, record.dialect, record.event)
        kind = type(record.event)
        if kind not in self._first or record.received_at < self._first[kind].received_at:
            self._first[kind] = record
        number = _number(record)
        alike = self._unnumbered if number is None else self._numbered.setdefault(number, [])
        same_time = [each for each in alike if each.received_at == record.received_at]
        if any(_is_repeat(record, each) for each in alike):
            self._repeats += 1
        elif number is not None and same_time:
            self._repeats += 1
            self._conflicts += 1
        else:
            self._conflicts += number is not None and bool(alike)
            alike.append(record)

    @property
    def connected(self) -> Connected | None:
        """The carrier's first message."""
        return self._event(Connected)

    @property
    def start(self) -> Start | None:
        """The carrier's description of the stream."""
        return self._event(Start)

    @property
    def stop(self) -> Stop | None:
        """The carrier's last message."""
        return self._event(Stop)

    @property
    def disconnected(self) -> Disconnected | None:
        """How the socket closed."""
        return self._event(Disconnected)

    @property
    def rejected(self) -> list[Rejected]:
        """The messages that could not be read, in order of arrival."""
        return [record.event for record in self._unnumbered if isinstance(record.event, Rejected)]

    @property
    def answers(self) -> list[Record]:
        """What relays have posted to the carrier, in order."""
        return sorted(
            (record for record in self._own.values() if isinstance(record.event, AnswerEvent)),
            key=_place,
        )

    @property
    def transcript(self) -> list[Transcript]:
        """The lines of the transcript, each once, by the times at which they begin."""
        events = (record.event for record in self._own.values())
        lines = (event for event in events if isinstance(event, Transcript))
        return sorted(lines, key=lambda line: (line.start_ms, line.track))

    @property
    def ended_at(self) -> int | None:
        """When `stop`, or else the close, was received, in ms since 1970."""
        end = self._first.get(Stop) or self._first.get(Disconnected)
        return None if end is None else end.received_at

    @property
    def has_ended(self) -> bool:
        """Whether the carrier has sent its stop message or closed the connection."""
        return Stop in self._first or Disconnected in self._first

    @property
    def started_at(self) -> int:
        """When `start`, or else the first message, was received, in ms since 1970; 0 if none."""
        if Start in self._first:
            return self._first[Start].received_at
        records = self._first.values() or self._own.values()
        return min((record.received_at for record in records), default=0)

    @property
    def audio_began_at(self) -> int:
        """When the audio of timestamp 0 was received at the latest, in ms since 1970.

        Frames show that: `start` may have been received with more delay than they were. A carrier
        whose timestamps make no sense began with `start`.
        """
        began = self.started_at
        times = (
            record.received_at - record.event.timestamp
            for records in self._numbered.values()
            for record in records
            if isinstance(record.event, Media)
        )
        earlier = (time for time in times if began - _MOST_START_DELAY_MS <= time < began)
        return min(earlier, default=began)

    def events(self) -> list[RecordEvent]:
        """All events: by their numbers, and those without a number where they were received."""
        numbered = self._in_order()
        # Ascending, although a message may overtake another on its way to us.
        times = list(accumulate((record.received_at for record in numbered), max))
        places: dict[int, list[RecordEvent]] = {}
        unnumbered = [*self._unnumbered, *sorted(self._own.values(), key=_place)]
        for record in sorted(unnumbered, key=_receipt):
            match record.event:
                case Disconnected():
                    place = len(numbered)
                case Connected():
                    place = 0
                case _:
                    place = bisect_right(times, record.received_at)
            places.setdefault(place, []).append(record.event)
        events: list[RecordEvent] = []
        for place, record in enumerate(numbered):
            events += [*places.get(place, ()), record.event]
        return [*events, *places.get(len(numbered), ())]

    def audio(self, track: Track) -> bytes:
        """A track's audio in the stream's codec, in order, without the missing frames."""
        return b"".join(event.audio for event in self._frames() if event.track == track)

    def stats(self) -> RecordingStats:
        """The counts so far."""
        return RecordingStats(
            frames=dict(Counter(event.track for event in self._frames())),
            missing=sum(map(_missing, _numberings(self._numbered))),
            repeats=self._repeats,
            conflicts=self._conflicts,
            rejected=len(self.rejected),
        )

    def _event(self, kind: type[T]) -> T | None:
        record = self._first.get(kind)
        return record.event if record is not None and isinstance(record.event, kind) else None

    def _frames(self) -> Iterable[Media]:
        return (record.event for record in self._in_order() if isinstance(record.event, Media))

    def _in_order(self) -> list[Record]:
        return [record for numbering in _numberings(self._numbered) for record in numbering]


def _identity(record: Record) -> object:
    """What a repeat has too. A line that comes again may have another time of receipt."""
    event = record.event
    return (event.track, event.number) if isinstance(event, Transcript) else record


def _place(record: Record) -> tuple[int, str, int]:
    """Of an event of the gateway: by time, relay and number."""
    event = cast("GatewayEvent", record.event)
    return record.received_at, event.relay_id, getattr(event, "number", 0)


def _receipt(record: Record) -> tuple[bool, int]:
    """By time; but the last lines of a transcript come after the close, which is the end."""
    return isinstance(record.event, Disconnected), record.received_at


def _number(record: Record) -> int | None:
    number: int | None = getattr(record.event, "sequence", None)
    return number


def _is_repeat(record: Record, other: Record) -> bool:
    if record.event != other.event:
        return False
    if _number(record) is None:
        return record.received_at == other.received_at
    return abs(record.received_at - other.received_at) <= _AT_ONCE_MS


def _numberings(numbered: Mapping[int, Iterable[Record]]) -> list[list[Record]]:
    """The records of each numbering by their numbers; docs/decisions.md, decision 35."""
    everything = [
        (record.received_at, number, record)
        for number, records in numbered.items()
        for record in records
    ]
    numberings: list[dict[int, Record]] = [{}]
    probation: dict[int, Record] = {}
    for _, number, record in sorted(everything, key=itemgetter(0, 1)):
        if number not in numberings[-1]:
            numberings[-1][number] = record
            probation = {}
        else:
            probation[number] = record
            if number - 1 in probation or number + 1 in probation:
                numberings.append(probation)
                probation = {}
    return [[numbering[number] for number in sorted(numbering)] for numbering in numberings]


def _missing(in_order: Sequence[Record]) -> int:
    """How many numbers are passed over, from `start` on if that is there."""
    first = next((place for place, each in enumerate(in_order) if isinstance(each.event, Start)), 0)
    numbers = [_number(record) or 0 for record in in_order[first:]]
    return sum(later - number - 1 for number, later in pairwise(numbers))
