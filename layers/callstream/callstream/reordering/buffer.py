"""The reorder buffer: puts a stream's messages back into the carrier's order.

Neither carriers, API Gateway nor Kinesis promise order, and Kinesis may repeat records. A message
that is out of turn waits until the ones before it have come, but no longer than the window allows.
A message whose number makes no sense where the stream stands goes on probation: if two such numbers
are in sequence, and the stream does not go on, then the carrier has begun to number anew.

Rules and names are those of RFC 3550, appendix A.1, with one exception: a message is old by its
time of receipt, not by the distance of its number. docs/decisions.md, decision 35, says why.
Consumers read through `callstream.frames.stream_order`, which knows a stream's events.
"""

import math
from typing import Final, Generic, TypeVar

from msgspec import Struct

from callstream.reordering.held import Held, Waiting
from callstream.reordering.history import History, Numbering
from callstream.reordering.joining import joined_at, whole_from
from callstream.reordering.resync import MAX_MISORDER, Probation
from callstream.reordering.window import Window

# More than a second of two tracks, so that a live stream re-syncs before a message is dropped. A
# consumer that catches up needs no more: so many in a row are credible at once.
_MOST_ON_PROBATION: Final = 128
_SNAPSHOT_GAPS: Final = 64

T = TypeVar("T")


class Snapshot(Struct, Generic[T]):
    """A buffer's state, for MessagePack if the items are: all of it but gaps before the last 64.

    `heard_at` and the messages' `arrived_at` are in seconds of the consumer's clock.
    """

    history: History
    heard_at: float
    waiting: list[Held[T]]
    probation: list[Held[T]]


