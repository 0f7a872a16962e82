"""Reads streams live and in order, for consumers in Python.

A `FrameReader` takes the records of all calls from all shards of the frames stream, and gives each
media stream's events in the carrier's order, each once, until the stream is over.
`callstream.reading` makes one for a Kinesis stream; docs/reading.md shows how to use it.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Self

from callstream.dialects.events import Connected, Start
from callstream.errors import UnreadableMessage
from callstream.frames.arrivals import Arrival, ArrivalSource, ShardTime
from callstream.frames.records import Record, RecordEvent, Transcript, stream_dialect
from callstream.frames.stream_counts import StreamCounts
from callstream.frames.stream_order import OrderedEvent, OrderedStream
from callstream.reordering.window import Window

QUIET_SECONDS: Final = 900.0
"""A stream without a record for so long counts as over. API Gateway closes a connection after 10
minutes without a message, and calls `$disconnect` on best effort."""
LINES_SECONDS: Final = 5.0
"""How long after `disconnected` a transcript's last lines are waited for, if the stream has lines:
the words before the end are recognised after the end."""

# A stream that appears so soon after the first record that was read of its shard may have begun
# before that record, unless its first record is `connected` or `start`. A later stream begins now.
_JOIN_SECONDS: Final = 10.0
# A poll gives the records that came to Kinesis within so many milliseconds.
_STEP_MS: Final = 1000
# So many events are kept until a late `start` decides whether the stream is selected.
_HELD: Final = 256


@dataclass(frozen=True, slots=True)
class Selection:
    """Which streams to read: those that match all ids that are given.

    `call_id` is the carrier's id of the call, of the session that its legs have in common, or of
    the stream. Only a stream's `start` has these, so a reader finds a stream by `call_id` only if
    it reads from before the `start`.
    """

    stream_id: str | None = None
    call_id: str | None = None
    tenant_id: str | None = None

    def may_fit(self, record: Record) -> bool:
        """Whether a record's stream matches, as far as every record shows."""
        return self.stream_id in {None, record.stream_id} and self.tenant_id in {
            None,
            record.tenant_id,
        }

    def fits(self, start: Start | None) -> bool:
        """Whether a stream with this start belongs to the call."""
        return self.call_id is None or (start is not None and is_of(start, self.call_id))


def is_of(start: Start, carrier_id: str) -> bool:
    """Whether this is the carrier's id of the stream, its call or the call's session."""
    return carrier_id in {start.call_id, start.session_id, start.carrier_stream_id}


class StreamOver(NamedTuple):
    """The last event of every stream: the reader gives nothing more of it.

    `disconnected`: the carrier's socket is gone. `quiet`: no record came for `QUIET_SECONDS`.
    """

    why: Literal["disconnected", "quiet"]


class Stream:
    """One media stream, as far as it has been read.

    The same object comes with each of the stream's events, so a consumer can use it as a key.
    """

    __slots__ = ("_order", "dialect", "received_at", "route", "start", "stream_id", "tenant_id")

    def __init__(self, record: Record, order: OrderedStream) -> None:
        self.stream_id = record.stream_id
        self.tenant_id = record.tenant_id
        self.route = record.route
        self.dialect = record.dialect
        """The carrier's message format; None until a message was recognised."""
        self.received_at = record.received_at
        """When API Gateway received the first message that was read, in ms since 1970."""
        self.start: Start | None = None
        """The carrier's description; None until it has come, or if it came before we read."""
        self._order = order

    @property
    def counts(self) -> StreamCounts:
        """The counts of the stream so far, as a copy."""
        return self._order.counts

    def __repr__(self) -> str:
        return f"<Stream {self.stream_id}>"


class _StreamAndEvent(NamedTuple):
    stream: Stream
    event: RecordEvent | StreamOver


