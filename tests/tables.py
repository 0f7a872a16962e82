"""DynamoDB tables for tests."""

from collections.abc import Sequence
from threading import Lock

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.errors import Unavailable
from callstream.ports import Item


class AtomicTable(DynamoTable):
    """A table of which one request at a time has effect, as of DynamoDB's and not of its mock's."""

    _lock = Lock()

    def get(self, key: Item) -> Item | None:
        with self._lock:
            return super().get(key)

    def query(self, partition: str, prefix: str) -> list[Item]:
        with self._lock:
            return super().query(partition, prefix)

    def between(self, partition: str, first: str, last: str) -> list[Item]:
        with self._lock:
            return super().between(partition, first, last)

    def newest(self, partition: str, prefix: str) -> Item | None:
        with self._lock:
            return super().newest(partition, prefix)

    def update(self, request: Item) -> Item:
        with self._lock:
            return super().update(request)

    def transact(self, operations: Sequence[Item]) -> None:
        with self._lock:
            super().transact(operations)


class CountingTable(DynamoTable):
    """A table that counts the items of ranges that are read, and may fail.

    `fails_after` is how many more ranges can be read; then one fails.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.items_read = 0
        self.fails_after: int | None = None

    def between(self, partition: str, first: str, last: str) -> list[Item]:
        if self.fails_after == 0:
            self.fails_after = None
            raise Unavailable("dynamodb", "Down")
        if self.fails_after is not None:
            self.fails_after -= 1
        items = super().between(partition, first, last)
        self.items_read += len(items)
        return items
