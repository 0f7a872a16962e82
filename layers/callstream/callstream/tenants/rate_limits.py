"""Rate limits per tenant and surface: fixed windows, counted in the Streams table.

A window is one item, `RATE#<surface>#<tenant>` / `<window's length>#<window's start>`. One
conditional write checks the limit and counts the request. TTL removes the item.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from callstream.errors import ConditionFailed, RateLimited
from callstream.ports import Item, Table
from callstream.tenants.directory import Limits

_SECOND: Final = 1
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a tenant's tightest limit; `reset` is the seconds until the next window."""

    limit: int
    remaining: int
    reset: int


@dataclass(frozen=True, slots=True)
class RateWindow:
    """One limit at one time, and the conditional update that counts a request against it."""

    limit: int
    reset: int
    request: Item


def windows(surface: str, tenant_id: str, limits: Limits, now: datetime) -> Iterator[RateWindow]:
    """The current windows of all limits that are set, the shortest first."""
    second = int(now.timestamp())
    for length, limit in ((_SECOND, limits.per_second), (_DAY, limits.per_day)):
        if limit is None:
            continue
        start = second // length * length
        request: Item = {
            "Key": {"pk": f"RATE#{surface}#{tenant_id}", "sk": f"{length}#{start}"},
            "UpdateExpression": "SET expires_at = :expires_at ADD requests :one",
            "ConditionExpression": "attribute_not_exists(requests) OR requests < :limit",
            "ExpressionAttributeValues": {
                ":expires_at": start + 2 * length,
                ":one": 1,
                ":limit": limit,
            },
        }
        yield RateWindow(limit, start + length - second, request)


class RateLimiter:
    """Counts a tenant's requests."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def admit(
        self, surface: str, tenant_id: str, limits: Limits, now: datetime
    ) -> Allowance | None:
        """Count one request.

        Returns:
            The allowance that is left; None if the tenant has no limits.

        Raises:
            RateLimited: a window is full.
            Unavailable: the table did not answer.
        """
        allowances = []
        for window in windows(surface, tenant_id, limits, now):
            try:
                used = int(self._table.update(window.request)["requests"])
            except ConditionFailed:
                raise RateLimited(window.limit, window.reset) from None
            allowances.append(Allowance(window.limit, window.limit - used, window.reset))
        return min(allowances, key=lambda allowance: allowance.remaining, default=None)
