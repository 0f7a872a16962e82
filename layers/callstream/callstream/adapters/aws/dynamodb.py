"""DynamoDB tables."""

import random
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.conditions import ConditionBase, Key
from boto3.dynamodb.types import Binary
from botocore.exceptions import ClientError

from callstream.adapters.aws._clients import CONFIG, unavailable
from callstream.errors import ConditionFailed, Unavailable
from callstream.ports import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

# Reasons for which DynamoDB cancels a transaction that may succeed later.
_PASSING = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_CONFLICT_TRIES = 8
_CONFLICT_WAIT = 0.02


class DynamoTable:
    """A DynamoDB table, in plain Python values: int, float and bytes for boto3's own classes."""

    def __init__(self, name: str) -> None:
        self._table: Table = boto3.resource("dynamodb", config=CONFIG).Table(name)

    def get(self, key: Item) -> Item | None:
        """Read one item, consistently. Raises `Unavailable`."""
        with unavailable("dynamodb"):
            item = self._table.get_item(Key=key, ConsistentRead=True).get("Item")
        return None if item is None else _plain(item)

    def get_some(self, keys: Sequence[Item]) -> list[Item]:
        """Read up to 100 items, not consistently. Raises `Unavailable`."""
        items: list[Item] = []
        waiting: Any = keys
        for attempt in range(_CONFLICT_TRIES):
            with unavailable("dynamodb"):
                answer = self._table.meta.client.batch_get_item(
                    RequestItems={self._table.name: {"Keys": waiting}}
                )
            items += map(_plain, answer["Responses"].get(self._table.name, ()))
            # DynamoDB leaves keys out if the items are more than 16 MB, or too many at present.
            left_out = answer["UnprocessedKeys"]
            if not left_out:
                return items
            waiting = left_out[self._table.name]["Keys"]
            _wait_for_others(attempt)
        raise Unavailable("dynamodb", "UnprocessedKeys")

    def query(self, partition: str, prefix: str) -> list[Item]:
        """Read the items of a partition whose sort keys have a prefix. Raises `Unavailable`."""
        return self._query(Key("pk").eq(partition) & Key("sk").begins_with(prefix))

    def between(self, partition: str, first: str, last: str) -> list[Item]:
        """Read the items of a partition with sort keys in a range. Raises `Unavailable`."""
        return self._query(Key("pk").eq(partition) & Key("sk").between(first, last))

    def newest(self, partition: str, prefix: str) -> Item | None:
        """Read the last item of a partition whose sort key has a prefix. Raises `Unavailable`."""
        with unavailable("dynamodb"):
            items = self._table.query(
                KeyConditionExpression=Key("pk").eq(partition) & Key("sk").begins_with(prefix),
                ConsistentRead=True,
                ScanIndexForward=False,
                Limit=1,
            )["Items"]
        return _plain(items[0]) if items else None

    def _query(self, condition: ConditionBase) -> list[Item]:
        pages = self._table.meta.client.get_paginator("query").paginate(
            TableName=self._table.name,
            KeyConditionExpression=condition,  # type: ignore[arg-type]  # a resource's client
            ConsistentRead=True,
        )
        with unavailable("dynamodb"):
            return [_plain(item) for page in pages for item in page["Items"]]

    def scan(self) -> Iterator[Item]:
        """Read every item. Raises `Unavailable`."""
        pages = self._table.meta.client.get_paginator("scan").paginate(
            TableName=self._table.name, ConsistentRead=True
        )
        with unavailable("dynamodb"):
            for page in pages:
                yield from map(_plain, page["Items"])

    def index(
        self, name: str, key: str, value: str, *, after: Item | None = None
    ) -> Iterator[Item]:
        """Read what an index has under a key, behind a key if given. Raises `Unavailable`."""
        start: Any = {} if after is None else {"ExclusiveStartKey": after | {key: value}}
        pages = self._table.meta.client.get_paginator("query").paginate(
            TableName=self._table.name,
            IndexName=name,
            KeyConditionExpression=Key(key).eq(value),  # type: ignore[arg-type]  # as above
            **start,
        )
        with unavailable("dynamodb"):
            for page in pages:
                yield from map(_plain, page["Items"])

    def put(self, item: Item) -> None:
        """Create or replace one item. Raises `Unavailable`."""
        with unavailable("dynamodb"):
            self._table.put_item(Item=item)

    def delete(self, key: Item) -> None:
        """Remove one item, if the table has it. Raises `Unavailable`."""
        with unavailable("dynamodb"):
            self._table.delete_item(Key=key)

    def update(self, request: Item) -> Item:
        """Update one item, and return the whole new item.

        Raises:
            ConditionFailed: its condition does not hold.
            Unavailable: DynamoDB did not answer.
        """
        for attempt in range(_CONFLICT_TRIES):
            try:
                with unavailable("dynamodb"):
                    answer = self._table.update_item(**request, ReturnValues="ALL_NEW")
                return _plain(answer["Attributes"])
            except ClientError as error:
                if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                    raise ConditionFailed from None
                raise
            except Unavailable as error:
                if error.code != "TransactionConflictException":
                    raise
            _wait_for_others(attempt)
        raise Unavailable("dynamodb", "TransactionConflictException")

    def transact(self, operations: Sequence[Item]) -> None:
        """Write several items, all or none.

        Raises:
            ConditionFailed: for the first operation whose condition does not hold.
            Unavailable: DynamoDB did not answer.
        """
        items: list[Item] = [
            {kind: {"TableName": self._table.name} | request for kind, request in operation.items()}
            for operation in operations
        ]
        for attempt in range(_CONFLICT_TRIES):
            reasons = self._cancellation(items)
            if reasons is None:
                return
            for index, reason in enumerate(reasons):
                if reason == "ConditionalCheckFailed":
                    raise ConditionFailed(index)
            if "TransactionConflict" not in reasons:
                raise Unavailable("dynamodb", "TransactionCanceledException")
            _wait_for_others(attempt)
        raise Unavailable("dynamodb", "TransactionConflict")

    def _cancellation(self, items: Sequence[Item]) -> list[str] | None:
        """Run a transaction; the reasons if it was cancelled, one for each operation, else None."""
        try:
            with unavailable("dynamodb"):
                self._table.meta.client.transact_write_items(
                    TransactItems=items  # type: ignore[arg-type]  # a resource's client
                )
        except ClientError as error:
            reasons = [reason["Code"] for reason in error.response.get("CancellationReasons", ())]
            if not _PASSING.isdisjoint(reasons) or "ConditionalCheckFailed" in reasons:
                return reasons
            raise
        return None


def _wait_for_others(attempt: int) -> None:
    """Wait while another transaction has one of the items; transactions take milliseconds."""
    time.sleep(random.uniform(0, _CONFLICT_WAIT * 2**attempt))  # noqa: S311


def _plain(item: Item) -> Item:
    return {name: _plain_value(value) for name, value in item.items()}


def _plain_value(value: Any) -> Any:  # noqa: ANN401 - any value that an attribute can have
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Binary():
            return value.value  # type: ignore[attr-defined]  # not in the stubs
        case dict():
            return _plain(value)
        case list() | set():
            return type(value)(map(_plain_value, value))
        case _:
            return value