class ReadEvent(_StreamAndEvent):
    """An event and the stream that it is of, as a pair: `stream, event = read_event`."""

    received_at: int
    """When API Gateway received the message, in milliseconds since 1970; for `StreamOver`, when it
    received the latest message of the stream."""

    def __new__(cls, stream: Stream, event: RecordEvent | StreamOver, received_at: int) -> Self:
        """Make the pair."""
        read = super().__new__(cls, stream, event)
        read.received_at = received_at
        return read


@dataclass(slots=True)
class _Following:
    """A stream that is being read."""

    stream: Stream
    order: OrderedStream
    shard_id: str
    latest_at: float
    held: list[OrderedEvent] = field(default_factory=list)
    """The events before its `start`, as long as the `start` decides whether it is selected."""
    has_lines: bool = False
    """Whether a line of a transcript has come."""
    over_at: float | None = None
    """When the stream is over, once `disconnected` has been given."""


class FrameReader:
    """Gives the events of all streams of a selection: each stream's in order, each event once.

    `callstream.frames.stream_order` has the rules of the order, and when a missing message is
    given up. That only happens after the stream's shard has been read once more, to its end. The
    reader keeps only messages that wait for their turn, of streams that are not over.

    Args:
        source: where records come from.
        clock: monotonic time in seconds.
        selection: which streams; all if not given.
        window: how many messages wait for a missing message, and for how long.
        quiet_seconds: a stream without a record for so long counts as over.
    """

    def __init__(
        self,
        source: ArrivalSource,
        clock: Callable[[], float],
        selection: Selection | None = None,
        *,
        window: Window | None = None,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self.unreadable = 0
        """Arrivals that are not records of Callstream, or are of a later version."""
        self._source = source
        self._clock = clock
        self._selection = selection or Selection()
        self._window = window
        self._quiet_seconds = quiet_seconds
        self._arrivals: deque[Arrival] = deque()
        self._times: dict[str, ShardTime] = {}
        self._followed: dict[str, _Following] = {}
        # Streams that are over or not selected: their shards, and when their latest records came.
        # A straggler must not make a stream again.
        self._ignored: dict[str, tuple[str, float]] = {}

    def __len__(self) -> int:
        """How many streams are being read, also those that are not known to be selected yet."""
        return len(self._followed)

    @property
    def has_more(self) -> bool:
        """Whether the next poll takes records that the source has given already."""
        return bool(self._arrivals)

    def poll(self) -> list[ReadEvent]:
        """Read the next records, and return the events whose turn it is.

        A poll takes at most the records that came to Kinesis within a second, although a source may
        give minutes of a call at once. So a stream's counts are of about the time of the events.

        Raises:
            Unavailable: the source did not answer. Nothing is lost: poll again.
        """
        if not self._arrivals:
            self._arrivals.extend(self._source.poll())
        # After the poll, which may be slow: its records arrived before now.
        now = self._clock()
        events: list[ReadEvent] = []
        first: int | None = None
        while self._arrivals and (first is None or self._arrivals[0].arrived_at < first + _STEP_MS):
            arrival = self._arrivals.popleft()
            first = arrival.arrived_at if first is None else first
            events += self._take(arrival, now)
        return events + self._expire(now)

    def seconds_until_due(self) -> float:
        """How long until the reader is to be polled again."""
        return 0.0 if self._arrivals else self._source.seconds_until_due()

    def follow(self, sleep: Callable[[float], object]) -> Iterator[ReadEvent]:
        """Yield events as they come, for ever. After `Unavailable`, call this again.

        Args:
            sleep: waits so many seconds.

        Raises:
            Unavailable: the source did not answer.
        """
        while True:
            yield from self.poll()
            sleep(self.seconds_until_due())

    def flush(self) -> list[ReadEvent]:
        """Return all events that still wait: nothing more is going to be read."""
        now = self._clock()
        events: list[ReadEvent] = []
        while self._arrivals:
            events += self._take(self._arrivals.popleft(), now)
        for followed in list(self._followed.values()):
            events += self._given(followed, followed.order.flush(), math.inf)
        return events

    def _take(self, arrival: Arrival, now: float) -> list[ReadEvent]:
        shard_id, arrived_at = arrival.shard_id, arrival.arrived_at / 1000
        shard = self._times.setdefault(shard_id, ShardTime(arrived_at, arrived_at, arrived_at, now))
        time = shard.arrived(arrived_at, now)
        record = arrival.record
        if isinstance(record, UnreadableMessage):
            self.unreadable += 1
            return []
        if not self._selection.may_fit(record):
            return []
        if record.stream_id in self._ignored:
            self._ignored[record.stream_id] = (shard_id, time)
            return []
        followed = self._followed.get(record.stream_id)
        if followed is None:
            is_new = isinstance(record.event, Connected | Start)
            joins = not is_new and time - shard.began_at < _JOIN_SECONDS
            order = OrderedStream(self._window, joins=joins)
            followed = _Following(Stream(record, order), order, shard_id, time)
            self._followed[record.stream_id] = followed
        # After a shard was split or merged, another shard goes on with its streams.
        followed.shard_id, followed.latest_at = shard_id, time
        stream = followed.stream
        stream.dialect = stream_dialect(stream.dialect, record.dialect, record.event)
        return self._given(followed, followed.order.push(record, time), time)

    def _expire(self, now: float) -> list[ReadEvent]:
        # An arrival that is not taken yet may be a missing one. Its shard may even be the child of
        # the stream's. So no time goes on with our clock until all arrivals are taken.
        times = {
            shard_id: shard.latest
            if self._arrivals
            else shard.at(now - self._source.seconds_behind(shard_id))
            for shard_id, shard in self._times.items()
        }
        events: list[ReadEvent] = []
        for followed in list(self._followed.values()):
            time, deadline = times[followed.shard_id], followed.order.deadline
            if deadline is not None and deadline <= time:
                events += self._given(followed, followed.order.expire(time), time)
            elif followed.over_at is not None:
                events += self._given(followed, [], time)
            # These events may have been the stream's end, or the `start` of another call.
            if followed.stream.stream_id in self._followed and self._is_quiet(
                followed.latest_at, time
            ):
                events += self._given(followed, followed.order.flush(), time, quiet=True)
        for stream_id, (shard_id, latest_at) in list(self._ignored.items()):
            if self._is_quiet(latest_at, times[shard_id]):
                del self._ignored[stream_id]
        return events

    def _is_quiet(self, latest_at: float, time: float) -> bool:
        return time - latest_at >= self._quiet_seconds

    def _given(
        self,
        followed: _Following,
        events: list[OrderedEvent],
        time: float,
        *,
        quiet: bool = False,
    ) -> list[ReadEvent]:
        stream = followed.stream
        for each in events:
            # A stream belongs to one call: a second start is an event, and changes nothing.
            if isinstance(each.event, Start) and stream.start is None:
                stream.start = each.event
            followed.has_lines = followed.has_lines or isinstance(each.event, Transcript)
        why: Literal["disconnected", "quiet"] | None = None
        if followed.order.ended and followed.over_at is None:
            followed.over_at = time + (LINES_SECONDS if followed.has_lines else 0)
        if followed.over_at is not None and followed.over_at <= time:
            why = "disconnected"
        elif quiet:
            why = "quiet"
        is_anothers = stream.start is not None and not self._selection.fits(stream.start)
        if why or is_anothers:
            self._followed.pop(stream.stream_id, None)
            self._ignored[stream.stream_id] = (followed.shard_id, followed.latest_at)
        if not self._selection.fits(stream.start):
            followed.held = [*followed.held, *events][-_HELD:]
            return []
        given = [
            ReadEvent(stream, each.event, each.received_at) for each in (*followed.held, *events)
        ]
        followed.held = []
        if why:
            latest = followed.order.counts.last_at or stream.received_at
            given.append(ReadEvent(stream, StreamOver(why), latest))
        return given
