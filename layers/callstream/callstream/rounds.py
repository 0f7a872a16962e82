"""Rounds of a sweep over the live things of all tenants, in bounded time.

Tenants take turns, so that the thousands of one tenant do not hold back another's only thing. If
the time is up before the last thing, the next round begins where this one stopped. The Streams
table keeps that position, under the key `SWEEP#<noun>`, `SWEEP`.
"""

import logging
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, ValidationError, convert, to_builtins

from callstream.errors import CallstreamError, Unavailable
from callstream.ports import Item, Table

READ_AT_ONCE: Final = 20_000
"""How many things a round reads at most, so that they fit the memory of the function."""

# Positions of more tenants might not fit an item of 400 KB. The others begin anew.
_MOST_TENANTS: Final = 1_000

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The time that work may take. `left` gives the seconds that are left."""

    left: Callable[[], float]

    @property
    def is_up(self) -> bool:
        """Whether no time is left."""
        return self.left() <= 0

    def share(self, part: float) -> "Allowance":
        """A part, from 0 to 1, of the time that is left now."""
        rest = self.left() * (1 - part)
        return Allowance(lambda: self.left() - rest)


type Round = Callable[[Allowance], Mapping[Any, int]]
"""One round over the things of one kind: its time → how many things needed which step."""


def run_kinds(kinds: Mapping[str, Round], allowance: Allowance) -> dict[str, dict[str, int]]:
    """Run one round of each kind of work.

    Each kind has an equal share of the time; the time that a kind leaves goes to the later kinds.
    The first error is raised after the last round.

    Args:
        kinds: the rounds, by the name of the kind.
        allowance: the time for all rounds.

    Returns:
        The results of the rounds, by the name of the kind.
    """
    steps: dict[str, dict[str, int]] = {}
    failure: Exception | None = None
    for begun, (kind, run) in enumerate(kinds.items()):
        try:
            counts = run(allowance.share(1 / (len(kinds) - begun)))
        except Exception as error:
            _logger.exception("no round of %s", kind)
            failure = failure or error
        else:
            steps[kind] = {str(step): count for step, count in counts.items()}
    if failure is not None:
        raise failure
    return steps


class Position(Struct, frozen=True):
    """Where a round has stopped.

    Args:
        read_to: the ids of the last thing that was read; empty if the round read all things.
        tenant_id: the tenant whose turn was the last; empty if nothing was left over.
        done_to: the id of the last thing that was done, by tenant whose things were left over.
    """

    read_to: tuple[str, ...] = ()
    tenant_id: str = ""
    done_to: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Rounds[Key]:
    """The rounds over the live things of one kind.

    Args:
        noun: the word for one thing: `stream` or `relay`.
        table: keeps the position between rounds.
    """

    noun: str
    table: Table

    def position(self) -> Position:
        """Where the last round has stopped. Raises `Unavailable`."""
        try:
            return convert((self.table.get(self._key) or {}).get("position", {}), Position)
        except ValidationError:  # of another version
            return Position()

    def run[Step: StrEnum](
        self,
        things: Mapping[str, Mapping[str, Key]],
        take_step: Callable[[Key], Step | None],
        allowance: Allowance,
        *,
        start: Position,
        read_to: tuple[str, ...],
    ) -> dict[Step, int]:
        """Take the step that each thing needs. An error is logged, and the round goes on.

        A defect is raised after the round, so that one thing stops no other.

        Args:
            things: the keys of the things, by their ids, by tenant.
            take_step: reads a thing, takes and returns the step that the thing needs; None if
                the thing is over.
            allowance: the time for all steps.
            start: where the last round has stopped.
            read_to: where the reading of `things` has stopped, as `Position` has it.

        Returns:
            How many things needed which step.
        """
        steps = Counter[Step]()
        left = Counter({tenant_id: len(those) for tenant_id, those in things.items()})
        done_to, last_tenant = dict(start.done_to), start.tenant_id
        defect: Exception | None = None
        for tenant_id, thing_id in in_turn(things, start):
            if allowance.is_up:
                counts = (left.total(), sum(map(len, things.values())), self.noun)
                _logger.warning("no time for %d of %d %ss", *counts)
                break
            about = {f"{self.noun}_id": thing_id}
            try:
                if (step := take_step(things[tenant_id][thing_id])) is not None:
                    steps[step] += 1
            except CallstreamError as error:
                _logger.warning("%s not swept: %s", self.noun, error, extra=about)
            except Exception as error:
                _logger.exception("%s not swept", self.noun, extra=about)
                defect = defect or error
            left[tenant_id] -= 1
            done_to[tenant_id], last_tenant = thing_id, tenant_id
        left_over = sorted(tenant_id for tenant_id in +left if tenant_id in done_to)
        kept = {tenant_id: done_to[tenant_id] for tenant_id in left_over[:_MOST_TENANTS]}
        end = Position(read_to, last_tenant if +left else "", kept)
        if end != start:
            self._keep(end)
        if defect is not None:
            raise defect
        return dict(steps)

    @property
    def _key(self) -> Item:
        return {"pk": f"SWEEP#{self.noun}", "sk": "SWEEP"}

    def _keep(self, position: Position) -> None:
        try:
            self.table.update(
                {
                    "Key": self._key,
                    "UpdateExpression": "SET #position = :position",
                    "ExpressionAttributeNames": {"#position": "position"},
                    "ExpressionAttributeValues": {":position": to_builtins(position)},
                }
            )
        except Unavailable as error:
            _logger.warning("position of the sweep not kept: %s", error)


def in_turn[Key](
    things: Mapping[str, Mapping[str, Key]], start: Position
) -> Iterator[tuple[str, str]]:
    """Tenants and ids of things: one thing of each tenant, then the next of each, to the last."""
    waiting = {
        tenant_id: deque(_beginning_after(start.done_to.get(tenant_id, ""), sorted(those)))
        for tenant_id in _beginning_after(start.tenant_id, sorted(things))
        if (those := things[tenant_id])
    }
    while waiting:
        for tenant_id, ids in list(waiting.items()):
            yield tenant_id, ids.popleft()
            if not ids:
                del waiting[tenant_id]


def _beginning_after(last: str, ids: Sequence[str]) -> list[str]:
    begin = bisect_right(ids, last)
    return [*ids[begin:], *ids[:begin]]
