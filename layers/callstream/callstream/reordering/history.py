"""What a reorder buffer remembers of the numbers behind it, in bounded space whatever comes."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

REMEMBERED_ITEMS: Final = 1024
REMEMBERED_GAPS: Final = 1024


class Recent[T]:
    """The latest items by number: each has the place of its number modulo the size."""

    def __init__(self) -> None:
        self._items: dict[int, tuple[int, T]] = {}

    def __contains__(self, sequence: int) -> bool:
        found = self._items.get(sequence % REMEMBERED_ITEMS)
        return found is not None and found[0] == sequence

    def knows(self, sequence: int, item: T) -> bool:
        """Whether an equal item with this number was kept."""
        return self._items.get(sequence % REMEMBERED_ITEMS) == (sequence, item)

    def keep(self, sequence: int, item: T) -> None:
        """Remember an item, and forget the one whose place it takes."""
        self._items[sequence % REMEMBERED_ITEMS] = (sequence, item)

    def add(self, newer: "Recent[T]") -> None:
        """Remember what another one does, too."""
        for sequence, item in newer.items():
            self.keep(sequence, item)

    def items(self) -> Iterable[tuple[int, T]]:
        """What is remembered, with its numbers."""
        return self._items.values()


class Gaps:
    """Sequence numbers that were passed over, as ascending ranges: a huge gap takes no space."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._ranges = [range(start, stop) for start, stop in ranges]

    def last(self, most: int) -> list[tuple[int, int]]:
        """The highest of the ranges, each as its start and its end, which is not part of it."""
        return [(gap.start, gap.stop) for gap in self._ranges[-most:]]

    def add(self, start: int, stop: int) -> None:
        """Remember a range above all others, from `start` on and without `stop`."""
        self._replace(len(self._ranges), len(self._ranges), range(start, stop))

    def remove(self, number: int) -> bool:
        """Forget a number; whether it was there."""
        index = self._index(number)
        if index is None:
            return False
        gap = self._ranges[index]
        self._replace(index, index + 1, range(gap.start, number), range(number + 1, gap.stop))
        return True

    def __contains__(self, number: int) -> bool:
        return self._index(number) is not None

    def _index(self, number: int) -> int | None:
        index = bisect_right(self._ranges, number, key=lambda gap: gap.start) - 1
        return index if index >= 0 and number in self._ranges[index] else None

    def _replace(self, start: int, stop: int, *ranges: range) -> None:
        self._ranges[start:stop] = [part for part in ranges if part]
        del self._ranges[:-REMEMBERED_GAPS]
