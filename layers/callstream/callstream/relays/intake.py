"""The intake of a run: gets the records of a call's streams, and gives a sink their events in turn.

The intake subscribes to the call's streams and renews that, follows streams that come to the call
later from their beginning, and catches up with the records that a run before has missed. Every kind
of sink uses the same intake.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from callstream.calls.model import StartedStream
from callstream.dialects.events import Connected, Mark, Start
from callstream.errors import Unavailable
from callstream.frames.records import Record
from callstream.relays.catching_up import read_up
from callstream.relays.checkpoint import Checkpoint
from callstream.relays.merger import StreamMerger
from callstream.relays.ports import Backlog, CallSource, Feed
from callstream.relays.sinks.sink import Sink
from callstream.relays.timings import RelayTimings

_logger = logging.getLogger(__name__)

MOST_HELD: Final = 10_000
"""So many records of a stream are held while earlier ones are read; the newest are dropped. A shard
of Kinesis takes 1,000 a second, and reading takes some seconds."""


class _Unread(NamedTuple):
    """Earlier records of streams that are read up to a moment.

    The next look goes on with the same backlog, which waits for its turn at the shard: a new one
    would have to wait behind all others.
    """

    stream_ids: Collection[str]
    backlog: Backlog
    until: float
    is_whole: bool


class Intake:
    """The intake of one run.

    Args:
        source: the call's streams.
        feed: brings the records of streams that are subscribed to.
        sink: gets the events.
        clock: time in seconds.
        timings: how long to wait.
    """

    # It has 23 methods: nine for runs and supervisors, and one for each way in which records come.

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
        # The records that come of streams of which earlier ones are still being read.
        self._held: dict[str, list[Record]] = {}
        self._unread: list[_Unread] = []
        # When the oldest of the records came that the sink lacks, about.
        self._lacks_since = 0.0
        # Streams of which records were left out, and until when they have been read since.
        self._incomplete: set[str] = set()
        self._complete_at: dict[str, float] = {}
        self._has_looked_back = False
        self._mark_streams: set[str] = set()
        self.has_caught_up = False
        """Whether the sink has all missed records."""
        self._left: Checkpoint | None = None
        self._is_first = False
        # When every fan-out worker knows of the subscriptions.
        self._known_at = clock()
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
                self._known_at = self._clock() + self._timings.propagation

    async def subscribe_marks(self, stream_id: str) -> None:
        """Subscribe to a stream of another call, of which the sink gets the marks alone.

        Raises:
            Unavailable: the feed has not confirmed that.
        """
        self._mark_streams.add(stream_id)
        await self._feed.subscribe(stream_id)

    @property
    def is_reading(self) -> bool:
        """Whether missed records are being read, before those that come."""
        return bool(self._held) or not self.has_caught_up

    async def propagated(self) -> None:
        """Wait until every fan-out worker knows of the subscriptions."""
        await asyncio.sleep(self._timings.propagation)

    def expect_missed(self, checkpoint: Checkpoint, *, is_first: bool = False) -> None:
        """Have `listen` begin with the records since a checkpoint.

        Args:
            checkpoint: where to begin.
            is_first: whether no run was there before. Then a stream that starts after the
                checkpoint is taken from number 1 on.
        """
        self._left, self._is_first = checkpoint, is_first

    @property
    def complete_until(self) -> float:
        """Until when the sink has all that was received, as far as it has come."""
        if self._left is not None and not self.has_caught_up:
            return self._left.at
        return self._lacks_since if self._lacks_records else self._clock()

    async def listen(self) -> None:
        """Give the sink the missed records, then new ones, until all streams of the call are over.

        If missed records cannot be read, there is a line in the log, and the new ones follow.

        Raises:
            Unavailable: the feed has ended, or the table did not answer.
        """
        await self._catch_up()
        while True:
            deadline = self.merger.deadline
            wait = None if deadline is None else max(0.0, deadline - self._clock())
            found: Sequence[Record] = ()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    found = await self._feed.receive()
            self._hold_incomplete(self._feed.left_out())
            self._hand_on(self._without_held(self._without_mark_streams(found)))
            # After an outage very many records may be here at once: let the sink send meanwhile.
            await asyncio.sleep(0)
            is_over = self.merger.over and not self._held
            if is_over and not await asyncio.to_thread(self._source.open_streams):
                return

    async def refresh(self) -> bool:
        """Follow the streams that the call has now; False if the call is over.

        Raises:
            Unavailable: the table or the feed did not answer.
        """
        now = self._clock()
        streams = await asyncio.to_thread(self._source.open_streams)
        if not streams and not self.has_caught_up:
            return True
        if not streams:
            quiet = now - self._had_streams_at
            if self._lacks_records and quiet < self._timings.catching_up:
                await self._complete()
                return True
            is_quiet = quiet >= self._timings.without_streams
            if is_quiet and not self.merger.over and not self._has_looked_back:
                # The last records may have been left out, and no more come with a notice.
                self._has_looked_back = True
                self._hold_incomplete(self._subscribed)
                await self._complete()
                return True
            return not (self.merger.over or is_quiet)
        self._had_streams_at = now
        if new := [stream for stream in streams if stream.stream_id not in self._subscribed]:
            await self._join(new)
        await self.follow(streams)
        if self._lacks_records:
            await self._complete()
        return True

    @property
    def _lacks_records(self) -> bool:
        return bool(self._incomplete or self._unread)

    def _note_lack(self, since: float) -> None:
        """Keep checkpoints at a moment, until the sink has all records again."""
        self._lacks_since = min(self._lacks_since, since) if self._lacks_records else since

    async def _join(self, streams: Sequence[StartedStream]) -> None:
        """Follow new streams of the call from their beginning.

        A carrier that connects again goes on with its call at once, before the next look.
        """
        stream_ids = {stream.stream_id for stream in streams}
        began = min(stream.connected_at for stream in streams) / 1000
        self._note_lack(began)
        self._held |= {stream_id: [] for stream_id in stream_ids}
        try:
            await self.follow(streams)
        except Unavailable:
            # The next look tries again.
            self._release(stream_ids)
            raise
        await self._read_held(stream_ids, began - self._timings.delivery, is_whole=True)

    def _hold_incomplete(self, stream_ids: Collection[str]) -> None:
        """Hold the records of streams of which records were left out, until `refresh` reads all."""
        now = self._clock()
        for stream_id in stream_ids:
            # What was left out until then has been read.
            if stream_id in self._subscribed and now >= self._complete_at.get(stream_id, now):
                self._note_lack(now)
                self._incomplete.add(stream_id)
                self._held.setdefault(stream_id, [])

    async def _complete(self) -> None:
        """Read on, or begin to read what was left out of streams.

        Raises:
            Unavailable: the feed did not answer. The next look tries again.
        """
        if self._unread:
            await self._read_on(self._unread.pop(0))
            return
        stream_ids, timings = {*self._incomplete}, self._timings
        _logger.warning("records were left out; they are read again")
        for stream_id in stream_ids:
            self._held.setdefault(stream_id, [])
            # This ends the notices, too.
            await self._feed.subscribe(stream_id)
            self._complete_at[stream_id] = self._known_at = self._clock() + timings.propagation
        self._incomplete -= stream_ids
        places, _ = self.merger.snapshot()
        known = stream_ids & {*places}
        # Of the others nothing has come since the subscription.
        at = min((self._subscribed[each] for each in stream_ids - known), default=self._clock())
        left = Checkpoint({each: places[each] for each in known}, {}, b"", at)
        await self._read_held(stream_ids, left.since(timings))

    async def _read_held(
        self, stream_ids: Collection[str], since: float, *, is_whole: bool = False
    ) -> None:
        """Hand on earlier records of streams, and then those that came meanwhile."""
        backlog = self._source.backlog(stream_ids, since)
        unread = _Unread(stream_ids, backlog, self._known_at, is_whole)
        # One read then brings all.
        await self.propagated()
        await self._read_on(unread)

    async def _read_on(self, unread: _Unread) -> None:
        """Read for a while; the next look goes on if that is not enough."""
        stream_ids, backlog, until, is_whole = unread
        parts = read_up(backlog, until, self._timings.joining)
        found = [record async for part in parts for record in part]
        if is_whole:
            self.merger.expect_whole({record.stream_id for record in found})
        self._hand_on(found)
        if backlog.has_covered(until):
            # More may have been left out meanwhile.
            self._release({*stream_ids} - self._incomplete)
        else:
            self._unread.append(unread)

    def _release(self, stream_ids: Collection[str]) -> None:
        self._hand_on([record for each in stream_ids for record in self._held.pop(each, ())])

    async def _catch_up(self) -> None:
        if (left := self._left) is not None:
            stream_ids = {*left.streams, *self._subscribed}
            backlog = self._source.backlog(stream_ids, left.since(self._timings))
            known_at = self._known_at
            async for found in read_up(backlog, known_at, self._timings.catching_up):
                if self._is_first:
                    begun = (each for each in found if isinstance(each.event, Connected | Start))
                    self.merger.expect_whole(each.stream_id for each in begun)
                await self._hand_on_slowly(found)
            if not backlog.has_covered(known_at):
                _logger.error("missed records cannot be read; the consumer has a gap")
        # Until now the call was not over, even if it has no open stream.
        self._had_streams_at = self._clock()
        self.has_caught_up = True

    async def _hand_on_slowly(self, missed: Sequence[Record]) -> None:
        size = self._timings.batch
        for first in range(0, len(missed), size):
            self._hand_on(missed[first : first + size])
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timings.batch_patience):
                    await self._sink.drained()

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
