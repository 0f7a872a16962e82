"""Records as they come from the frames stream, and the time on each of its shards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from callstream.errors import UnreadableMessage
from callstream.frames.records import Record


@dataclass(frozen=True, slots=True)
class Arrival:
    """One record of a Kinesis stream, and how it came."""

    record: Record | UnreadableMessage
    """An `UnreadableMessage` if the data are not a record of Callstream."""
    partition_key: str
    shard_id: str
    arrived_at: int
    """When Kinesis took the record, in milliseconds since 1970."""


class ArrivalSource(Protocol):
    """A source of records, for example `adapters.aws.kinesis_reader.FrameStreamReader`."""

    def poll(self) -> Sequence[Arrival]:
        """The records since the last poll, each shard's in order. Raises `Unavailable`."""

    def seconds_behind(self, shard_id: str) -> float:
        """How many seconds ago a shard was last read to its end; infinite if it never was.

        For a shard that has ended, its children count, because its streams go on there.
        """

    def seconds_until_due(self) -> float:
        """After how many seconds the next poll reads the source; 0 if at once."""


@dataclass(slots=True)
class ShardTime:
    """The time on a shard, in seconds since 1970.

    This is the time of the shard's latest record. While the shard is read and no record comes, the
    time goes on with our clock. So records that were stored long ago wait for one another as if
    they came now, and a reader that was held up, or could not read the shard, gives up no record.
    """

    began_at: float
    latest: float
    arrived_at: float
    read_at: float

    def arrived(self, arrived_at: float, now: float) -> float:
        """Note that a record arrived, and was read now, by our clock. Returns the shard's time."""
        # This time never goes back, although Kinesis's clock may, and ours may be faster.
        self.arrived_at, self.read_at = arrived_at, now
        self.latest = max(self.latest, arrived_at)
        return self.latest

    def at(self, read_until: float) -> float:
        """The shard's time once the shard has been read until then, by our clock."""
        # A record that came since the shard was last read to its end may be a missing one.
        self.latest = max(self.latest, self.arrived_at + read_until - self.read_at)
        return self.latest
