"""One relay's work, from dialling its consumer to the last word. No AWS and no sockets in here.

The relay hears what the carrier's streams say through a feed, puts each stream in order, says it
to the consumer in its own dialect, and passes on to the carrier what the consumer sends back.
Whatever ends it, it ends once: in the Streams table, at the consumer, and with one callback.

A run has its time. Well before that is over, it calls a successor, which dials the consumer itself,
subscribes, and says that it is ready: from then on both get all records. The first one then stops,
and leaves behind where it was in each stream; the successor drops what had been said by then, and
goes on. So the consumer sees one more connection, and each frame once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from callstream.dialects.events import Error, Media, ReturnEvent, Track
from callstream.errors import CallstreamError, Unavailable, UnreadableMessage
from callstream.forks import Fork, ForkNumbers
from callstream.mixing import Mixing
from callstream.ordering import StreamSnapshot
from callstream.ports import Item
from callstream.records import Record
from callstream.return_audio import UnusableAudio
from callstream.subscriptions import CACHE_SECONDS

_logger = logging.getLogger(__name__)

NORMAL: Final = 1000
_HAND_OVER: Final = 60.0
"""Seconds before its end when a run calls its successor."""
_INHERITING: Final = 0.1
"""Seconds between two looks for what a predecessor has left."""
_LAST_WORDS: Final = 5.0
"""Seconds that a consumer has to take what waits for it when the relay ends."""
_LOOKS: Final = 1.0
"""Seconds between two looks: shall the relay stop, and has its call new streams?"""


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


class RelayOffice(Protocol):
    """The relay's state and its call's, as the Streams table has them; blocking.

    Every method may raise `Unavailable`.
    """

    def connected(self) -> bool:
        """The consumer has answered; False if the relay was stopped meanwhile."""

    def is_active(self) -> bool:
        """Whether the relay shall go on."""

    def ended(self, reason: str | None, dropped: int) -> None:
        """The relay is over, by failure if there is a reason; so many frames were dropped."""

    def streams(self) -> Sequence[Item]:
        """The call's open streams, the oldest first."""

    def send_back(self, event: ReturnEvent) -> None:
        """Pass on to the carrier what the consumer sends. Raises `UnusableAudio`."""

    def call_successor(self) -> None:
        """Start another run of this relay."""

    def is_ready(self) -> None:
        """This run, a successor, gets all records, and waits for its predecessor to leave."""

    def successor_is_ready(self) -> bool:
        """Whether the successor that was called says so."""

    def leave(self, legacy: bytes) -> None:
        """This run has said its last, and the successor may go on from there."""

    def inherit(self) -> bytes | None:
        """What the predecessor has left; None if it has not left yet."""


class Over(NamedTuple):
    """Why a relay is over. `reason` is None unless it failed."""

    by: Literal["command", "call", "consumer", "successor", "failure"]
    reason: str | None = None


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

    def put(self, texts: Sequence[str], *, is_audio: bool) -> None:
        """Add messages in their order."""
        self._waiting.extend((text, is_audio) for text in texts)
        while len(self._waiting) > self.limit and self._drop_oldest():
            self.dropped += 1
        self._filled.set()

    async def take(self) -> str:
        """The next message."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        return self._waiting.popleft()[0]

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
        office: the relay's state, and its call's.
        make_fork: what the consumer is told, given the call's streams and a predecessor's numbers.
        clock: time in seconds, the same for a relay and its successor.
        seconds: how long this run may take.
    """

    dial: Callable[[], Awaitable[Consumer]]
    open_feed: Callable[[], Awaitable[Feed]]
    office: RelayOffice
    make_fork: Callable[[Sequence[Item], ForkNumbers | None], Fork]
    clock: Callable[[], float]
    seconds: float


class Legacy(Struct):
    """What a run leaves to its successor."""

    streams: dict[str, StreamSnapshot]
    sources: dict[Track, str]
    numbers: ForkNumbers
    began: float
    dropped: int


