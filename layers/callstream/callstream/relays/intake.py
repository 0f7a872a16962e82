"""The intake of a run: gets the records of a call's streams, and gives a sink their events in turn.

The intake subscribes to the call's streams and renews that, follows streams that come to the call
later from their beginning, and catches up with the records that a run before has missed. Every kind
of sink uses the same intake.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

from callstream.calls.model import StartedStream
from callstream.dialects.events import Mark, Start
from callstream.errors import Unavailable
from callstream.frames.records import Record
from callstream.relays.checkpoint import Checkpoint
from callstream.relays.merger import StreamMerger
from callstream.relays.ports import CallSource, Feed
from callstream.relays.sinks.sink import Sink
from callstream.relays.timings import RelayTimings

_logger = logging.getLogger(__name__)

MOST_HELD: Final = 10_000
"""So many records of a stream are held while its beginning is read; the newest are dropped. A shard
of Kinesis takes 1,000 a second, and reading takes some seconds."""


class Intake:
    """The intake of one run.

    Args:
        source: the call's streams.
        feed: brings the records of streams that are subscribed to.
        sink: gets the events.
        clock: time in seconds.
        timings: how long to wait.
    """

    def __init__(
        self,
        source: CallSource,
        feed: Feed,
        sink: Sink,
        clock: Callable[[], float],
        timings: RelayTimings,
    ) -> None:
        self._source = source
        self._feed = feed
        self._sink = sink
        self._clock = clock
        self._timings = timings
        self.merger = StreamMerger()
        """Where the intake is in each stream."""
        # When each stream was last subscribed to.
        self._subscribed: dict[str, float] = {}
        # The records that come of streams whose beginning is still being read.
        self._held: dict[str, list[Record]] = {}
        self._mark_streams: set[str] = set()
        self.has_caught_up = False
        """Whether the sink has all missed records."""
        self._had_streams_at = clock()

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from where a run before was."""
        self.merger = StreamMerger.resume(checkpoint.streams, checkpoint.sources, self._clock())

    async def follow(self, streams: Sequence[StartedStream]) -> None:
        """Subscribe to the call's streams, or renew old subscriptions. Raises `Unavailable`."""
        now, renewal = self._clock(), self._timings.renewal
        for stream in streams:
            stream_id = stream.stream_id
            if now - self._subscribed.get(stream_id, -renewal) >= renewal:
                await self._feed.subscribe(stream_id)
                self._subscribed[stream_id] = now

    async def subscribe_marks(self, stream_id: str) -> None:
        """Subscribe to a stream of another call, of which the sink gets the marks alone.

        Raises:
            Unavailable: the feed has not confirmed that.
        """
        self._mark_streams.add(stream_id)
        await self._feed.subscribe(stream_id)

    async def propagated(self) -> None:
        """Wait until every fan-out worker knows of the subscriptions."""
        await asyncio.sleep(self._timings.propagation)

    async def missed(self, checkpoint: Checkpoint, *, is_first: bool = False) -> Sequence[Record]:
        """The records since a checkpoint; none, and a line in the log, if they cannot be read.

        Args:
            checkpoint: where to begin.
            is_first: whether no run was there before. Then a stream that starts after the
                checkpoint is taken from number 1 on.
        """
        stream_ids = {*checkpoint.streams, *self._subscribed}
        found = await self._read(stream_ids, checkpoint.since(self._timings))
        if is_first:
            starts = (each for each in found if isinstance(each.event, Start))
            self.merger.expect_whole(each.stream_id for each in starts)
        return found

    async def listen(self, missed: Sequence[Record] = ()) -> None:
        """Give the sink the missed records, then new ones, until all streams of the call are over.

        Raises:
            Unavailable: the feed has ended, or the table did not answer.
        """
        await self._catch_up(missed)
        while True:
            deadline = self.merger.deadline
            wait = None if deadline is None else max(0.0, deadline - self._clock())
            found: Sequence[Record] = ()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    found = await self._feed.receive()
            self._hand_on(self._without_held(self._without_mark_streams(found)))
            # After an outage very many records may be here at once: let the sink send meanwhile.
            await asyncio.sleep(0)
            if self.merger.over and not await asyncio.to_thread(self._source.open_streams):
                return

    async def refresh(self) -> bool:
        """Follow the streams that the call has now; False if the call is over.

        Raises:
            Unavailable: the table or the feed did not answer.
        """
        now = self._clock()
        streams = await asyncio.to_thread(self._source.open_streams)
        if not streams:
            is_quiet = now - self._had_streams_at >= self._timings.without_streams
            return not (self.merger.over or is_quiet)
        self._had_streams_at = now
        if new := [stream for stream in streams if stream.stream_id not in self._subscribed]:
            await self._join(new)
        await self.follow(streams)
        return True

    async def _join(self, streams: Sequence[StartedStream]) -> None:
        """Follow new streams of the call from their beginning.

        A carrier that connects again goes on with its call at once, before the next look.
        """
        stream_ids = [stream.stream_id for stream in streams]
        began = min(stream.connected_at for stream in streams) / 1000
        found: list[Record] = []
        self._held |= {stream_id: [] for stream_id in stream_ids}
        try:
            await self.follow(streams)
            await self.propagated()
            found += await self._read(stream_ids, began - self._timings.delivery)
            self.merger.expect_whole({record.stream_id for record in found})
        finally:
            for stream_id in stream_ids:
                found += self._held.pop(stream_id)
            self._hand_on(found)

    async def _read(self, stream_ids: Collection[str], since: float) -> Sequence[Record]:
        try:
            return await asyncio.to_thread(self._source.records_since, stream_ids, since)
        except Unavailable:
            _logger.exception("missed records cannot be read; the consumer has a gap")
            return ()

    async def _catch_up(self, missed: Sequence[Record]) -> None:
        size = self._timings.batch
        for first in range(0, len(missed), size):
            # Until then the call is not over, even if it has no open stream.
            self._had_streams_at = self._clock()
            self._hand_on(missed[first : first + size])
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timings.batch_patience):
                    await self._sink.drained()
        self.has_caught_up = True

    def _without_mark_streams(self, found: Sequence[Record]) -> Sequence[Record]:
        """The records of the call's own streams. The sink gets the marks of the others."""
        if not self._mark_streams:
            return found
        for record in found:
            if record.stream_id in self._mark_streams and isinstance(record.event, Mark):
                self._sink.take(record.stream_id, record.event, record.received_at)
        return [record for record in found if record.stream_id not in self._mark_streams]

    def _without_held(self, found: Sequence[Record]) -> Sequence[Record]:
        for record in found:
            held = self._held.get(record.stream_id)
            if held is not None and len(held) < MOST_HELD:
                held.append(record)
        return [record for record in found if record.stream_id not in self._held]

    def _hand_on(self, found: Sequence[Record]) -> None:
        for merged in self.merger.take(found, self._clock()):
            self._sink.take(*merged)
