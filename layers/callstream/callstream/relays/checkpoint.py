"""Where a run is, for the run that goes on after it."""

from typing import Self

import msgspec
from msgspec import Struct

from callstream.dialects.events import Track
from callstream.frames.stream_order import StreamSnapshot
from callstream.relays.merger import Source
from callstream.relays.timings import RelayTimings


class Checkpoint(Struct):
    """Where a run is, at the moment `at` (in seconds of the runs' clock).

    `streams` and `sources` are where its `StreamMerger` is; `sink` is the sink's own snapshot;
    `dropped` counts the frames that the relay has dropped so far, in all its runs.
    """

    streams: dict[str, StreamSnapshot]
    sources: dict[Track, Source]
    sink: bytes
    at: float
    dropped: int = 0

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` has written."""
        return msgspec.msgpack.decode(data, type=cls)

    def encode(self) -> bytes:
        """The checkpoint as MessagePack."""
        return msgspec.msgpack.encode(self)

    def since(self, timings: RelayTimings) -> float:
        """From when on the run may have missed records: the earliest of all its streams."""
        received = [
            snapshot.counts.last_at / 1000
            for snapshot in self.streams.values()
            if snapshot.counts.last_at is not None and not snapshot.end.is_over
        ]
        earliest = min([self.at, *received]) - timings.delivery
        return max(earliest, self.at - timings.farthest_back)
