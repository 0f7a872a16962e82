"""What a benchmark finds, and how two things are timed against each other.

The machine may be noisy: only CPU time is measured, both sides take turns within one run, the
smallest round of each counts, and what is judged is their ratio.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

ROUNDS: Final = 25


class BenchError(Exception):
    """A benchmark could not be made; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Measure:
    """One line of the result.

    Attributes:
        section: the benchmark it belongs to.
        name: what was measured.
        value: how much, in `unit`.
        against: what it is compared with, if with anything.
        floor: how much that is, in the same unit.
        budget: what `judged` may be at most; None if the line only tells.
        digits: after the point, when shown.
    """

    section: str
    name: str
    value: float
    unit: str
    against: str = ""
    floor: float | None = None
    budget: float | None = None
    digits: int = 2

    @property
    def ratio(self) -> float | None:
        """Value by floor."""
        return self.value / self.floor if self.floor else None

    @property
    def judged(self) -> float:
        """What the budget is for: the ratio if there is a floor, otherwise the value."""
        return self.value if self.ratio is None else self.ratio

    @property
    def verdict(self) -> str:
        """`ok` or `OVER`; empty if nothing is judged."""
        if self.budget is None:
            return ""
        return "ok" if self.judged <= self.budget else "OVER"

    def as_dict(self) -> dict[str, Any]:
        """The line for machines."""
        verdict = {"ratio": self.ratio, "verdict": self.verdict or None}
        return dataclasses.asdict(self) | verdict


class Seconds(NamedTuple):
    """CPU time of one side and the other, for one call each."""

    ours: float
    floor: float


def race(
    ours: Callable[[], object],
    floor: Callable[[], object],
    *,
    loops: int,
    rounds: int = ROUNDS,
) -> Seconds:
    """Time two things in turns."""
    best_of_ours = best_of_floor = float("inf")
    for _ in range(rounds):
        best_of_ours = min(best_of_ours, _cpu_seconds(ours, loops))
        best_of_floor = min(best_of_floor, _cpu_seconds(floor, loops))
    return Seconds(best_of_ours, best_of_floor)


def _cpu_seconds(call: Callable[[], object], loops: int) -> float:
    began = time.process_time()
    for _ in range(loops):
        call()
    return (time.process_time() - began) / loops
