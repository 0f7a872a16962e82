"""Streams put together from what is kept of them. Pure: arrivals and time are passed in.

A live reader must give up on a missing message after a while
(`callstream.frames.stream_order`). Here everything there is comes first, so a record that was put
back hours later still finds its place.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, Protocol

from callstream.adapters.aws.kinesis_reader import Arrival
from callstream.dialects.events import Connected, Media, Start, Stop, Track
from callstream.errors import Unavailable
from callstream.frames.reader import is_of
from callstream.frames.records import Disconnected, Record, RecordEvent, Rejected
from callstream.frames.stream_order import OrderedStream

# How many records of a stream are kept until its `start` tells whether it is wanted. Beyond that,
# should it be wanted after all, everything is read once more.
_UNDECIDED: Final = 500
# How long nothing comes of an ended stream until it is taken to be whole.
_SETTLED_SECONDS: Final = 3.0
PATIENCE_SECONDS: Final = 60.0
"""How long Kinesis may refuse to be read. It does so to whoever reads much in little time."""
_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Story:
    """What happened on one stream, in order, each once."""

    stream_id: str
    tenant_id: str
    dialect: str | None
    events: Sequence[RecordEvent]
    start: Start | None
    started_at: int
    """When `start`, or what came first, was received, in milliseconds since 1970."""
    missing: int
    """Sequence numbers that have not come, of messages that were lost or rejected."""
    repeats: int
    rejected: int
    ended: bool
    """Whether its carrier has said stop or hung up."""

    def frames(self) -> dict[Track, int]:
        """How many frames there are of each track."""
        counts: dict[Track, int] = {}
        for event in self.events:
            if isinstance(event, Media):
                counts[event.track] = counts.get(event.track, 0) + 1
        return counts


@dataclass(slots=True)
class Recording:
    """The records of one stream, as they came."""

    arrivals: list[tuple[int, Record]] = field(default_factory=list)
    """Each with when Kinesis took it, in milliseconds since 1970."""
    ended: bool = False

    def add(self, arrived_at: int, record: Record) -> None:
        """Take one record."""
        self.arrivals.append((arrived_at, record))
        self.ended = self.ended or isinstance(record.event, Stop | Disconnected)

    def story(self) -> Story:
        """What happened. There must be a record."""
        by_number: dict[int, Record] = {}
        others: list[Record] = []
        repeats = conflicts = 0
        for _, record in self.arrivals:
            number = _number(record)
            if number is None:
                if any(_is_repeat(record, other) for other in others):
                    repeats += 1
                else:
                    others.append(record)
            elif (known := by_number.setdefault(number, record)) is not record:
                repeats += 1
                conflicts += known.event != record.event
        if conflicts:
            # The carrier's numbers began anew. Telling one numbering from the other takes time.
            return self._in_order_of_arrival()
        numbers = sorted(by_number)
        events = _merged([by_number[number] for number in numbers], others)
        first = next((event.sequence for event in events if isinstance(event, Start)), None)
        before = min(numbers, default=1) if first is None else first
        missing = max(numbers, default=0) - before + 1 - len(numbers) if numbers else 0
        return self._story(events, missing, repeats)

    def _in_order_of_arrival(self) -> Story:
        has_start = any(isinstance(record.event, Start) for _, record in self.arrivals)
        order = OrderedStream(joins=not has_start)
        events: list[RecordEvent] = []
        time = 0.0
        for arrived_at, record in self.arrivals:
            time = max(time, arrived_at / 1000)
            events += order.push(record, time)
        events += order.flush()
        counts = order.counts
        return self._story(events, counts.skipped - counts.late, counts.repeats)

    def _story(self, events: Sequence[RecordEvent], missing: int, repeats: int) -> Story:
        records = [record for _, record in self.arrivals]
        start = next((event for event in events if isinstance(event, Start)), None)
        received = [record.received_at for record in records if record.event is start]
        return Story(
            stream_id=records[0].stream_id,
            tenant_id=records[0].tenant_id,
            dialect=next((record.dialect for record in records if record.dialect), None),
            events=events,
            start=start,
            started_at=min(received or (record.received_at for record in records)),
            missing=max(missing, 0),
            repeats=repeats,
            rejected=sum(isinstance(event, Rejected) for event in events),
            ended=self.ended,
        )


def _number(record: Record) -> int | None:
    number: int | None = getattr(record.event, "sequence", None)
    return number


def _is_repeat(record: Record, other: Record) -> bool:
    return record.received_at == other.received_at and record.event == other.event


def _merged(numbered: Sequence[Record], others: Iterable[Record]) -> list[RecordEvent]:
    """What has a number in its order, and what has none where it was received."""
    # Ascending, although a message may overtake another on its way to us.
    times = list(accumulate((record.received_at for record in numbered), max))
    places: dict[int, list[RecordEvent]] = {}
    for record in sorted(others, key=lambda record: record.received_at):
        match record.event:
            case Disconnected():
                place = len(numbered)
            case Connected():
                place = 0
            case _:
                place = bisect_right(times, record.received_at)
        places.setdefault(place, []).append(record.event)
    events: list[RecordEvent] = []
    for place in range(len(numbered) + 1):
        events += places.get(place, ())
        if place < len(numbered):
            events.append(numbered[place].event)
    return events


class Collector:
    """Collects the streams of one name: a stream's id, or what the carrier calls it or its call.

    Args:
        name: the name.
        known: ids of streams that are known to be of this name.
    """

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.recordings: dict[str, Recording] = {}
        self.incomplete = False
        """Whether records were passed over that turned out to be wanted."""
        self.interrupted = False
        """Whether Ctrl-C ended the reading."""
        self._known = set(known)
        self._undecided: dict[str, list[tuple[int, Record]]] = {}
        self._passed_over: set[str] = set()

    def add(self, arrival: Arrival) -> bool:
        """Take what has arrived; whether it is of a stream that is known to be wanted."""
        record = arrival.record
        if not isinstance(record, Record):
            return False
        stream_id = record.stream_id
        if stream_id in self.recordings:
            self.recordings[stream_id].add(arrival.arrived_at, record)
            return True
        waiting = self._undecided.get(stream_id, [])
        if stream_id in self._known or self._is_of_name(record):
            recording = self.recordings[stream_id] = Recording()
            for kept in (*waiting, (arrival.arrived_at, record)):
                recording.add(*kept)
            self.incomplete = self.incomplete or stream_id in self._passed_over
            self._undecided.pop(stream_id, None)
            return True
        decided = isinstance(record.event, Start | Disconnected)
        if decided or len(waiting) >= _UNDECIDED:
            self._passed_over.add(stream_id)
            self._undecided.pop(stream_id, None)
        elif stream_id not in self._passed_over:
            self._undecided.setdefault(stream_id, []).append((arrival.arrived_at, record))
        return False

    def stories(self) -> list[Story]:
        """What was collected, the first stream first."""
        stories = [recording.story() for recording in self.recordings.values()]
        return sorted(stories, key=lambda story: story.started_at)

    def _is_of_name(self, record: Record) -> bool:
        if record.stream_id == self.name:
            return True
        match record.event:
            case Start() as start:
                return is_of(start, self.name)
            case Stop(call_id=call_id):
                return call_id == self.name
            case _:
                return False


class Kept(Protocol):
    """What is kept on a stream; `FrameStreamReader` is one."""

    @property
    def caught_up(self) -> bool:
        """Whether everything up to now has been read."""

    def poll(self) -> Sequence[Arrival]:
        """The next of it. Raises `Unavailable`."""

    def seconds_until_due(self) -> float:
        """How long until a poll would read something."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time in seconds, and how to wait."""

    now: Callable[[], float]
    sleep: Callable[[float], object]


