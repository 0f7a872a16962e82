"""One relay's work, from dialling its consumer to the last word. No AWS and no sockets in here.

The relay hears what the carrier's streams say through a feed, puts each stream in order, says it
to the consumer in its own dialect, and passes on to the carrier what the consumer sends back.
Whatever ends it, it ends once: in the Streams table, at the consumer, and with one callback.

A run has its time. Well before that is over, it calls a successor, which dials the consumer itself,
subscribes, and says that it is ready: from then on both get all records. The first one then stops,
and leaves behind where it was in each stream; the successor drops what had been said by then, and
goes on. So the consumer sees one more connection, and each frame once.

A run may also die, or lose its feed. Every other second it keeps where it was, and whoever notices
starts another run, which takes over: it goes on from there with what Kinesis has had since. So no
frame is lost, but those of the last two seconds may be said again, with the numbers they had.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from callstream.dialects.events import Media, Track
from callstream.errors import CallstreamError, Unavailable
from callstream.frames.records import Record
from callstream.frames.stream_order import StreamSnapshot
from callstream.ports import Item
from callstream.relays.fan_out import CACHE_SECONDS
from callstream.relays.merger import Source, StreamMerger
from callstream.relays.sinks.fork import Fork, ForkNumbers
from callstream.relays.sinks.return_path import Legs, ReturnPath

_logger = logging.getLogger(__name__)

NORMAL: Final = 1000
_GOODBYES: Final = frozenset({NORMAL, 1001, 1005})
"""Normal closure, going away, and a close frame without a code."""
_HAND_OVER: Final = 60.0
"""Seconds before its end when a run calls its successor."""
_INHERITING: Final = 0.1
"""Seconds between two looks for what a predecessor has left."""
_LAST_WORDS: Final = 5.0
"""Seconds that a consumer has to take what waits for it when the relay ends."""
_LOOKS: Final = 1.0
"""Seconds between two looks: shall the relay stop, and has its call new streams?"""
_LOOKS_PER_CHECKPOINT: Final = 2
_CALLS_AGAIN: Final = 15.0
"""Seconds that a successor has to get ready, before another one is called."""
_RENEWAL: Final = 300.0
"""Seconds after which a subscription is renewed; API Gateway closes what is idle for 10 minutes."""
_WITHOUT_STREAMS: Final = 10.0
"""Seconds after which a call without streams is over, even if no record has told so."""
_MARGIN: Final = 5.0
"""Seconds for which a record may be on its way from its receipt to a relay."""
_FARTHEST_BACK: Final = 120.0
"""Seconds before its last checkpoint that are looked through again, if a stream was so far behind:
twice the age at which the fan-out gives up a record."""
_MISSED_AT_ONCE: Final = 100
_CATCHING_UP: Final = 10.0
"""Seconds that a consumer has to take so many messages of what was missed, before some are lost."""


class DialFailed(CallstreamError):
    """The consumer cannot be reached; `reason` is one of a small set and holds nothing of its URL.

    One of `invalid_url`, `unknown_host`, `refused`, `timeout`, `tls`, `handshake`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConsumerGone(CallstreamError):
    """The consumer has closed; `code` is the WebSocket close code, None if there was none."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code

    @property
    def said_goodbye(self) -> bool:
        """Whether it wanted nothing more, rather than failed."""
        return self.code in _GOODBYES


class Consumer(Protocol):
    """A connection to a consumer. `send` and `receive` raise `ConsumerGone`."""

    async def send(self, text: str) -> None:
        """Send a message; returns when it is on its way, which a slow consumer delays."""

    async def receive(self) -> str | bytes:
        """The next message."""

    async def close(self, code: int) -> None:
        """Say goodbye; fine if it is gone."""


class Feed(Protocol):
    """Where records of streams come from."""

    async def subscribe(self, stream_id: str) -> None:
        """From when this returns, the stream's records come."""

    async def receive(self) -> Sequence[Record]:
        """The next records. Raises `Unavailable` if the feed has ended."""

    async def close(self) -> None:
        """No more records, please."""


class Standing(Enum):
    """What the Streams table says of a run."""

    GOES_ON = "goes on"
    STOPPED = "stopped"
    """The relay shall stop, or has stopped."""
    REPLACED = "replaced"
    """Another run has taken over."""


