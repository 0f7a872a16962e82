"""One stream's records in the carrier's order: what every consumer reads through.

`callstream.reordering.buffer` restores the order of anything numbered. This knows what the events
of a stream are: which have no number, that a `start` matters even late, and what the end is.
"""

from typing import Final, Self

from msgspec import Struct, field
from msgspec.structs import replace

from callstream.dialects.events import Media, Start, Stop
from callstream.frames.records import Disconnected, Record, RecordEvent, Rejected
from callstream.reordering.buffer import ReorderBuffer, Snapshot, Window

# A repeat by Kinesis or a queue has the first one's time, a carrier's own comes at once. A frame of
# silence after a restart may else look like the one that had its number before.
SAME_MS: Final = 2000
# Messages without number are few: a repeat of one of the last so many is recognised.
_UNNUMBERED: Final = 16


class Arrival(Struct, frozen=True, eq=False):
    """An event and when API Gateway received it, in milliseconds since 1970.

    Two are equal if they are repeats of one another.
    """

    received_at: int
    event: RecordEvent

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Arrival)
            and abs(self.received_at - other.received_at) <= SAME_MS
            and self.event == other.event
        )

    # Being close to one another is not transitive.
    __hash__ = None  # type: ignore[assignment]

    def sent_at(self) -> float:
        """When it was received, in seconds."""
        return self.received_at / 1000


class StreamCounts(Struct):
    """What has come of a stream, in messages unless it says otherwise.

    Frames, bytes and `released` count what was handed on, each once. Once a stream has ended, all
    its records are `released`, `repeats`, `late` or `strays`.
    """

    released: int = 0
    frames: dict[str, int] = field(default_factory=dict)
    """By track."""
    audio_bytes: int = 0
    """In the stream's own codec, of all tracks."""
    gaps: int = 0
    """Runs of sequence numbers that were passed over."""
    skipped: int = 0
    """Sequence numbers that were passed over: lost, `late`, or of messages that were rejected."""
    repeats: int = 0
    """Those that had come before; dropped."""
    late: int = 0
    """Those whose number had been passed over, or that came after the end; dropped."""
    strays: int = 0
    """Those with a number that is neither behind nor ahead in any numbering; dropped."""
    restarts: int = 0
    """How often the carrier's numbering began anew."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Messages that could not be read, by reason; those that were handed on."""
    first_at: int | None = None
    """The earliest and the latest time of receipt of all that came, in ms since 1970."""
    last_at: int | None = None


class StreamSnapshot(Struct):
    """A stream's state, for MessagePack: what waits, and what has been decided.

    Times are the clock's of the consumer, except those of receipt.
    """

    buffer: Snapshot[Arrival]
    counts: StreamCounts
    start: Start | None
    stop: Stop | None
    stop_given: bool
    stop_by: float | None
    disconnected: Disconnected | None
    end_by: float | None
    ended: bool
    unnumbered: list[Arrival]


