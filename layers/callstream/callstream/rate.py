"""Rate limits per tenant and surface: fixed windows, counted in the Streams table.

A window is one item, `RATE#<surface>#<tenant>` / `<window's length>#<window's start>`; one
conditional write both asks and counts. TTL removes it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from callstream.directory import Limits
from callstream.errors import ConditionFailed, RateLimited
from callstream.ports import Item, Table

_SECOND: Final = 1
_DAY: Final = 86_400


def build_requests(surface: str, tenant_id: str, limits: Limits, now: datetime) -> Iterator[Item]:
    """One conditional count for each limit that is set, the shortest window first."""
    for window, limit in ((_SECOND, limits.per_second), (_DAY, limits.per_day)):
        if limit is None:
            continue
        start = int(now.timestamp()) // window * window
        yield {
            "Key": {"pk": f"RATE#{surface}#{tenant_id}", "sk": f"{window}#{start}"},
            "UpdateExpression": "SET expires_at = :expires_at ADD requests :one",
            "ConditionExpression": "attribute_not_exists(requests) OR requests < :limit",
            "ExpressionAttributeValues": {
                ":expires_at": start + 2 * window,
                ":one": 1,
                ":limit": limit,
            },
        }


class RateLimiter:
    """Counts a tenant's requests."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def admit(self, surface: str, tenant_id: str, limits: Limits, now: datetime) -> None:
        """Count one request.

        Raises:
            RateLimited: a window is full.
            Unavailable: the table did not answer.
        """
        for request in build_requests(surface, tenant_id, limits, now):
            try:
                self._table.update(request)
            except ConditionFailed:
                raise RateLimited from None
