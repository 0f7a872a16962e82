"""The result of a benchmark, and the timing of two sides against each other.

The machine may be noisy: only CPU time is measured, both sides take turns within one run, the
smallest round of each counts, and the budget applies to the ratio.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

ROUNDS: Final = 25


class BenchError(Exception):
    """A benchmark failed; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Measure:
    """One line of the result.

    Attributes:
        section: the benchmark that the line belongs to.
        name: the name of the measured value.
        value: the measured value, in `unit`.
        against: the name of the value for comparison; empty if there is none.
        floor: the value for comparison, in the same unit.
        budget: the maximum of `judged`; None if there is none.
        digits: decimal places of the output.
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
        """The value divided by the floor."""
        return self.value / self.floor if self.floor else None

    @property
    def judged(self) -> float:
        """The number that the budget limits: the ratio if there is a floor, otherwise the value."""
        return self.value if self.ratio is None else self.ratio

    @property
    def verdict(self) -> str:
        """`ok` or `OVER`; empty without a budget."""
        if self.budget is None:
            return ""
        return "ok" if self.judged <= self.budget else "OVER"

    def as_dict(self) -> dict[str, Any]:
        """The line as JSON data."""
        verdict = {"ratio": self.ratio, "verdict": self.verdict or None}
        return dataclasses.asdict(self) | verdict


class Seconds(NamedTuple):
    """CPU seconds of one call of each side."""

    ours: float
    floor: float


def race(
    ours: Callable[[], object],
    floor: Callable[[], object],
    *,
    loops: int,
    rounds: int = ROUNDS,
) -> Seconds:
    """Time both sides in turns; the best round of each side counts."""
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