class RelayOffice(Protocol):
    """The relay's state and its call's, as the Streams table has them; blocking.

    Every method may raise `Unavailable`.
    """

    def connected(self, checkpoint: bytes) -> bool:
        """The consumer has answered the first run; False if the relay was stopped meanwhile."""

    def standing(self) -> Standing:
        """Whether this run shall go on."""

    def keep(self, checkpoint: bytes | None, dropped: int) -> None:
        """This run lives, and is there; None if it cannot say where. So many were dropped."""

    def ended(self, reason: str | None, dropped: int) -> None:
        """The relay is over, by failure if there is a reason; so many frames were dropped.

        Unless another run carries it by now.
        """

    def streams(self) -> Sequence[Item]:
        """The call's open streams, the oldest first."""

    def streams_since(self, moment: float) -> Sequence[Item]:
        """Those that were open then or are newer, the oldest first."""

    def call_successor(self) -> None:
        """Start another run of this relay, which waits for this one to leave."""

    def is_ready(self) -> None:
        """This run, a successor, gets all records, and waits for its predecessor to leave."""

    def successor_is_ready(self) -> bool:
        """Whether the successor that was called says so."""

    def leave(self, checkpoint: bytes) -> bool:
        """This run has said its last, and the successor may go on; False if it may not any more."""

    def inherit(self) -> bytes | None:
        """What the predecessor has left; None if it has not left yet."""

    def call_rescue(self) -> None:
        """Start another run of this relay, which takes over from this one."""

    def take_over(self) -> bytes | None:
        """The last checkpoint of the run that this one is to replace; None if there is no need."""


class Over(NamedTuple):
    """Why a relay is over. `reason` is None unless it failed."""

    by: Literal["command", "call", "consumer", "successor", "rescue", "replacement", "failure"]
    reason: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the relay is over, and not this run alone."""
        return self.by not in {"successor", "rescue", "replacement"}


@dataclass(slots=True)
class Outbox:
    """What waits to be sent to the consumer: bounded, and the oldest audio goes first.

    A slow consumer must cost memory and delay neither its own call nor another's.
    """

    limit: int
    dropped: int = 0
    """Frames that a slow consumer has not got."""
    _waiting: deque[tuple[str, bool]] = field(default_factory=deque)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, texts: Sequence[str], *, is_audio: bool) -> None:
        """Add messages in their order."""
        self._waiting.extend((text, is_audio) for text in texts)
        while len(self._waiting) > self.limit and self._drop_oldest():
            self.dropped += 1
        if self._waiting:
            self._filled.set()
            self._idle.clear()

    async def take(self) -> str:
        """The next message; to ask for it says that the one before has been sent."""
        while not self._waiting:
            self._filled.clear()
            self._idle.set()
            await self._filled.wait()
        return self._waiting.popleft()[0]

    @property
    def idle(self) -> bool:
        """Whether all that was put has been sent."""
        return self._idle.is_set()

    async def emptied(self) -> None:
        """Wait until all that was put has been sent."""
        await self._idle.wait()

    @property
    def is_crowded(self) -> bool:
        """Whether more waits than may, though no audio does: whoever can should say no more."""
        return len(self._waiting) > self.limit

    def rest(self) -> list[str]:
        """All that waits, which then waits no more."""
        texts = [text for text, _ in self._waiting]
        self._waiting.clear()
        return texts

    def _drop_oldest(self) -> bool:
        for place, (_, is_audio) in enumerate(self._waiting):
            if is_audio:
                del self._waiting[place]
                return True
        return False


@dataclass(frozen=True, slots=True)
class RelayPorts:
    """What a relay works with.

    Args:
        dial: connects to the consumer; raises `DialFailed`.
        open_feed: connects to where records come from; raises `Unavailable`.
        missed: what there is of streams that was received since a moment; raises `Unavailable`.
        office: the relay's state, and its call's.
        legs: the carriers' legs that the consumer is heard on.
        make_fork: what the consumer is told, given the call's streams and a predecessor's numbers;
            blocking, raises `Unavailable`.
        clock: time in seconds, the same for a relay and its successor.
        seconds: how long this run may take.
    """

    dial: Callable[[], Awaitable[Consumer]]
    open_feed: Callable[[], Awaitable[Feed]]
    missed: Callable[[Collection[str], float], Awaitable[Sequence[Record]]]
    office: RelayOffice
    legs: Legs
    make_fork: Callable[[Sequence[Item], ForkNumbers | None], Fork]
    clock: Callable[[], float]
    seconds: float


class Checkpoint(Struct):
    """Where a run is: from there another one goes on."""

    streams: dict[str, StreamSnapshot]
    sources: dict[Track, Source]
    numbers: ForkNumbers
    began: float
    at: float
    """When, in seconds of the runs' clock."""
    dropped: int = 0

    def since(self) -> float:
        """From when on records may not have been heard; the earliest of all streams."""
        heard = [
            snapshot.counts.last_at / 1000
            for snapshot in self.streams.values()
            if snapshot.counts.last_at is not None and not snapshot.ended
        ]
        return max(min([self.at, *heard]) - _MARGIN, self.at - _FARTHEST_BACK)


