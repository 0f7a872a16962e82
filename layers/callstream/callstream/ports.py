"""What the core needs from the outside: small protocols that `callstream.adapters` fulfils."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from callstream.tokens import KeyRing

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

    def put(self, item: Item) -> None:
        """Write one item, whatever was there."""

    def update(self, request: Item) -> Item:
        """UpdateItem; the whole item as it is afterwards. Raises `ConditionFailed`."""

    def transact(self, operations: Sequence[Item]) -> None:
        """TransactWriteItems: all or nothing. Raises `ConditionFailed`."""


class KeyRingSource(Protocol):
    """Where the signing keys are kept."""

    def current(self) -> "KeyRing":
        """The ring, at most `tokens.RING_CACHE` old. Raises `Unavailable`."""
