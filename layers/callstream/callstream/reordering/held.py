"""Messages that wait for their turn."""

import math
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Held(Struct, Generic[T], array_like=True):
    """A message that is not released yet."""

    sequence: int
    received_at: float
    """When the carrier's message was received: a message that comes again has the same time."""
    arrived_at: float
    """When the consumer got the message, by the consumer's clock."""
    item: T


class Waiting(Generic[T]):
    """The messages that wait, one of each number; they leave with the lowest number first.

    Args:
        messages: the messages that wait already.
        heard_at: when the latest of the released messages arrived. The wait starts at this time.
            It is the arrival, not the release, so the waits for two losses do not add up.
    """

    def __init__(self, messages: Iterable[Held[T]] = (), heard_at: float = -math.inf) -> None:
        self.heard_at = heard_at
        self._held: dict[int, Held[T]] = {}
        # Messages leave in this order, so none of these numbers is ever stale.
        self._order: list[int] = []
        for held in messages:
            self.put(held)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held[T]]:
        return iter(self._held.values())

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._held

    @property
    def lowest(self) -> int | None:
        """The lowest number."""
        return self._order[0] if self._order else None

    @property
    def since(self) -> float:
        """When the wait of the lowest number started; infinite if no message waits."""
        if not self._order:
            return math.inf
        return max(self._held[self._order[0]].arrived_at, self.heard_at)

    def put(self, held: Held[T]) -> None:
        """Keep a message; its number must be free."""
        self._held[held.sequence] = held
        heappush(self._order, held.sequence)

    def pop(self) -> Held[T]:
        """Give back the message with the lowest number; there must be one."""
        return self._held.pop(heappop(self._order))
