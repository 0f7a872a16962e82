"""The reorder buffer: puts a stream's messages back into the carrier's order.

Neither carriers, API Gateway nor Kinesis promise order, and Kinesis may repeat records. Every
consumer therefore reads through one of these, keyed by the carrier's sequence number. A message
that is out of turn waits until the ones before it have come, but no longer than the window allows.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

# How many gaps are remembered, to tell late messages from repeated ones. Older ones are forgotten.
_REMEMBERED_GAPS: Final = 1024


@dataclass(frozen=True, slots=True)
class Window:
    """How much may wait, and for how long.

    A message that is overtaken by at most `messages` others within `seconds` is still put in order.
    With `messages=0` nothing ever waits.
    """

    messages: int = 100
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.messages < 0 or self.seconds < 0:
            raise ValueError("a window cannot be negative")


@dataclass(slots=True)
class ReorderCounts:
    """What a buffer has seen. `skipped - late` messages were never seen at all."""

    released: int = 0
    repeats: int = 0
    """Messages whose sequence number had been seen before; dropped."""
    gaps: int = 0
    """Runs of sequence numbers that were passed over."""
    skipped: int = 0
    """Sequence numbers that were passed over."""
    late: int = 0
    """Messages that came after their number had been passed over; dropped."""


class ReorderBuffer[T]:
    """Restores the order of one stream.

    It has no clock: `now` is any clock's time in seconds, as long as it is always the same clock's.
    A consumer calls `push` for every message, `expire` when the `deadline` has come, and `flush` at
    the end.

    Args:
        window: how much may wait, and for how long.
        first: the sequence number that the stream begins with. None if the consumer joins in the
            middle: then the lowest number within the first window is taken to be the beginning.
    """

    def __init__(self, window: Window, *, first: int | None = None) -> None:
        self.counts = ReorderCounts()
        self._window = window
        self._next = first
        # In order of arrival, which is what makes the oldest the first.
        self._waiting: dict[int, tuple[float, T]] = {}
        self._gaps = _Gaps()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def deadline(self) -> float | None:
        """When the message that has waited longest must be released; None if none waits."""
        for arrived_at, _ in self._waiting.values():
            return arrived_at + self._window.seconds
        return None

    def push(self, sequence: int, item: T, now: float) -> list[T]:
        """Take a message, and return those whose turn it is now."""
        if self._next is not None and sequence < self._next:
            if self._gaps.remove(sequence):
                self.counts.late += 1
            else:
                self.counts.repeats += 1
        elif sequence in self._waiting:
            self.counts.repeats += 1
        else:
            self._waiting[sequence] = (now, item)
        released = self._in_turn()
        if len(self._waiting) > self._window.messages:
            self._skip_to(min(self._waiting))
            released += self._in_turn()
        return released + self.expire(now)

    def expire(self, now: float) -> list[T]:
        """Return what has waited for the whole window, and whatever comes before and next to it."""
        released: list[T] = []
        while self._waiting:
            sequence, (arrived_at, _) = next(iter(self._waiting.items()))
            if now < arrived_at + self._window.seconds:
                break
            released += self._through(sequence)
        return released

    def flush(self) -> list[T]:
        """Return everything that still waits; nothing before it is expected any more."""
        return self._through(max(self._waiting)) if self._waiting else []

    def _through(self, last: int) -> list[T]:
        released: list[T] = []
        for sequence in sorted(waiting for waiting in self._waiting if waiting <= last):
            self._skip_to(sequence)
            released += self._in_turn()
        return released

    def _skip_to(self, sequence: int) -> None:
        # After a run has been released, the sorted numbers of `_through` may lie behind us.
        if self._next is None:
            self._next = sequence
        elif sequence > self._next:
            self.counts.gaps += 1
            self.counts.skipped += sequence - self._next
            self._gaps.add(self._next, sequence)
            self._next = sequence

    def _in_turn(self) -> list[T]:
        released: list[T] = []
        while self._next is not None and self._next in self._waiting:
            released.append(self._waiting.pop(self._next)[1])
            self._next += 1
        self.counts.released += len(released)
        return released


class _Gaps:
    """Sequence numbers that were passed over, as ascending ranges: a huge gap takes no space."""

    def __init__(self) -> None:
        self._ranges: list[range] = []

    def add(self, start: int, stop: int) -> None:
        self._replace(len(self._ranges), len(self._ranges), range(start, stop))

    def remove(self, number: int) -> bool:
        """Whether the number was there."""
        index = bisect_right(self._ranges, number, key=lambda gap: gap.start) - 1
        if index < 0 or number not in self._ranges[index]:
            return False
        gap = self._ranges[index]
        self._replace(index, index + 1, range(gap.start, number), range(number + 1, gap.stop))
        return True

    def _replace(self, start: int, stop: int, *ranges: range) -> None:
        self._ranges[start:stop] = [part for part in ranges if part]
        del self._ranges[:-_REMEMBERED_GAPS]
