"""Each tenant's share of the delivery, so that a tenant whose servers are slow waits alone.

All tenants' callbacks are delivered by the same few workers. Therefore a tenant may have so many
callbacks in flight, and fewer while most of its servers' answers are slow; and so many may wait.

| pk                   | sk                    | what                                             |
|----------------------|-----------------------|--------------------------------------------------|
| `CALLBACKS#<tenant>` | `IN_FLIGHT#<minute>`  | deliveries that began in this minute and run     |
| `CALLBACKS#<tenant>` | `WAITING#<half day>`  | callbacks queued in this half day that wait      |

In the Streams table. A count belongs to one window of time and expires with it: a worker that dies
without giving back its count distorts no later window.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from callstream.errors import ConditionFailed
from callstream.ports import Item, Table

SLOW: Final = timedelta(seconds=2)
"""A delivery that takes as long is slow. A request is given up after 5 seconds."""
MOST_WAITING: Final = 10_000
"""How many callbacks of a tenant may wait that were queued in the same half day.

SQS delivers nothing more when 120,000 messages of a queue are invisible, as those that wait are:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-fifo.html
"""

_MINUTE: Final = 60
_HALF_DAY: Final = 12 * 3600
# A slow delivery outweighs ten quick ones: an occasional slow answer changes nothing.
_SLOW_WEIGHT: Final = 10
_MOST_SLOWNESS: Final = 100
# While a tenant's servers are slow, these find out whether they still are.
_IN_FLIGHT_IF_SLOW: Final = 2
_ANY_NUMBER: Final = 1_000_000


class Slot(NamedTuple):
    """A delivery in flight: the key of its count, and when the delivery began."""

    key: Item
    began: datetime


class Shares:
    """Counts what tenants use of the delivery. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def begin(self, tenant_id: str, most: int | None, now: datetime) -> Slot | None:
        """Count a delivery that begins; None if the tenant has too many in flight.

        `most` is how many the tenant may have while its servers are quick; None for any number.
        """
        most = _ANY_NUMBER if most is None else most
        key = _key(tenant_id, "IN_FLIGHT", _MINUTE, now)
        request = _add(key, {"in_flight": 1}, _MINUTE, now) | {
            "ConditionExpression": "attribute_not_exists(in_flight) OR in_flight < :few"
            " OR (in_flight < :most AND (attribute_not_exists(slowness) OR slowness < :slow))"
        }
        request["ExpressionAttributeValues"] |= {
            ":few": min(_IN_FLIGHT_IF_SLOW, most),
            ":most": most,
            ":slow": _MOST_SLOWNESS,
        }
        return Slot(key, now) if self._update(request) else None

    def end(self, slot: Slot, now: datetime) -> None:
        """Count a delivery that has ended, whatever came of it."""
        slowness = _SLOW_WEIGHT if now - slot.began >= SLOW else -1
        changes = {"in_flight": -1, "slowness": slowness}
        self._update(_add(slot.key, changes, _MINUTE, slot.began))

    def wait(self, tenant_id: str, queued_at: datetime) -> bool:
        """Count a callback that begins to wait; False if too many of the tenant do."""
        key = _key(tenant_id, "WAITING", _HALF_DAY, queued_at)
        request = _add(key, {"waiting": 1}, _HALF_DAY, queued_at) | {
            "ConditionExpression": "attribute_not_exists(waiting) OR waiting < :most"
        }
        request["ExpressionAttributeValues"] |= {":most": MOST_WAITING}
        return self._update(request)

    def finish(self, tenant_id: str, queued_at: datetime) -> None:
        """Count a callback that waits no more."""
        key = _key(tenant_id, "WAITING", _HALF_DAY, queued_at)
        self._update(_add(key, {"waiting": -1}, _HALF_DAY, queued_at))

    def _update(self, request: Item) -> bool:
        try:
            self._table.update(request)
        except ConditionFailed:
            return False
        return True


def _key(tenant_id: str, kind: str, length: int, at: datetime) -> Item:
    return {"pk": f"CALLBACKS#{tenant_id}", "sk": f"{kind}#{_window(length, at)}"}


def _window(length: int, at: datetime) -> int:
    """The beginning of a window, in seconds since 1970; `length` is in seconds too."""
    return int(at.timestamp()) // length * length


def _add(key: Item, changes: dict[str, int], length: int, at: datetime) -> Item:
    changed = ", ".join(f"{name} :{name}" for name in changes)
    return {
        "Key": key,
        "UpdateExpression": f"SET expires_at = :expires_at ADD {changed}",
        "ExpressionAttributeValues": {f":{name}": change for name, change in changes.items()}
        # By then its deliveries have ended, and its callbacks are given up.
        | {":expires_at": _window(length, at) + 4 * length},
    }
