"""The callbacks that wait for another attempt, for the operator: SQS does not list them.

| pk          | sk                    | what                                              |
|-------------|-----------------------|---------------------------------------------------|
| `CALLBACKS` | `RETRY#<callback id>` | a callback whose delivery is tried again          |

In the Streams table. Nothing depends on these items, so a failure to write them is ignored. Times
are milliseconds since 1970.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct, convert

from callstream.callbacks.model import Event, RelayCallback
from callstream.ports import Item, Table
from callstream.tenants.directory import Surface
from callstream.times import milliseconds

_PARTITION: Final = "CALLBACKS"
_PREFIX: Final = "RETRY#"
# By then the callback is tried again, and noted anew or finished.
_KEPT: Final = timedelta(days=1)


class Retry(Struct, frozen=True):
    """A callback that waits: after how many attempts, why, and until when."""

    callback_id: str
    tenant_id: str
    surface: Surface
    event: Event
    relay_id: str
    call_id: str
    occurred_at: int
    attempts: int
    reason: str
    again_at: int


class PendingCallbacks:
    """The callbacks that wait for another attempt. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def note(
        self, callback: RelayCallback, attempts: int, reason: str, now: datetime, delay: timedelta
    ) -> None:
        """Note that a callback failed, and is tried again after a delay."""
        item: Item = _key(callback.callback_id) | {
            "callback_id": callback.callback_id,
            "tenant_id": callback.tenant_id,
            "surface": callback.surface,
            "event": callback.event,
            "relay_id": callback.relay.relay_id,
            "call_id": callback.relay.call_id,
            "occurred_at": callback.occurred_at,
            "attempts": attempts,
            "reason": reason,
            "again_at": milliseconds(now + delay),
            "expires_at": int((now + delay + _KEPT).timestamp()),
        }
        self._table.put(item)

    def forget(self, callback_id: str) -> None:
        """Note that a callback waits no more, if it did."""
        self._table.delete(_key(callback_id))

    def all(self) -> list[Retry]:
        """All callbacks that wait, in the order of their events."""
        items = self._table.query(_PARTITION, _PREFIX)
        retries = convert(items, list[Retry])
        return sorted(retries, key=lambda retry: (retry.occurred_at, retry.callback_id))


def _key(callback_id: str) -> Item:
    return {"pk": _PARTITION, "sk": _PREFIX + callback_id}
