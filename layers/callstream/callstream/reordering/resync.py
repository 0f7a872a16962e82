"""Messages on probation: their numbers do not belong to the numbering that the stream is in.

RFC 3550, appendix A.1: a number far from the highest one may be absurd, or the other side may have
begun to number anew. Two consecutive numbers show that the numbering has restarted, and the
receiver re-syncs.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final, Generic, TypeVar

from callstream.reordering.held import Held

MAX_MISORDER: Final = 100
"""A number that is at most so much lower belongs to a late or repeated message; a number that is at
most so much higher follows. The value is RFC 3550's."""

T = TypeVar("T")


class Probation(Generic[T]):
    """The messages on probation, one of each number, in order of arrival."""

    def __init__(self, messages: Iterable[Held[T]] = ()) -> None:
        self._held: dict[int, Held[T]] = {}
        # How many numbers are here whose successor is here too.
        self._in_sequence = 0
        for held in messages:
            self.put(held)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held[T]]:
        return iter(self._held.values())

    @property
    def is_sequential(self) -> bool:
        """Whether two numbers are in sequence, as absurd ones are not."""
        return self._in_sequence > 0

    @property
    def since(self) -> float:
        """When the message came that was put here first; infinite if there is none."""
        return next((held.arrived_at for held in self), math.inf)

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._held

    def leads_to(self, sequence: int) -> bool:
        """Whether this number goes on from numbers in sequence that are here.

        A numbering that begins anew comes to numbers near those of the former one before it is
        credible. Their messages belong to the new numbering.
        """
        return self.is_sequential and any(
            number < sequence <= number + MAX_MISORDER for number in self._held
        )

    def put(self, held: Held[T]) -> None:
        """Keep a message; its number must be free."""
        self._in_sequence += self._neighbours(held.sequence)
        self._held[held.sequence] = held

    def pop_first(self) -> Held[T]:
        """Give back the message that was put here first; there must be one."""
        return self._pop(next(iter(self._held)))

    def pop_older(self, received_at: float) -> list[Held[T]]:
        """Give back the messages that were received before then."""
        return [self._pop(held.sequence) for held in [*self] if held.received_at < received_at]

    def pop_if(self, is_wanted: Callable[[int, float], bool]) -> list[Held[T]]:
        """Give back messages, the lowest number first, by their numbers and times of receipt."""
        return [
            self._pop(number)
            for number in sorted(self._held)
            if is_wanted(number, self._held[number].received_at)
        ]

    def run(self, max_dropout: int) -> list[Held[T]]:
        """The messages of one numbering, the lowest number first.

        It is the most numerous, then the newest, of those whose numbers are less than
        `max_dropout` apart from the next ones. There must be a message.
        """
        runs: list[list[Held[T]]] = [[]]
        numbers = sorted(self._held)
        for number, following in pairwise([*numbers, numbers[-1] + max_dropout]):
            runs[-1].append(self._held[number])
            if following - number >= max_dropout:
                runs.append([])
        return max(runs[:-1], key=lambda run: (len(run), max(held.arrived_at for held in run)))

    def pop(self, messages: Iterable[Held[T]]) -> None:
        """Forget these messages, which are here."""
        for held in messages:
            self._pop(held.sequence)

    def _pop(self, sequence: int) -> Held[T]:
        held = self._held.pop(sequence)
        self._in_sequence -= self._neighbours(sequence)
        return held

    def _neighbours(self, sequence: int) -> int:
        return (sequence - 1 in self._held) + (sequence + 1 in self._held)
