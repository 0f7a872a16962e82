"""Counts the tracks that stream, by part of the frames stream, in one item of the Streams table.

| pk          | sk          | what                                   |
|-------------|-------------|----------------------------------------|
| `PLACEMENT` | `PLACEMENT` | `p0` to `p255`: the tracks of each part |

`calls.placement` uses the counts. The authorizer counts a new stream, the start message a second
track. What ends a stream gives its tracks back: a refused handshake, the stop message, or else the
end of the connection, as `$disconnect` or the sweep notice it. One transaction makes each of these
changes of a stream, and the writer whose transaction succeeds changes the count right after it, by
one plain update: within the transaction, the streams of all tenants would wait for one another.

If that writer dies in between, or an update is lost or repeated, a count is wrong until the sweep
corrects it (`calls.placement_sweep`). Shards are a little uneven meanwhile; nothing else depends on
a count.
"""

import logging
from collections.abc import Mapping
from typing import Final, Protocol

from callstream.calls.placement import PARTS, part_of
from callstream.errors import ConditionFailed, Unavailable
from callstream.ports import Item
from callstream.table_requests import set_request

_KEY: Final = {"pk": "PLACEMENT", "sk": "PLACEMENT"}

_logger = logging.getLogger(__name__)


class Items(Protocol):
    """As much as most functions need of a `ports.Table`."""

    def get(self, key: Item) -> Item | None:
        """Read one item, consistently. Raises `Unavailable`."""

    def update(self, request: Item) -> Item:
        """Send UpdateItem; returns the whole new item. Raises `ConditionFailed`, `Unavailable`."""


class TrackCounts:
    """The tracks of each part. `table` is the Streams table."""

    def __init__(self, table: Items) -> None:
        self._table = table

    def read(self) -> list[int] | None:
        """The tracks of all parts; None if nothing is counted yet. Raises `Unavailable`."""
        item = self._table.get(_KEY)
        return None if item is None else _counts(item)

    def change(self, by: Mapping[int, int]) -> list[int]:
        """Change the counts of up to 256 parts; returns all counts after that.

        Raises:
            ConditionFailed: nothing is counted yet.
            Unavailable: DynamoDB did not answer.
        """
        add = {_name(part): tracks for part, tracks in by.items()}
        return _counts(self._table.update(set_request(_KEY, {}, "attribute_exists(pk)", add=add)))

    def add(self, stream_id: str, tracks: int) -> None:
        """Count tracks of a stream, or give them back, by a number below 0. Never raises."""
        try:
            self.change({part_of(stream_id): tracks})
        except ConditionFailed:
            return  # the sweep will count
        except Unavailable as error:
            _logger.warning("tracks not counted: %s", error, extra={"stream_id": stream_id})
        except Exception:
            _logger.exception("tracks not counted", extra={"stream_id": stream_id})


def build_counts(tracks: Mapping[int, int]) -> Item:
    """The item with these counts, by part."""
    return _KEY | {_name(part): tracks.get(part, 0) for part in range(PARTS)}


def _name(part: int) -> str:
    return f"p{part}"


def _counts(item: Item) -> list[int]:
    return [int(item.get(_name(part), 0)) for part in range(PARTS)]
