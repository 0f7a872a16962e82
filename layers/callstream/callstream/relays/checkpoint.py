"""A run's place in its call, for the run that goes on after it."""

import logging
from collections.abc import Callable
from typing import Any, Final, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from callstream.dialects.events import Track
from callstream.frames.stream_order import StreamSnapshot
from callstream.relays.merger import Source
from callstream.relays.timings import RelayTimings

_logger = logging.getLogger(__name__)

MOST_BYTES: Final = 300_000
"""The most bytes of a checkpoint: DynamoDB takes items of 400 KB, and a relay has more."""
_MOST_RECENT: Final = 30
"""At a checkpoint every other second, these are the last 60 seconds."""


MOST_STREAMS: Final = 100
"""A sink's snapshot has something of so many streams of the call."""


def forget_oldest(by_stream: dict[str, Any]) -> None:
    """Forget something of the oldest streams: a carrier may connect again and again.

    Args:
        by_stream: the thing by stream, the oldest first; at most one has been added.
    """
    if len(by_stream) > MOST_STREAMS:
        del by_stream[next(iter(by_stream))]


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
        """The checkpoint as MessagePack, without the messages that wait if they are too large."""
        encoded = msgspec.msgpack.encode(self)
        if len(encoded) <= MOST_BYTES:
            return encoded
        # Their numbers are gaps for the next run: it goes on, and its consumer lacks them.
        _logger.warning("checkpoint of %d bytes: messages that wait are left out", len(encoded))
        streams = {each: left.without_waiting() for each, left in self.streams.items()}
        return msgspec.msgpack.encode(replace(self, streams=streams))

    def since(self, timings: RelayTimings) -> float:
        """The earliest time from which the next run may miss records of a stream."""
        received = [
            snapshot.counts.last_at / 1000
            for snapshot in self.streams.values()
            if snapshot.counts.last_at is not None and not snapshot.end.is_over
        ]
        earliest = min([self.at, *received]) - timings.delivery
        return max(earliest, self.at - timings.farthest_back)


class RecentCheckpoints:
    """The recent checkpoints of a run, of which the newest settled one counts.

    A sink may need a while until all events are done that came before a checkpoint.

    Args:
        first: the checkpoint that the run goes on from.
        is_settled: whether the next run may go on from this snapshot of the sink.
    """

    def __init__(self, first: Checkpoint, is_settled: Callable[[bytes], bool]) -> None:
        self._settled = first
        self._later: list[Checkpoint] = []
        self._is_settled = is_settled

    def add(self, checkpoint: Checkpoint) -> Checkpoint:
        """Add the run's present place; returns the newest checkpoint that is settled."""
        self._later.append(checkpoint)
        for place in range(len(self._later) - 1, -1, -1):
            if self._is_settled(self._later[place].sink):
                self._settled = self._later[place]
                del self._later[: place + 1]
                break
        del self._later[:-_MOST_RECENT]
        return self._settled
