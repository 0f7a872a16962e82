"""A run's place in its call, for the run that goes on after it."""

from typing import Self

import msgspec
from msgspec import Struct

from callstream.dialects.events import Track
from callstream.frames.stream_order import StreamSnapshot
from callstream.relays.merger import Source
from callstream.relays.timings import RelayTimings


class Checkpoint(Struct):
    """A run's place at the moment `at` (in seconds of the runs' clock).

    `streams` and `sources` are the snapshot of its `StreamMerger`; `sink` is the sink's snapshot;
    `dropped` counts the frames that the relay has dropped so far, in all its runs.
    """

    streams: dict[str, StreamSnapshot]
    sources: dict[Track, Source]
    sink: bytes
    at: float
    dropped: int = 0

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a checkpoint from the bytes of `encode`."""
        return msgspec.msgpack.decode(data, type=cls)

    def encode(self) -> bytes:
        """The checkpoint as MessagePack."""
        return msgspec.msgpack.encode(self)

    def since(self, timings: RelayTimings) -> float:
        """The earliest time from which the next run may miss records of a stream."""
        received = [
            snapshot.counts.last_at / 1000
            for snapshot in self.streams.values()
            if snapshot.counts.last_at is not None and not snapshot.end.is_over
        ]
        earliest = min([self.at, *received]) - timings.delivery
        return max(earliest, self.at - timings.farthest_back)