class OrderedStream:
    """The events of one stream, in order, each once.

    It has no clock: `now` is any clock's time in seconds that never goes back. A consumer calls
    `push` for every record of the stream, `expire` when the `deadline` has come, and is done when
    it has `ended`. Who stops earlier calls `flush`.

    - An event without a number is handed on at once.
    - `start` waits its turn. One that comes after its turn is handed on all the same, at once.
    - After `stop` come only a late `start` and `disconnected`.
    - `disconnected` comes last: one window after it was received, since frames may come after it.
      Only a `start` that is later even than that comes after it.

    Args:
        window: how much may wait, and for how long.
        joins: the consumer comes to a stream that has begun, so that the lowest number within the
            first window is its beginning. Otherwise number 1 is, the one that carriers give to
            `start`.
    """

    def __init__(self, window: Window | None = None, *, joins: bool = False) -> None:
        self._window = window or Window()
        self._buffer = ReorderBuffer(
            self._window, first=None if joins else 1, sent_at=Arrival.sent_at
        )
        # Without what the buffer counts.
        self._counts = StreamCounts()
        self._start: Start | None = None
        self._stop: Stop | None = None
        self._stop_given = False
        # When a stop is handed on for whose number the buffer does not wait.
        self._stop_by: float | None = None
        self._disconnected: Disconnected | None = None
        self._end_by: float | None = None
        self._ended = False
        self._unnumbered: list[Arrival] = []

    @classmethod
    def resume(cls, snapshot: StreamSnapshot, window: Window | None = None) -> Self:
        """Go on where a predecessor stopped. The snapshot may be used again."""
        order = cls(window)
        order._buffer = ReorderBuffer.resume(
            order._window, snapshot.buffer, sent_at=Arrival.sent_at
        )
        order._counts = _copy(snapshot.counts)
        order._start = snapshot.start
        order._stop, order._stop_given = snapshot.stop, snapshot.stop_given
        order._stop_by, order._end_by = snapshot.stop_by, snapshot.end_by
        order._disconnected, order._ended = snapshot.disconnected, snapshot.ended
        order._unnumbered = [*snapshot.unnumbered]
        return order

    def snapshot(self) -> StreamSnapshot:
        """The state, for `resume`."""
        return StreamSnapshot(
            buffer=self._buffer.snapshot(),
            counts=_copy(self._counts),
            start=self._start,
            stop=self._stop,
            stop_given=self._stop_given,
            stop_by=self._stop_by,
            disconnected=self._disconnected,
            end_by=self._end_by,
            ended=self._ended,
            unnumbered=[*self._unnumbered],
        )

    @property
    def ended(self) -> bool:
        """Whether `disconnected` has been handed on, so that nothing is to be expected."""
        return self._ended

    @property
    def settling(self) -> bool:
        """Whether it only gives what may still come its time: at the beginning, and at the end.

        Otherwise what waits does so for a message that is missing.
        """
        ends = self._stop_by is not None or self._end_by is not None
        return not self._buffer.has_begun or ends

    @property
    def counts(self) -> StreamCounts:
        """The counts so far, as a copy."""
        buffer, counts = self._buffer.counts, _copy(self._counts)
        counts.gaps, counts.skipped = buffer.gaps, buffer.skipped
        counts.restarts = buffer.restarts
        counts.repeats += buffer.repeats
        counts.late += buffer.late
        counts.strays += buffer.strays
        return counts

    @property
    def deadline(self) -> float | None:
        """When `expire` has something to do next; None if nothing waits."""
        times = (self._buffer.deadline, self._stop_by, self._end_by)
        return min((time for time in times if time is not None), default=None)

    def push(self, record: Record, now: float) -> list[RecordEvent]:
        """Take a record, and return the events whose turn it is now."""
        at, event = record.received_at, record.event
        counts = self._counts
        counts.first_at = at if counts.first_at is None else min(counts.first_at, at)
        counts.last_at = at if counts.last_at is None else max(counts.last_at, at)
        return self._take(Arrival(at, event), now) + self._settle(now)

    def expire(self, now: float) -> list[RecordEvent]:
        """Return what has waited for the whole window."""
        return self._settle(now)

    def flush(self) -> list[RecordEvent]:
        """Return everything that still waits, `disconnected` too if it has come."""
        return self._finish() + self._end()

    def _take(self, arrival: Arrival, now: float) -> list[RecordEvent]:
        event = arrival.event
        sequence: int | None = getattr(event, "sequence", None)
        if isinstance(event, Disconnected):
            self._take_disconnected(event, now)
        elif event in (self._start, self._stop):
            self._counts.repeats += 1
        elif isinstance(event, Start) and self._start is None:
            return self._take_start(event, arrival, now)
        elif self._stop_given or self._ended:
            self._drop(arrival, sequence)
        elif isinstance(event, Stop) and self._stop is None:
            return self._take_stop(event, arrival, now)
        elif sequence is not None:
            return self._hand_on(self._buffer.push(sequence, arrival, now))
        elif self._remembers(arrival) or isinstance(event, Stop):
            self._counts.repeats += 1
        else:
            self._unnumbered = [*self._unnumbered, arrival][-_UNNUMBERED:]
            return self._given([event])
        return []

    def _take_disconnected(self, disconnected: Disconnected, now: float) -> None:
        if self._disconnected is None:
            self._disconnected = disconnected
            self._end_by = now + self._window.seconds
        else:
            self._counts.repeats += 1

    def _take_start(self, start: Start, arrival: Arrival, now: float) -> list[RecordEvent]:
        self._start = start
        if self._stop_given or self._ended or not self._buffer.expects(start.sequence):
            return self._given([start])
        return self._hand_on(self._buffer.push(start.sequence, arrival, now))

    def _take_stop(self, stop: Stop, arrival: Arrival, now: float) -> list[RecordEvent]:
        self._stop = stop
        sequence: int | None = stop.sequence
        if sequence is not None and self._buffer.expects(sequence):
            return self._hand_on(self._buffer.push(sequence, arrival, now))
        # Whatever its number is, the carrier says that this is the end.
        self._stop_by = now + self._window.seconds
        return []

    def _drop(self, arrival: Arrival, sequence: int | None) -> None:
        if sequence is None:
            known = self._remembers(arrival)
        else:
            # A successor knows no items, but still which numbers have come.
            known = self._buffer.knows(sequence, arrival) or self._buffer.has_passed(sequence)
        if known:
            self._counts.repeats += 1
        else:
            self._counts.late += 1

    def _remembers(self, arrival: Arrival) -> bool:
        # To the millisecond: a carrier may well say a thing without number twice.
        return any(
            known.received_at == arrival.received_at and known.event == arrival.event
            for known in self._unnumbered
        )

    def _settle(self, now: float) -> list[RecordEvent]:
        events: list[RecordEvent] = []
        if _passed(self._buffer.deadline, now):
            events += self._hand_on(self._buffer.expire(now))
        if _passed(self._stop_by, now) or _passed(self._end_by, now):
            events += self._finish()
        if self._stop_given or _passed(self._end_by, now):
            events += self._end()
        return events

    def _finish(self) -> list[RecordEvent]:
        events = self._hand_on(self._buffer.flush())
        if self._stop_by is not None and self._stop is not None:
            events += self._close(self._stop, [])
        return events

    def _end(self) -> list[RecordEvent]:
        if self._disconnected is None or self._ended:
            return []
        self._ended, self._end_by = True, None
        return self._given([self._disconnected])

    def _hand_on(self, arrivals: list[Arrival]) -> list[RecordEvent]:
        events: list[RecordEvent] = []
        for place, arrival in enumerate(arrivals, start=1):
            if isinstance(arrival.event, Stop):
                return self._given(events) + self._close(arrival.event, arrivals[place:])
            events.append(arrival.event)
        return self._given(events)

    def _close(self, stop: Stop, beyond: list[Arrival]) -> list[RecordEvent]:
        """Hand on the stop, and drop what has a higher number, but for the start."""
        beyond = beyond + self._buffer.discard()
        starts = [arrival.event for arrival in beyond if arrival.event == self._start]
        self._counts.strays += len(beyond) - len(starts)
        if self._stop_by is not None and stop is not self._stop:
            self._counts.late += 1  # the stop that was to come then
        self._stop_given, self._stop_by = True, None
        return self._given([*starts, stop])

    def _given(self, events: list[RecordEvent]) -> list[RecordEvent]:
        counts = self._counts
        counts.released += len(events)
        for event in events:
            if isinstance(event, Media):
                counts.frames[event.track] = counts.frames.get(event.track, 0) + 1
                counts.audio_bytes += len(event.audio)
            elif isinstance(event, Rejected):
                counts.rejected[event.reason] = counts.rejected.get(event.reason, 0) + 1
        return events


def _copy(counts: StreamCounts) -> StreamCounts:
    return replace(counts, frames={**counts.frames}, rejected={**counts.rejected})


def _passed(time: float | None, now: float) -> bool:
    return time is not None and time <= now