class ReorderBuffer(Generic[T]):
    """Restores the order of one stream.

    It has no clock: `now` is any clock's time in seconds, as long as it is always the same clock's
    and never goes back. A consumer calls `push` for every message, `expire` when the `deadline` has
    come, and `flush` at the end.

    A lost message delays others by at most one window, a late message by at most two. A new
    numbering delays its messages by `Window.patience`.

    A message that comes again has the time of receipt that it had before. So a message that was
    received no later than the newest of the numbering belongs to it, however late it comes. One
    that was received later, and whose number is neither ahead nor up to 100 behind, is on probation
    until a message of the numbering, received later still, shows that the stream goes on.

    A numbering that begins anew is not noticed if the former one has come no further than 100
    numbers beyond the new beginning: new messages with these numbers count as repeats.

    The buffer never holds more than `Window.messages` that wait and 128 on probation, the latter
    for at most the patience. It remembers 1024 gaps of this numbering and of the former.

    Args:
        window: how much may wait, and for how long.
        first: the sequence number that the stream begins with. None if the consumer joins in the
            middle: then `joining` finds where the buffer begins, one or two windows later.
    """

    # It has 17 methods: nine that consumers use, and one for each step of the rules above.

    def __init__(self, window: Window, *, first: int | None = None) -> None:
        self.history = History(Numbering(first, first))
        self._window = window
        self._waiting = Waiting[T]()
        self._probation = Probation[T]()

    @classmethod
    def resume(cls, window: Window, snapshot: Snapshot[T]) -> "ReorderBuffer[T]":
        """Go on where a predecessor stopped. The snapshot may be used again."""
        buffer = cls(window)
        buffer.history = snapshot.history.copy()
        buffer._waiting = Waiting(snapshot.waiting, snapshot.heard_at)
        buffer._probation = Probation(snapshot.probation)
        return buffer

    def snapshot(self) -> Snapshot[T]:
        """The state, for `resume`."""
        return Snapshot(
            history=self.history.copy(_SNAPSHOT_GAPS),
            heard_at=self._waiting.heard_at,
            waiting=[*self._waiting],
            probation=[*self._probation],
        )

    @property
    def deadline(self) -> float | None:
        """When `expire` has something to do next; None if nothing waits or is on probation."""
        if not self._waiting and not self._probation:
            return None
        return min(self._waiting.since + self._window.seconds, self._probation_ends_at())

    def expects(self, sequence: int, received_at: float) -> bool:
        """Whether such a message would be released, now or when its turn comes.

        False before the beginning of a stream that a consumer joins is known.
        """
        numbering = self.history.numbering
        return (
            numbering.next_seq is not None
            and numbering.next_seq <= sequence < numbering.next_seq + self._window.max_dropout
            and received_at > self.history.former.newest
            and sequence not in self._waiting
            and (received_at <= numbering.newest or not self._probation.leads_to(sequence))
        )

    def push(self, sequence: int, received_at: float, item: T, now: float) -> list[T]:
        """Take a message, and return those whose turn it is now.

        Args:
            sequence: its number.
            received_at: when it was received, by a clock that all of the stream have in common.
            item: the message.
            now: the consumer's time, in seconds.
        """
        history, numbering = self.history, self.history.numbering
        if (
            sequence == numbering.next_seq
            and received_at > history.former.newest
            and not self._waiting
            and not self._probation
        ):
            # Nearly every message is in turn. The rest of this class would do the same, slower.
            numbering.newest = max(numbering.newest, received_at)
            return [self._release(sequence, item, now)]
        held = Held(sequence, received_at, now, item)
        if self.expects(sequence, received_at):
            self._wait([held])
        elif sequence in self._probation:
            history.counts.repeats += 1
        elif self._may_begin_anew(sequence, received_at):
            self._probation.put(held)
        elif sequence in self._waiting:
            history.counts.repeats += 1
        else:
            history.drop(sequence, received_at)
        return self.expire(now)

    def expire(self, now: float) -> list[T]:
        """Return the messages that have waited for the whole window, and end an old probation.

        A consumer that takes several messages at once pushes all of them first: the missing
        messages may be among them.
        """
        released: list[T] = []
        window, waiting = self._window, self._waiting
        while True:
            while waiting and waiting.lowest == self.history.numbering.next_seq:
                held = waiting.pop()
                released.append(self._release(held.sequence, held.item, held.arrived_at))
            if waiting and (
                len(waiting) > window.messages or waiting.since + window.seconds <= now
            ):
                self._skip()
            elif self._probation and (
                len(self._probation) > self._most_on_probation or self._probation_ends_at() <= now
            ):
                self._end_probation(now)
            else:
                return released

    def flush(self) -> list[T]:
        """Return all messages that still wait, at the end of the stream.

        The messages on probation are released too if they are a new numbering, else counted.
        """
        return self.expire(math.inf)

    def discard(self) -> list[T]:
        """Drop all messages: count those on probation, and return those that wait, in order."""
        dropped = [self._waiting.pop().item for _ in range(len(self._waiting))]
        for held in self._probation.pop_older(math.inf):
            self.history.drop(held.sequence, held.received_at)
        return dropped

    def _may_begin_anew(self, sequence: int, received_at: float) -> bool:
        next_seq = self.history.numbering.next_seq
        if next_seq is None:
            return True
        if received_at <= self.history.numbering.newest:
            return False
        is_misordered = next_seq - MAX_MISORDER <= sequence < next_seq
        is_near = is_misordered or sequence in self._waiting
        return not is_near or self._probation.leads_to(sequence)

    def _wait(self, messages: list[Held[T]]) -> None:
        numbering = self.history.numbering
        for held in messages:
            self._waiting.put(held)
            numbering.newest = max(numbering.newest, held.received_at)
        # The numbering goes on, so older messages on probation did not begin another one.
        for held in self._probation.pop_older(numbering.newest):
            self.history.drop(held.sequence, held.received_at)

    def _release(self, sequence: int, item: T, arrived_at: float) -> T:
        self.history.numbering.next_seq = sequence + 1
        self.history.counts.released += 1
        self._waiting.heard_at = max(self._waiting.heard_at, arrived_at)
        return item

    def _skip(self) -> None:
        """Go on at the lowest number that waits."""
        lowest = self._waiting.lowest
        if lowest is not None and self.history.skip_to(lowest) and self._probation:
            # After a long loss the stream goes on near the end of `max_dropout`, and then beyond.
            self._wait(self._probation.pop_if(self.expects))

    @property
    def _most_on_probation(self) -> int:
        return _MOST_ON_PROBATION if self.history.has_begun else 2 * self._window.messages

    def _probation_ends_at(self) -> float:
        """When the numbering is given up, or the beginning is known."""
        window = self._window
        if self.history.has_begun or not self._probation:
            return self._probation.since + window.patience
        run = self._probation.run(window.max_dropout)
        return joined_at(run, self._probation.since, window.seconds, window.messages)

    def _end_probation(self, now: float) -> None:
        """Re-sync if two numbers are in sequence; else drop the message that came first."""
        if self.history.has_begun and not self._probation.is_sequential:
            held = self._probation.pop_first()
            self.history.drop(held.sequence, held.received_at)
        elif self._waiting:
            self._skip()  # the messages on probation may belong beyond those that wait
        else:
            self._begin(now)

    def _begin(self, now: float) -> None:
        window, begins_anew = self._window, self.history.has_begun
        run = self._probation.run(window.max_dropout)
        self._probation.pop(run)
        if math.isinf(now):
            # At the end of a stream, numbers that could still have come count as lost.
            now = max(held.arrived_at for held in run)
        place = 0 if begins_anew else whole_from(run, window.seconds, window.messages, now)
        self.history.begin(run[place].sequence)
        for held in run[:place]:
            self.history.drop(held.sequence, held.received_at)
        self._waiting.heard_at = -math.inf
        self._wait(run[place:])