def collect(open_: Callable[[], Kept], name: str, clock: Clock, *, follow: bool) -> Collector:
    """Read what is kept of the streams of a name; with `follow` on until they have ended.

    With `follow`, KeyboardInterrupt ends the reading, not the command.

    Raises:
        Unavailable: Kinesis has not answered for a minute.
    """
    collector = Collector(name)
    _read(open_(), collector, clock, follow=follow)
    while collector.incomplete and not collector.interrupted:
        known = list(collector.recordings)
        collector = Collector(name, known)
        _read(open_(), collector, clock, follow=follow)
    return collector


def _read(kept: Kept, collector: Collector, clock: Clock, *, follow: bool) -> None:
    heard_at = answered_at = clock.now()
    try:
        while True:
            try:
                arrivals = kept.poll()
            except Unavailable:
                if clock.now() - answered_at > PATIENCE_SECONDS:
                    raise
                clock.sleep(_RETRY_SECONDS)
                continue
            answered_at = clock.now()
            if sum(collector.add(arrival) for arrival in arrivals):
                heard_at = answered_at
            ended = all(recording.ended for recording in collector.recordings.values())
            settled = clock.now() - heard_at >= _SETTLED_SECONDS
            if kept.caught_up and (not follow or (collector.recordings and ended and settled)):
                return
            clock.sleep(kept.seconds_until_due())
    except KeyboardInterrupt:
        if not follow:
            raise
        collector.interrupted = True
