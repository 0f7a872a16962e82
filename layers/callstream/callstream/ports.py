"""Protocols of what the core needs from the outside. `callstream.adapters` implements them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from callstream.identity import RelayIdentity

type Item = dict[str, Any]
"""A DynamoDB item, a key, or the arguments of a DynamoDB request, in plain Python values."""


class RecordSink(Protocol):
    """A place for records: the frames stream or its overflow queue."""

    def put(self, partition_key: str, data: bytes) -> None:
        """Put one record.

        Raises:
            Throttled: the place has more than it takes. Whether to try again is for the caller.
            Unavailable: the place did not take the record after bounded retries.
        """


class Table(Protocol):
    """A DynamoDB table. Requests leave out `TableName`.

    Every method raises `Unavailable` after bounded retries.
    """

    def get(self, key: Item) -> Item | None:
        """Read one item, consistently."""

    def get_some(self, keys: Sequence[Item]) -> list[Item]:
        """Those of up to 100 items that the table has, in no order; not consistently."""

    def query(self, partition: str, prefix: str) -> list[Item]:
        """The items of a partition whose sort keys have a prefix, consistently, by sort key."""

    def between(self, partition: str, first: str, last: str) -> list[Item]:
        """The items of a partition with sort keys from `first` to `last`, as `query` reads them."""

    def newest(self, partition: str, prefix: str) -> Item | None:
        """The last of the items that `query` gives; reads that item alone."""

    def scan(self) -> Iterator[Item]:
        """Read every item, in no order."""

    def index(
        self, name: str, key: str, value: str, *, after: Item | None = None
    ) -> Iterator[Item]:
        """The projected attributes of the items under a key of an index; not consistently.

        With `after`, those behind an item, which may be gone, of which this is the key. Pages are
        read as they are needed.
        """

    def put(self, item: Item) -> None:
        """Create or replace one item."""

    def delete(self, key: Item) -> None:
        """Remove one item, if the table has it."""

    def update(self, request: Item) -> Item:
        """Send UpdateItem; returns the whole new item. Raises `ConditionFailed`."""

    def transact(self, operations: Sequence[Item]) -> None:
        """Send TransactWriteItems: all operations or none. Raises `ConditionFailed`."""


class Connections(Protocol):
    """The WebSocket connections of an API. Every method raises `Unavailable`."""

    def post(self, connection_id: str, data: bytes) -> bool:
        """Send a text message; False if the connection is gone.

        Raises:
            Undeliverable: the connection never takes this message.
        """

    def active_at(self, connection_id: str) -> datetime | None:
        """When the last message was received or sent; None if the connection is gone."""

    def close(self, connection_id: str) -> None:
        """Close the connection, if it is open."""


class RelayStarter(Protocol):
    """Starts runs of relays without waiting for them. Every method raises `Unavailable`."""

    def start(self, relay: RelayIdentity) -> None:
        """Start a relay's first run."""

    def succeed(self, relay: RelayIdentity, run_id: str) -> None:
        """Start the successor of a run. It waits until the run hands over."""

    def rescue(self, relay: RelayIdentity, run_id: str) -> None:
        """Start a run that takes over from this run, unless another run has taken over."""
