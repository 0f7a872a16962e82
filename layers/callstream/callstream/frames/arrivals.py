"""Records as they come from the frames stream, and what time it is on each of its shards."""

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
    """Where records come from; `adapters.aws.kinesis_reader.FrameStreamReader` is one."""

    def poll(self) -> Sequence[Arrival]:
        """The records since the last poll, each shard's in order. Raises `Unavailable`."""

    def seconds_behind(self, shard_id: str) -> float:
        """How long ago everything on a shard had been read; infinite if it never was.

        For a shard that has ended, its children count, because its streams go on there.
        """

    def seconds_until_due(self) -> float:
        """How long until a poll would read something; 0 if it would now."""


@dataclass(slots=True)
class ShardTime:
    """What time it is on a shard, in seconds since 1970.

    It is the time of the shard's latest record; while the shard is read and no record comes, it
    goes on with our clock. By this time, records that were stored long ago wait for one another as
    if they came now, and a reader that was held up, or could not read the shard, gives up on none.
    """

    began_at: float
    latest: float
    arrived_at: float
    read_at: float

    def arrived(self, arrived_at: float, now: float) -> float:
        """A record arrived, and was read now, by our clock. Returns what time it is."""
        # This time never goes back, although Kinesis's clock may, and ours may be faster.
        self.arrived_at, self.read_at = arrived_at, now
        self.latest = max(self.latest, arrived_at)
        return self.latest

    def at(self, read_until: float) -> float:
        """What time it is when the shard has been read up to then, by our clock."""
        # A record that came since the shard was last read to its end may be a missing one.
        self.latest = max(self.latest, self.arrived_at + read_until - self.read_at)
        return self.latest
