"""Limits on what runs: how much a tenant has open at once, counted in the Streams table.

| pk               | sk      | what                                                 |
|------------------|---------|------------------------------------------------------|
| `USAGE#<tenant>` | STREAMS | how many of the tenant's streams are open: `running` |
|                  | RELAYS  | how many of its relays have a run, or wait for a run |

The transaction that makes a thing counts the thing, on condition that there is room; the
transaction that ends the thing gives its place back. `changes` counts these transactions, so that
the sweep (`callstream.relays.usage_sweep`) corrects no count that changes meanwhile.

This module is for `$connect` too, which does without Pydantic.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from annotated_types import Gt
from msgspec import ValidationError, convert

from callstream.errors import UnreadableItem
from callstream.ports import Item, Table
from callstream.table_requests import set_request
from callstream.tenants.keys import tenant_key
from callstream.times import milliseconds

USAGE: Final = "usage"
"""The key of the counts in the index of live items."""


@dataclass(frozen=True, slots=True)
class RunningLimits:
    """How much of a tenant may run or be kept at once; None means unlimited.

    Attributes:
        open_streams: streams of the tenant that are open.
        active_relays: relays of the tenant that have a run, or wait for a run.
        active_relays_of_call: the same, of one call.
        relays_of_call: relays that one call has ever had: all of them are kept.
        command_bytes: the size in bytes of what one command stores.
        callbacks_in_flight: callbacks of the tenant that are delivered at the same time, counted by
            `callstream.callbacks.shares`.
    """

    open_streams: Annotated[int, Gt(0)] | None = 200
    active_relays: Annotated[int, Gt(0)] | None = 200
    active_relays_of_call: Annotated[int, Gt(0)] | None = 25
    relays_of_call: Annotated[int, Gt(0)] | None = 500
    command_bytes: Annotated[int, Gt(0)] | None = 65_536
    callbacks_in_flight: Annotated[int, Gt(0)] | None = 10


class Kind(StrEnum):
    """What is counted; the sort key of the count."""

    STREAMS = "STREAMS"
    RELAYS = "RELAYS"


def running_limits(directory: Table, tenant_id: str) -> RunningLimits:
    """A tenant's limits on what runs, from the Directory table.

    Raises:
        UnreadableItem: the stored limits are not what this version writes.
        Unavailable: the table did not answer.
    """
    item = directory.get(tenant_key(tenant_id)) or {}
    try:
        return convert(item.get("running", {}), RunningLimits)
    except ValidationError as error:
        raise UnreadableItem("RunningLimits", str(error)) from None


def usage_key(tenant_id: str, kind: Kind) -> Item:
    """The key of a count."""
    return {"pk": f"USAGE#{tenant_id}", "sk": kind}


def build_taken(
    tenant_id: str, kind: Kind, count: int, most: int | None, *, now: datetime, expires_at: int
) -> Item:
    """The operation that counts new things, on condition that there is room for all of them.

    Args:
        tenant_id: whose the things are.
        kind: the kind of things.
        count: how many things are made. At most `most`.
        most: how many may run at once; None for any number.
        now: the present.
        expires_at: when the table may drop the count, in seconds since 1970; later than the things
            end.
    """
    return {
        "Update": set_request(
            usage_key(tenant_id, kind),
            {"changed_at": milliseconds(now), "expires_at": expires_at, "live": USAGE},
            "" if most is None else "attribute_not_exists(pk) OR #running <= :room",
            {} if most is None else {"room": most - count},
            add={"running": count, "changes": 1},
        )
    }


def build_given_back(tenant_id: str, kind: Kind, count: int, now: datetime) -> Item:
    """The operation that gives back the places of things that have ended."""
    return {
        "Update": set_request(
            usage_key(tenant_id, kind),
            {"changed_at": milliseconds(now)},
            "",
            add={"running": -count, "changes": 1},
        )
    }


def usage(table: Table, tenant_id: str) -> dict[Kind, int]:
    """How much of a tenant runs, by the counts. Raises `Unavailable`."""
    items = {kind: table.get(usage_key(tenant_id, kind)) for kind in Kind}
    return {kind: int((item or {}).get("running", 0)) for kind, item in items.items()}
