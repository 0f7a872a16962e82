"""The ids of deleted tenants, which no new tenant may have for a while.

Everything in the tables is found by the tenant's id: a new owner of the id would get the deleted
tenant's calls.
"""

from datetime import datetime, timedelta
from typing import Final

from callstream.ports import Item, Table
from callstream.times import from_milliseconds, milliseconds

AFTER_RETENTION: Final = timedelta(days=14)
"""How much longer than the state of its calls the id of a deleted tenant is kept.

Streams still run, DynamoDB removes expired items within some days, and callbacks that were given up
stay for 14 days."""


def deleted_key(tenant_id: str) -> Item:
    """The key of what is left of a deleted tenant."""
    return {"pk": f"TENANT#{tenant_id}", "sk": "DELETED"}


def build_kept(tenant_id: str, free_at: datetime) -> Item:
    """Keep an id from new tenants."""
    return {"Put": {"Item": deleted_key(tenant_id) | {"free_at": milliseconds(free_at)}}}


def build_freed(tenant_id: str, now: datetime) -> Item:
    """Give an id to a new tenant, on condition that the id is not kept any more."""
    return {
        "Delete": {
            "Key": deleted_key(tenant_id),
            "ConditionExpression": "attribute_not_exists(pk) OR free_at <= :now",
            "ExpressionAttributeValues": {":now": milliseconds(now)},
        }
    }


def free_at(table: Table, tenant_id: str) -> datetime | None:
    """From when a new tenant may have the id; None if no deleted tenant had it.

    Raises:
        Unavailable: the table did not answer.
    """
    item = table.get(deleted_key(tenant_id))
    return None if item is None else from_milliseconds(item["free_at"])
