"""One stream's records in the carrier's order: every consumer reads through this module.

`callstream.reordering.buffer` restores the order of numbered messages. This module knows the events
of a stream: which of them have no number, that a late `start` still matters, and when it ends.
"""

import zlib
from typing import Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from callstream.dialects.events import Media, Start, Stop
from callstream.frames.records import Disconnected, GatewayEvent, Record, RecordEvent, Transcript
from callstream.frames.stream_counts import StreamCounts
from callstream.reordering.buffer import ReorderBuffer, Snapshot
from callstream.reordering.window import Window

# A repeat of one of the last so many messages without a number is recognised; they are few.
_MOST_UNNUMBERED: Final = 16

_encoder: Final = msgspec.msgpack.Encoder()


class OrderedEvent(Struct, frozen=True):
    """An event of a stream, and when API Gateway received it, in milliseconds since 1970."""

    received_at: int
    event: RecordEvent


class StreamEnd(Struct):
    """The state of a stream's end. Times are in seconds of the consumer's clock."""

    stop: OrderedEvent | None = None
    stop_by: float | None = None
    """When the stop is handed on if the buffer does not wait for its number."""
    is_stopped: bool = False
    """Whether a stop has been handed on."""
    disconnected: OrderedEvent | None = None
    disconnected_by: float | None = None
    """When `disconnected` is handed on."""
    is_over: bool = False
    """Whether `disconnected` has been handed on."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing but a late `start` and `disconnected` is handed on any more."""
        return self.is_stopped or self.is_over

    @property
    def deadline(self) -> float | None:
        """When the stop or `disconnected` is to be handed on."""
        return _earlier(self.stop_by, self.disconnected_by)


class Unnumbered(Struct):
    """The latest messages without a number; a repeat of a message has its time of receipt.

    Lines of a transcript are apart: a line that comes again has the same track and number.
    """

    latest: list[tuple[int, int]] = field(default_factory=list)
    """Of each, when it was received, and a checksum of its content."""
    lines: list[tuple[str, int]] = field(default_factory=list)
    """Of each line, its track and number."""

    def knows(self, arrived: OrderedEvent) -> bool:
        """Whether this message has come before."""
        if isinstance(arrived.event, Transcript):
            return _place(arrived.event) in self.lines
        return _digest(arrived) in self.latest

    def keep(self, arrived: OrderedEvent) -> None:
        """Remember a message."""
        if isinstance(arrived.event, Transcript):
            self.lines = [*self.lines, _place(arrived.event)][-_MOST_UNNUMBERED:]
        else:
            self.latest = [*self.latest, _digest(arrived)][-_MOST_UNNUMBERED:]


class StreamSnapshot(Struct):
    """A stream's whole state, for MessagePack.

    Times are in seconds of the consumer's clock, except times of receipt.
    """

    buffer: Snapshot[OrderedEvent]
    counts: StreamCounts
    start: OrderedEvent | None
    end: StreamEnd
    unnumbered: Unnumbered

    def without_waiting(self) -> "StreamSnapshot":
        """The same without the messages that wait for their turn, which may be large."""
        return replace(self, buffer=replace(self.buffer, waiting=[], probation=[]))


