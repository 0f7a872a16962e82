"""What the core needs from the outside: small protocols that `callstream.adapters` fulfils."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from callstream.identity import RelayIdentity

type Item = dict[str, Any]
"""A DynamoDB item, or the arguments of a DynamoDB request, in plain Python values."""


class RecordSink(Protocol):
    """Somewhere to put records."""

    def put(self, partition_key: str, data: bytes) -> None:
        """Put one record. Raises `Unavailable` after bounded retries."""


class Table(Protocol):
    """A DynamoDB table. Requests leave out `TableName`.

    Every method raises `Unavailable` after bounded retries.
    """

    def get(self, key: Item) -> Item | None:
        """Read one item, consistently."""

    def query(self, partition: str, prefix: str) -> list[Item]:
        """All items of a partition whose sort key begins so, consistently, in their order."""

    def scan(self) -> Iterator[Item]:
        """Every item, in no order."""

    def index(self, name: str, key: str, value: str) -> Iterator[Item]:
        """The items that an index has under a key, with what is projected; not consistently."""

    def put(self, item: Item) -> None:
        """Write one item, whatever was there."""

    def delete(self, key: Item) -> None:
        """Remove one item; fine if it is not there."""

    def update(self, request: Item) -> Item:
        """UpdateItem; the whole item as it is afterwards. Raises `ConditionFailed`."""

    def transact(self, operations: Sequence[Item]) -> None:
        """TransactWriteItems: all or nothing. Raises `ConditionFailed`."""


class Connections(Protocol):
    """The WebSocket connections of an API. Every method raises `Unavailable`."""

    def post(self, connection_id: str, data: bytes) -> bool:
        """Send a text message; False if the connection is gone."""

    def active_at(self, connection_id: str) -> datetime | None:
        """When the last message came or went; None if the connection is gone."""

    def close(self, connection_id: str) -> None:
        """Close the connection; fine if it is gone."""


class RelayStarter(Protocol):
    """Starts runs of relays, and does not wait for them. Every method raises `Unavailable`."""

    def start(self, relay: RelayIdentity) -> None:
        """Start a relay's first run."""

    def succeed(self, relay: RelayIdentity, run_id: str) -> None:
        """Start the run that comes after this one, which waits for it to leave."""

    def rescue(self, relay: RelayIdentity, run_id: str) -> None:
        """Start a run that takes over from this one, unless another has done so."""