class RelayRun:
    """One run of a relay, from its request to its end."""

    def __init__(self, ports: RelayPorts, outbox_limit: int = 500) -> None:
        self._ports = ports
        self._outbox = Outbox(outbox_limit)
        self._mixing = StreamMerger()
        # When each stream was subscribed to.
        self._subscribed: dict[str, float] = {}
        # What comes of streams whose beginning is still being read.
        self._held: dict[str, list[Record]] = {}
        self._began = ports.clock()
        self._leaves_at = self._began + ports.seconds - _HAND_OVER
        self._calls_at = self._leaves_at
        self._ends_at = self._began + ports.seconds - _LAST_WORDS
        self._had_streams_at = self._began

    async def run(self) -> Over | None:
        """Work until it is over, and say why; None if it was stopped before it began.

        Raises:
            Unavailable: it could not be told how it ended; another run will.
        """
        office = self._ports.office
        streams = await asyncio.to_thread(office.streams)
        if not streams:
            return await self._end(Over("call"))
        try:
            consumer = await self._ports.dial()
        except DialFailed as failed:
            return await self._end(Over("failure", failed.reason))
        async with self._feed_for(consumer) as feed:
            await self._follow(feed, streams)
            fork = await self._fork(streams, None)
            if not await asyncio.to_thread(office.connected, self._checkpoint(fork)):
                return None
            return await self._end(await self._relay(consumer, feed, fork))

    async def succeed(self) -> Over | None:
        """Go on with a run whose time is coming to an end; None if there is nothing to go on with.

        Raises:
            Unavailable: nothing has changed, and the predecessor goes on; or as `run` does.
        """
        office = self._ports.office
        streams = await asyncio.to_thread(office.streams)
        if not streams:
            return None
        try:
            consumer = await self._ports.dial()
        except DialFailed as failed:
            _logger.warning("the successor cannot reach the consumer: %s", failed.reason)
            return None
        async with self._feed_for(consumer) as feed:
            await self._follow(feed, streams)
            await self._become_known()
            await asyncio.to_thread(office.is_ready)
            left = await self._inherit()
            if left is None:
                return None
            self._resume(left)
            if not (streams := await asyncio.to_thread(office.streams_since, left.since())):
                return await self._end(Over("call"))
            fork = await self._fork(streams, left.numbers)
            return await self._end(await self._relay(consumer, feed, fork))

    async def take_over(self) -> Over | None:
        """Go on with a run that has died or lost its feed; None if there is none.

        Raises:
            Unavailable: as `run` does.
        """
        office = self._ports.office
        kept = await asyncio.to_thread(office.take_over)
        if kept is None:
            return None
        left = _checkpoints.decode(kept)
        self._resume(left)
        # One that has ended since may have more to say than was said.
        if not (streams := await asyncio.to_thread(office.streams_since, left.since())):
            return await self._end(Over("call"))
        try:
            consumer = await self._ports.dial()
        except DialFailed as failed:
            return await self._end(Over("failure", failed.reason))
        async with self._feed_for(consumer) as feed:
            await self._follow(feed, streams)
            await self._become_known()
            missed = await self._missed({*left.streams, *self._subscribed}, left.since())
            fork = await self._fork(streams, left.numbers)
            # All of that may take so long that this run is given up in its turn.
            if over := _over_by(await asyncio.to_thread(office.standing)):
                return await self._end(over)
            return await self._end(await self._relay(consumer, feed, fork, missed))

    @asynccontextmanager
    async def _feed_for(self, consumer: Consumer) -> AsyncIterator[Feed]:
        try:
            feed = await self._ports.open_feed()
            try:
                yield feed
            finally:
                await feed.close()
        finally:
            await consumer.close(NORMAL)

    async def _fork(self, streams: Sequence[Item], numbers: ForkNumbers | None) -> Fork:
        return await asyncio.to_thread(self._ports.make_fork, streams, numbers)

    async def _become_known(self) -> None:
        """Wait until who fans out knows of this run's subscriptions, in every one of its places."""
        await asyncio.sleep(2 * CACHE_SECONDS)

    async def _inherit(self) -> Checkpoint | None:
        for _ in range(round(_HAND_OVER / _INHERITING)):
            if (left := await asyncio.to_thread(self._ports.office.inherit)) is not None:
                return _checkpoints.decode(left)
            await asyncio.sleep(_INHERITING)
        return None

    async def _missed(self, stream_ids: Collection[str], since: float) -> Sequence[Record]:
        try:
            return await self._ports.missed(stream_ids, since)
        except Unavailable:
            _logger.exception("what was missed cannot be read; the consumer has a gap")
            return ()

    def _checkpoint(self, fork: Fork) -> bytes:
        streams, sources = self._mixing.snapshot()
        at, dropped = self._ports.clock(), self._outbox.dropped
        return msgspec.msgpack.encode(
            Checkpoint(streams, sources, fork.numbers(), self._began, at, dropped)
        )

    def _resume(self, left: Checkpoint) -> None:
        self._began, self._outbox.dropped = left.began, left.dropped
        self._mixing = StreamMerger.resume(left.streams, left.sources, self._ports.clock())

    async def _end(self, over: Over) -> Over:
        if over.is_final:
            await asyncio.to_thread(self._ports.office.ended, over.reason, self._outbox.dropped)
        return over

    async def _follow(self, feed: Feed, streams: Sequence[Item]) -> None:
        now = self._ports.clock()
        for stream in streams:
            stream_id = stream["stream_id"]
            if now - self._subscribed.get(stream_id, -_RENEWAL) >= _RENEWAL:
                await feed.subscribe(stream_id)
                self._subscribed[stream_id] = now

    async def _join(self, feed: Feed, fork: Fork, streams: Sequence[Item]) -> None:
        """Follow streams that have come to the call meanwhile, from their beginning.

        A carrier that connects again goes on with its call at once, before anybody looks.
        """
        stream_ids = [stream["stream_id"] for stream in streams]
        began = min(int(stream["connected_at"]) for stream in streams) / 1000
        found: list[Record] = []
        self._held |= {stream_id: [] for stream_id in stream_ids}
        try:
            await self._follow(feed, streams)
            await self._become_known()
            found += await self._missed(stream_ids, began - _MARGIN)
        finally:
            for stream_id in stream_ids:
                found += self._held.pop(stream_id)
            self._hand_on(fork, found)

    async def _relay(
        self, consumer: Consumer, feed: Feed, fork: Fork, missed: Sequence[Record] = ()
    ) -> Over:
        self._outbox.put(fork.open(), is_audio=False)
        back = ReturnPath(fork, self._ports.legs, feed, self._answer, self._ports.clock)
        tasks = [
            asyncio.create_task(work)
            for work in (
                self._listen_to_feed(feed, fork, back, missed),
                self._watch(feed, fork),
                self._hear_consumer(consumer, back),
                self._speak(consumer, back),
                back.post(),
            )
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            over = _first_of([task.result() for task in done])
            if over.by == "successor":
                await self._let_it_be_said(back)
        except ConsumerGone as gone:
            over = self._after(gone)
        except Unavailable:
            over = Over("rescue")
            await self._let_it_be_said(back)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return await self._say_goodbye(consumer, fork, over)

    def _after(self, gone: ConsumerGone) -> Over:
        if self._calls_at > self._leaves_at:
            # Who takes the successor's connection for its only one closes this one.
            return Over("rescue")
        return Over("consumer") if gone.said_goodbye else Over("failure", "closed")

    async def _say_goodbye(self, consumer: Consumer, fork: Fork, over: Over) -> Over:
        """Say what is still to be said, and leave the rest to who goes on; why it is over then."""
        office, said = self._ports.office, False
        if over.by not in {"consumer", "replacement"} and over.reason != "closed":
            with suppress(ConsumerGone, TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    for text in (*self._outbox.rest(), *(fork.close() if over.is_final else ())):
                        await consumer.send(text)
                said = True
        if over.by == "successor":
            left = await asyncio.to_thread(office.leave, self._checkpoint(fork))
            if not left and await asyncio.to_thread(office.standing) is Standing.STOPPED:
                # A command came between, and nobody else is going to say so.
                return await self._say_goodbye(consumer, fork, Over("command"))
        elif over.by == "rescue":
            # What was not said now is said by who goes on from the last checkpoint.
            await self._keep(self._checkpoint(fork) if said else None)
            await asyncio.to_thread(office.call_rescue)
        return over

    async def _listen_to_feed(
        self, feed: Feed, fork: Fork, back: ReturnPath, missed: Sequence[Record]
    ) -> Over:
        """Say what the streams say, until all of them are over."""
        await self._catch_up(fork, missed)
        while True:
            deadline = self._mixing.deadline
            wait = None if deadline is None else max(0.0, deadline - self._ports.clock())
            found: Sequence[Record] = ()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    found = back.take_marks(await feed.receive())
            self._hand_on(fork, self._without_held(found))
            # After an outage very much may be here at once: the consumer is to get it meanwhile.
            await asyncio.sleep(0)
            if self._mixing.over and not await asyncio.to_thread(self._ports.office.streams):
                return Over("call")

    async def _catch_up(self, fork: Fork, missed: Sequence[Record]) -> None:
        for first in range(0, len(missed), _MISSED_AT_ONCE):
            self._hand_on(fork, missed[first : first + _MISSED_AT_ONCE])
            with suppress(TimeoutError):
                async with asyncio.timeout(_CATCHING_UP):
                    await self._outbox.emptied()

    def _without_held(self, found: Sequence[Record]) -> Sequence[Record]:
        for record in found:
            if record.stream_id in self._held:
                self._held[record.stream_id].append(record)
        return [record for record in found if record.stream_id not in self._held]

    def _hand_on(self, fork: Fork, found: Sequence[Record]) -> None:
        now = self._ports.clock()
        for stream_id, event in self._mixing.take(found, now):
            texts = fork.take(stream_id, event, round((now - self._began) * 1000))
            self._outbox.put(texts, is_audio=isinstance(event, Media))

    async def _watch(self, feed: Feed, fork: Fork) -> Over:
        """Look again and again whether this run shall go on, and keep where it is."""
        looks = 0
        while True:
            await asyncio.sleep(_LOOKS)
            looks += 1
            try:
                if over := await self._look(feed, fork):
                    return over
                if looks % _LOOKS_PER_CHECKPOINT == 0:
                    # While something waits to be sent, the last checkpoint is the better one.
                    checkpoint = self._checkpoint(fork) if self._outbox.idle else None
                    await self._keep(checkpoint)
            except Unavailable as error:
                _logger.warning("a look is left out: %s", error)
            if self._ports.clock() >= self._ends_at:
                return Over("rescue")

    async def _keep(self, checkpoint: bytes | None) -> None:
        await asyncio.to_thread(self._ports.office.keep, checkpoint, self._outbox.dropped)

    async def _look(self, feed: Feed, fork: Fork) -> Over | None:
        office, now = self._ports.office, self._ports.clock()
        if over := _over_by(await asyncio.to_thread(office.standing)):
            return over
        if streams := await asyncio.to_thread(office.streams):
            self._had_streams_at = now
            if new := [each for each in streams if each["stream_id"] not in self._subscribed]:
                await self._join(feed, fork, new)
            await self._follow(feed, streams)
        elif self._mixing.over or now - self._had_streams_at >= _WITHOUT_STREAMS:
            return Over("call")
        if now >= self._leaves_at:
            if await asyncio.to_thread(office.successor_is_ready):
                return Over("successor")
            if now >= self._calls_at:
                self._calls_at = now + _CALLS_AGAIN
                await asyncio.to_thread(office.call_successor)
        return None

    async def _hear_consumer(self, consumer: Consumer, back: ReturnPath) -> Over:
        try:
            while True:
                await back.hear(await consumer.receive())
        except ConsumerGone:
            await self._let_it_be_said(back)
            raise

    async def _speak(self, consumer: Consumer, back: ReturnPath) -> Over:
        try:
            while True:
                await consumer.send(await self._outbox.take())
        except ConsumerGone:
            await self._let_it_be_said(back)
            raise

    async def _let_it_be_said(self, back: ReturnPath) -> None:
        """Pass on what a consumer has said before it closed, or before it is another run's."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await back.emptied()

    def _answer(self, texts: Sequence[str]) -> None:
        """Tell the consumer what came of what it sent, unless it does not listen."""
        if not self._outbox.is_crowded:
            self._outbox.put(texts, is_audio=False)


def _over_by(standing: Standing) -> Over | None:
    """Whether what the table says ends a run."""
    if standing is Standing.GOES_ON:
        return None
    return Over("command" if standing is Standing.STOPPED else "replacement")


def _first_of(overs: Sequence[Over]) -> Over:
    """Of reasons that came at once, the one that was somebody's will."""
    order = ("command", "consumer", "call", "successor", "replacement", "rescue", "failure")
    return min(overs, key=lambda over: order.index(over.by))


_checkpoints: Final = msgspec.msgpack.Decoder(Checkpoint)