class OrderedStream:
    """The events of one stream, in order, each once.

    It has no clock: `now` is any clock's time in seconds that never goes back. A consumer calls
    `push` for every record of the stream, `expire` when the `deadline` has come, and is done when
    it has `ended`. A consumer that stops earlier calls `flush`.

    - An event without a number is handed on at once.
    - `start` waits its turn. A `start` that comes after its turn is handed on at once.
    - After `stop` come only a late `start`, `disconnected`, and the gateway's own events.
    - `disconnected` comes last: one window after it was received, since frames may come after it.
      Only a `start` that is even later comes after it, and the last lines of a transcript.
    - After the end, a message that has not come before is late.

    Args:
        window: how many messages may wait, and for how long.
        joins: whether the consumer joins a running stream. Then the stream begins where
            `callstream.reordering.joining` finds its start, otherwise at number 1, the number that
            carriers give to `start`.
    """

    # It has 19 methods: ten that consumers use, and one for each rule of the list above.

    def __init__(self, window: Window | None = None, *, joins: bool = False) -> None:
        self._window = window or Window()
        self._buffer = ReorderBuffer[OrderedEvent](self._window, first=None if joins else 1)
        # Without the counts of the buffer.
        self._counts = StreamCounts()
        self._start: OrderedEvent | None = None
        self._end = StreamEnd()
        self._unnumbered = Unnumbered()

    @classmethod
    def resume(cls, snapshot: StreamSnapshot, window: Window | None = None) -> "OrderedStream":
        """Go on where a predecessor stopped. The snapshot may be used again."""
        order = cls(window)
        order._buffer = ReorderBuffer.resume(order._window, snapshot.buffer)
        order._counts = snapshot.counts.copy()
        order._start = snapshot.start
        order._end = replace(snapshot.end)
        order._unnumbered = replace(snapshot.unnumbered)
        return order

    def snapshot(self) -> StreamSnapshot:
        """The state, for `resume`."""
        return StreamSnapshot(
            buffer=self._buffer.snapshot(),
            counts=self._counts.copy(),
            start=self._start,
            end=replace(self._end),
            unnumbered=replace(self._unnumbered),
        )

    @property
    def ended(self) -> bool:
        """Whether `disconnected` has been handed on, so that nothing more is expected."""
        return self._end.is_over

    @property
    def settling(self) -> bool:
        """Whether events wait only for messages on their way, at the beginning or the end.

        Otherwise events wait for a message that is missing.
        """
        return not self._buffer.history.has_begun or self._end.deadline is not None

    @property
    def counts(self) -> StreamCounts:
        """The counts so far, as a copy."""
        return self._counts.with_those_of(self._buffer.history.counts)

    @property
    def deadline(self) -> float | None:
        """When `expire` is to be called next; None if nothing waits."""
        return _earlier(self._buffer.deadline, self._end.deadline)

    def push(self, record: Record, now: float, *, is_answered: bool = False) -> list[OrderedEvent]:
        """Take a record, and return the events whose turn it is.

        A record that comes after the end was due is late, even if `expire` was not called then.
        With `is_answered` the stream's client gets an answer to each of its messages: those that
        come between its stop and the end are late, and are handed on at once if they are no frames.
        """
        arrived = OrderedEvent(record.received_at, record.event)
        self._counts.count_receipt(arrived.received_at)
        events = self.expire(now) if _passed(self._end.deadline, now) else []
        taken = self._take(arrived, now)
        if is_answered and taken is None and not isinstance(arrived.event, Media):
            taken = [arrived]
        events += taken or []
        # Mostly nothing waits.
        return events if self.deadline is None else events + self.expire(now)

    def expire(self, now: float) -> list[OrderedEvent]:
        """Return the events that have waited for the whole window."""
        events: list[OrderedEvent] = []
        if _passed(self._buffer.deadline, now):
            events += self._hand_on(self._buffer.expire(now))
        if _passed(self._end.deadline, now):
            events += self._finish()
        if self._end.is_stopped or _passed(self._end.disconnected_by, now):
            events += self._hand_on_disconnected()
        return events

    def flush(self) -> list[OrderedEvent]:
        """Return all events that still wait, `disconnected` too if it has come."""
        return self._finish() + self._hand_on_disconnected()

    def _take(self, arrived: OrderedEvent, now: float) -> list[OrderedEvent] | None:
        """The events whose turn it is; None if the event comes too late, after the stop."""
        event, end = arrived.event, self._end
        sequence: int | None = getattr(event, "sequence", None)
        if isinstance(event, Disconnected):
            if end.disconnected is None:
                end.disconnected, end.disconnected_by = arrived, now + self._window.seconds
            else:
                self._counts.repeats += 1
        elif arrived in (self._start, end.stop):
            self._counts.repeats += 1
        elif isinstance(event, Start) and self._start is None:
            return self._take_start(arrived, event.sequence, now)
        elif end.is_closed and not isinstance(event, Transcript if end.is_over else GatewayEvent):
            return None if self._drop(arrived, sequence) and not end.is_over else []
        elif isinstance(event, Stop) and end.stop is None:
            return self._take_stop(arrived, sequence, now)
        elif sequence is not None:
            return self._hand_on(self._buffer.push(sequence, arrived.received_at, arrived, now))
        elif self._unnumbered.knows(arrived) or isinstance(event, Stop):
            self._counts.repeats += 1
        else:
            self._unnumbered.keep(arrived)
            return self._given([arrived])
        return []

    def _take_start(
        self, start: OrderedEvent, sequence: int | None, now: float
    ) -> list[OrderedEvent]:
        self._start = start
        if (
            sequence is None
            or self._end.is_closed
            or not self._buffer.expects(sequence, start.received_at)
        ):
            return self._given([start])
        return self._hand_on(self._buffer.push(sequence, start.received_at, start, now))

    def _take_stop(
        self, stop: OrderedEvent, sequence: int | None, now: float
    ) -> list[OrderedEvent]:
        self._end.stop = stop
        if sequence is not None and self._buffer.expects(sequence, stop.received_at):
            return self._hand_on(self._buffer.push(sequence, stop.received_at, stop, now))
        # A `stop` ends the stream, even if its number makes no sense.
        self._end.stop_by = now + self._window.seconds
        return []

    def _drop(self, arrived: OrderedEvent, sequence: int | None) -> bool:
        """Count an event that comes after the stop; whether the event has not come before."""
        if sequence is None:
            is_known = self._unnumbered.knows(arrived)
        else:
            is_known = self._buffer.history.has_passed(sequence, arrived.received_at)
        if is_known:
            self._counts.repeats += 1
        else:
            self._counts.late += 1
        return not is_known

    def _finish(self) -> list[OrderedEvent]:
        events = self._hand_on(self._buffer.flush())
        if self._end.stop_by is not None and self._end.stop is not None:
            events += self._close(self._end.stop, [])
        return events

    def _hand_on_disconnected(self) -> list[OrderedEvent]:
        end = self._end
        if end.disconnected is None or end.is_over:
            return []
        end.is_over, end.disconnected_by = True, None
        return self._given([end.disconnected])

    def _hand_on(self, released: list[OrderedEvent]) -> list[OrderedEvent]:
        for place, each in enumerate(released):
            if isinstance(each.event, Stop):
                return self._given(released[:place]) + self._close(each, released[place + 1 :])
        return self._given(released)

    def _close(self, stop: OrderedEvent, beyond: list[OrderedEvent]) -> list[OrderedEvent]:
        """Hand on the stop, and drop messages with a higher number, except the start."""
        end = self._end
        beyond = beyond + self._buffer.discard()
        starts = [each for each in beyond if each == self._start]
        self._counts.strays += len(beyond) - len(starts)
        if end.stop_by is not None and stop is not end.stop:
            self._counts.late += 1  # the other stop, which was waiting for its time
        end.is_stopped, end.stop_by = True, None
        return self._given([*starts, stop])

    def _given(self, events: list[OrderedEvent]) -> list[OrderedEvent]:
        for each in events:
            self._counts.count_released(each.event)
        return events


def _place(line: Transcript) -> tuple[str, int]:
    return line.track, line.number


def _digest(arrived: OrderedEvent) -> tuple[int, int]:
    return arrived.received_at, zlib.crc32(_encoder.encode(arrived.event))


def _earlier(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _passed(time: float | None, now: float) -> bool:
    return time is not None and time <= now
