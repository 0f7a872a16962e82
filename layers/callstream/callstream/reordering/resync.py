"""What a reorder buffer keeps aside: messages whose numbers make no sense where the stream stands.

It is looked at with every message that comes, so what can be known of it is kept until it changes.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from itertools import pairwise
from operator import sub
from typing import Final

from msgspec import Struct

# More than a second of two tracks, so that a live restart is believed before one is lost. Who waits
# longer, or catches up, needs no more: so many in a row are credible at once.
MOST_ASTRAY: Final = 128
# So many numbers that make no sense by themselves make sense together.
SIGNS_OF_A_RESTART: Final = 3
# A message follows another if it comes within so many numbers after it.
_CLOSE: Final = 16


class Sign(IntEnum):
    """Why a message is astray, which is what it tells about a restart."""

    CONFLICT = 1
    """Its number belongs to another message: certainly no repeat."""
    AHEAD = 2
    """Beyond reach: certainly no repeat."""
    BEHIND = 3
    """Passed over, or too long ago to be remembered: perhaps late or a repeat."""
    FOLLOWS = 4
    """Its turn, but what it follows are conflicts."""


class Held[T](Struct, array_like=True):
    """A message that is not released yet."""

    sequence: int
    arrived_at: float
    item: T
    sign: Sign | None = None


class Astray[T]:
    """The messages that are astray, one of each number, in order of arrival."""

    def __init__(self, reach: int, messages: Iterable[Held[T]] = ()) -> None:
        self._reach = reach
        self._held: dict[int, Held[T]] = {}
        self._conflicts = 0
        self._emerging: list[Held[T]] | None = []
        for held in messages:
            self.put(held)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held[T]]:
        return iter(self._held.values())

    def knows(self, sequence: int, item: T) -> bool:
        """Whether an equal item with this number is among them."""
        return sequence in self._held and self._held[sequence].item == item

    @property
    def oldest(self) -> Held[T] | None:
        """The one that came first."""
        return next(iter(self), None)

    @property
    def conflicts(self) -> int:
        """How many of them have a number that belongs to another message."""
        return self._conflicts

    @property
    def emerging(self) -> list[Held[T]]:
        """Those that may be a new numbering; empty if they are too few."""
        if self._emerging is None:
            self._emerging = together(self, self._reach, SIGNS_OF_A_RESTART)
        return self._emerging

    def comes_before(self, sequence: int) -> bool:
        """Whether a message with this number would follow one of them."""
        return any(sequence - step in self._held for step in range(1, _CLOSE + 1))

    def put(self, held: Held[T]) -> None:
        """Keep a message; its number must be free."""
        self._held[held.sequence] = held
        self._conflicts += held.sign is Sign.CONFLICT
        self._emerging = None if len(self._held) >= SIGNS_OF_A_RESTART else []

    def pop(self, sequence: int) -> Held[T] | None:
        """Give back the message with this number, if there is one."""
        held = self._held.pop(sequence, None)
        if held is not None:
            self._conflicts -= held.sign is Sign.CONFLICT
            if self._emerging:  # with fewer, there is no group where there was none
                self._emerging = None
        return held


def together[T](messages: Iterable[Held[T]], reach: int, least: int = 1) -> list[Held[T]]:
    """The most numerous, then the newest, of those that are within reach of their neighbours.

    Groups of fewer than `least` are none.
    """
    by_number = {held.sequence: held for held in messages}
    numbers = sorted(by_number)
    ends = [place for place, gap in enumerate(map(sub, numbers[1:], numbers), 1) if gap >= reach]
    groups = [
        [by_number[number] for number in numbers[start:end]]
        for start, end in pairwise([0, *ends, len(numbers)])
        if end - start >= least
    ]
    if len(groups) <= 1:
        return groups[0] if groups else []
    return max(groups, key=lambda group: (len(group), max(held.arrived_at for held in group)))
