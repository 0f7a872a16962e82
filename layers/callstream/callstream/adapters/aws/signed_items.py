"""Items of a DynamoDB table by the signed client, for a function that must start soon.

The items and requests have texts and integers only. `dynamodb.DynamoTable` takes any value, and its
import takes longer than all of the authorizer's work.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from callstream.adapters.aws.signed_client import Patience, RequestFailed, SignedClient
from callstream.errors import ConditionFailed
from callstream.ports import Item

# A handshake waits meanwhile, and works without an answer too: one try.
_PATIENCE: Final = Patience(connect_seconds=0.3, answer_seconds=0.3, tries=1, pause_seconds=0)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except RequestFailed as failed:
        if failed.code == "ConditionalCheckFailedException":
            raise ConditionFailed from None
        raise failed.unavailable("dynamodb") from failed


class SignedItems:
    """The items of a table, as `calls.track_counts` needs them.

    Raises:
        Unavailable: the environment has no credentials, or names no region.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        with _refusals():
            self._client = SignedClient("dynamodb", _PATIENCE)

    def get(self, key: Item) -> Item | None:
        """Read one item, consistently. Raises `Unavailable`."""
        answer = self._call("GetItem", {"Key": _typed(key), "ConsistentRead": True})
        return _plain(answer["Item"]) if "Item" in answer else None

    def update(self, request: Item) -> Item:
        """Update one item, and return the whole new item.

        Raises:
            ConditionFailed: its condition does not hold.
            Unavailable: DynamoDB did not take the request, or did not say so.
        """
        typed = {name: _typed(request[name]) for name in ("Key", "ExpressionAttributeValues")}
        return _plain(self._call("UpdateItem", request | typed | _ALL_NEW)["Attributes"])

    def _call(self, operation: str, request: Item) -> dict[str, Any]:
        with _refusals():
            body = self._client.call(
                f"DynamoDB_20120810.{operation}", "1.0", {"TableName": self._table} | request
            )
        answer: dict[str, Any] = msgspec.json.decode(body)
        return answer


_ALL_NEW: Final = {"ReturnValues": "ALL_NEW"}


def _typed(values: Mapping[str, str | int]) -> dict[str, dict[str, str]]:
    return {
        name: {"S": value} if isinstance(value, str) else {"N": str(value)}
        for name, value in values.items()
    }


def _plain(item: Mapping[str, Mapping[str, str]]) -> Item:
    return {name: int(value["N"]) if "N" in value else value["S"] for name, value in item.items()}