class RelayRun:
    """One run of a relay, from its request to its end."""

    def __init__(self, ports: RelayPorts, outbox_limit: int = 500) -> None:
        self._ports = ports
        self._outbox = Outbox(outbox_limit)
        self._mixing = Mixing()
        self._subscribed: set[str] = set()
        self._began = ports.clock()
        self._leaves_at = self._began + ports.seconds - _HAND_OVER
        self._ends_at = self._began + ports.seconds - _LAST_WORDS

    async def succeed(self) -> Over | None:
        """Take over from a run whose time is coming to an end; None if there is nothing to take.

        Raises:
            Unavailable: nothing has changed; the predecessor goes on.
        """
        office = self._ports.office
        streams = await asyncio.to_thread(office.streams)
        try:
            consumer = await self._ports.dial()
        except DialFailed as failed:
            _logger.warning("the successor cannot reach the consumer: %s", failed.reason)
            return None
        try:
            feed = await self._ports.open_feed()
            try:
                await self._follow(feed, streams)
                # Who fans out may not know of this run at once.
                await asyncio.sleep(2 * CACHE_SECONDS)
                await asyncio.to_thread(office.is_ready)
                legacy = await self._inherit()
                if legacy is None:
                    return None
                self._began, self._outbox.dropped = legacy.began, legacy.dropped
                self._mixing = Mixing.resume(legacy.streams, legacy.sources)
                fork = self._ports.make_fork(streams, legacy.numbers)
                return await self._end(await self._relay(consumer, feed, fork))
            finally:
                await feed.close()
        finally:
            await consumer.close(NORMAL)

    async def _inherit(self) -> Legacy | None:
        for _ in range(round(_HAND_OVER / _INHERITING)):
            if (left := await asyncio.to_thread(self._ports.office.inherit)) is not None:
                return _legacies.decode(left)
            await asyncio.sleep(_INHERITING)
        return None

    async def run(self) -> Over | None:
        """Work until it is over, and say why; None if it was stopped before it began.

        Raises:
            Unavailable: it could not even be told that the relay has failed.
        """
        office = self._ports.office
        streams = await asyncio.to_thread(office.streams)
        if not streams:
            return await self._end(Over("call"))
        try:
            consumer = await self._ports.dial()
        except DialFailed as failed:
            return await self._end(Over("failure", failed.reason))
        try:
            feed = await self._ports.open_feed()
            try:
                await self._follow(feed, streams)
                if not await asyncio.to_thread(office.connected):
                    return None
                over = await self._relay(consumer, feed, self._ports.make_fork(streams, None))
                return await self._end(over)
            finally:
                await feed.close()
        finally:
            await consumer.close(NORMAL)

    async def _end(self, over: Over) -> Over:
        if over.by != "successor":
            await asyncio.to_thread(self._ports.office.ended, over.reason, self._outbox.dropped)
        return over

    async def _follow(self, feed: Feed, streams: Sequence[Item]) -> None:
        for stream in streams:
            if (stream_id := stream["stream_id"]) not in self._subscribed:
                await feed.subscribe(stream_id)
                self._subscribed.add(stream_id)

    async def _relay(self, consumer: Consumer, feed: Feed, fork: Fork) -> Over:
        self._outbox.put(fork.open(), is_audio=False)
        tasks = [
            asyncio.create_task(work)
            for work in (
                self._listen_to_feed(feed, fork),
                self._watch(feed),
                self._hear_consumer(consumer, fork),
                self._speak(consumer),
            )
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            over = _first_of([task.result() for task in done])
        except ConsumerGone:
            over = Over("consumer")
        except Unavailable:
            over = Over("failure", "feed_lost")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if over.by != "consumer":
            last = [] if over.by == "successor" else fork.close()
            with suppress(ConsumerGone, TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    for text in (*self._outbox.rest(), *last):
                        await consumer.send(text)
        if over.by == "successor":
            streams, sources = self._mixing.snapshot()
            legacy = Legacy(streams, sources, fork.numbers(), self._began, self._outbox.dropped)
            left = msgspec.msgpack.encode(legacy)
            await asyncio.to_thread(self._ports.office.leave, left)
        return over

    async def _listen_to_feed(self, feed: Feed, fork: Fork) -> Over:
        """Say what the streams say, until all of them are over."""
        while not self._mixing.over:
            deadline = self._mixing.deadline
            wait = None if deadline is None else max(0.0, deadline - self._ports.clock())
            found: Sequence[Record] = ()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    found = await feed.receive()
            now = self._ports.clock()
            for stream_id, event in self._mixing.take(found, now):
                texts = fork.take(stream_id, event, round((now - self._began) * 1000))
                self._outbox.put(texts, is_audio=isinstance(event, Media))
        return Over("call")

    async def _watch(self, feed: Feed) -> Over:
        """Look whether the relay shall stop, and whether its call has more streams by now."""
        office, called = self._ports.office, False
        while True:
            await asyncio.sleep(_LOOKS)
            now = self._ports.clock()
            try:
                if not await asyncio.to_thread(office.is_active):
                    return Over("command")
                await self._follow(feed, await asyncio.to_thread(office.streams))
                if not called and now >= self._leaves_at:
                    await asyncio.to_thread(office.call_successor)
                    called = True
                elif called and await asyncio.to_thread(office.successor_is_ready):
                    return Over("successor")
            except Unavailable as error:
                _logger.warning("a look is left out: %s", error)
            if now >= self._ends_at:
                return Over("failure", "no_successor")

    async def _hear_consumer(self, consumer: Consumer, fork: Fork) -> Over:
        while True:
            text = await consumer.receive()
            try:
                event = fork.hear(text)
            except UnreadableMessage as unreadable:
                self._outbox.put(fork.refuse(_refusal(unreadable)), is_audio=False)
                continue
            try:
                await asyncio.to_thread(self._ports.office.send_back, event)
            except UnusableAudio as unusable:
                refusal = Error(None, "100002", "unknown_error", str(unusable))
                self._outbox.put(fork.refuse(refusal), is_audio=False)
            except Unavailable as error:
                _logger.warning("not sent back: %s", error)

    async def _speak(self, consumer: Consumer) -> Over:
        while True:
            await consumer.send(await self._outbox.take())


def _first_of(overs: Sequence[Over]) -> Over:
    """Of reasons that came at once, the one that was somebody's will."""
    order = ("command", "consumer", "call", "successor", "failure")
    return min(overs, key=lambda over: order.index(over.by))


def _refusal(unreadable: UnreadableMessage) -> Error:
    """Telnyx's words for a message that cannot be used; the other vendors have none."""
    if "payload" in unreadable.detail:
        return Error(None, "100004", "invalid_media", "Media is not encoded in base64")
    return Error(None, "100003", "malformed_frame", "The frame was not formed correctly")


_legacies: Final = msgspec.msgpack.Decoder(Legacy)
