"""The sink of a fork: a consumer's WebSocket, in the relay's dialect."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Never, Protocol, override

import msgspec
from msgspec import Struct

from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.audio.packetizer import PIECE_SECONDS
from callstream.calls.model import StartedStream
from callstream.calls.store import StreamStore
from callstream.dialects.events import Dtmf, Mark, Media, Start, Stop, Vocabulary
from callstream.frames.records import Disconnected, Halted, Rejected, StreamEvent
from callstream.relays.endings import Ending, Outcome
from callstream.relays.model import Relay
from callstream.relays.outbox import Outbox
from callstream.relays.ports import Consumer, ConsumerGone, Dialler
from callstream.relays.sinks.fork import TRACKS, ForkCounters, ForkedCall, ForkProtocol
from callstream.relays.sinks.fork_audio import ForkAudio
from callstream.relays.sinks.fork_format import fork_format
from callstream.relays.sinks.one_way import OneWayPath
from callstream.relays.sinks.posting import LegSender
from callstream.relays.sinks.return_path import ReturnPath
from callstream.relays.sinks.sink import CallFeed, Sink
from callstream.relays.timings import RelayTimings
from callstream.tenants.directory import Directory

_logger = logging.getLogger(__name__)

NORMAL: Final = 1000
OUTBOX_LIMIT: Final = 500
"""How many messages may wait for a slow consumer."""


class WebSocketSnapshot(Struct):
    """Where a fork is. It was opened at `opened_at`, in seconds of the runs' clock."""

    counters: ForkCounters
    opened_at: float


class ForkMaker(Protocol):
    """Makes a relay's fork."""

    def make(self, streams: Sequence[StartedStream], counters: ForkCounters | None) -> ForkProtocol:
        """Make the fork of a call with these streams, with the counters of the run before.

        Blocking. Raises `Unavailable`.
        """


class WebSocketSink(Sink):
    """A sink with a consumer behind a WebSocket.

    The task that posts the consumer's messages outlives `run`, so that `flush` can wait for it.

    Args:
        dialler: connects to the consumer.
        forks: makes the fork.
        legs: the carriers' legs that the consumer's audio goes to; None for a one-way stream.
        clock: time in seconds, the same for all runs of a relay.
        timings: how long to wait.
        outbox_limit: how many messages may wait for a slow consumer.
    """

    # Twelve of its 18 methods are those of the `Sink` protocol.

    _consumer: Consumer
    _fork: ForkProtocol
    _return_path: ReturnPath | OneWayPath

    def __init__(
        self,
        dialler: Dialler,
        forks: ForkMaker,
        legs: LegSender | None,
        *,
        clock: Callable[[], float],
        timings: RelayTimings,
        outbox_limit: int = OUTBOX_LIMIT,
    ) -> None:
        self._dialler = dialler
        self._forks = forks
        self._legs = legs
        self._clock = clock
        self._timings = timings
        self._outbox = Outbox(outbox_limit)
        self._opened_at = clock()
        self._posting: asyncio.Task[Never] | None = None

    @override
    async def connect(self) -> None:
        self._consumer = await self._dialler.dial()

    @override
    async def open(
        self, streams: Sequence[StartedStream], snapshot: bytes | None, feed: CallFeed
    ) -> None:
        counters: ForkCounters | None = None
        if snapshot is not None:
            left = msgspec.msgpack.decode(snapshot, type=WebSocketSnapshot)
            counters, self._opened_at = left.counters, left.opened_at
        fork = self._fork = await asyncio.to_thread(self._forks.make, streams, counters)
        if self._legs is None:
            self._return_path = OneWayPath(fork.stream_id, self._clock)
        else:
            self._return_path = ReturnPath(fork, self._legs, feed, self._answer, self._clock)

    @override
    async def run(self) -> Outcome:
        self._outbox.put(self._fork.open(), is_audio=False)
        posting = self._posting = asyncio.create_task(self._return_path.post())
        exchange = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        if self._fork.is_even:
            exchange.append(asyncio.create_task(self._fill()))
        try:
            done, _ = await asyncio.wait([*exchange, posting], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except ConsumerGone as gone:
            if gone.is_normal:
                return Outcome(Ending.CONSUMER)
            return Outcome(Ending.FAILURE, "closed")
        finally:
            for task in exchange:
                task.cancel()
            await asyncio.gather(*exchange, return_exceptions=True)
        raise AssertionError("sending and receiving never end by themselves")

    @override
    def take(self, stream_id: str, event: StreamEvent, received_at: int) -> None:
        if isinstance(event, Halted | Stop | Disconnected | Rejected | Vocabulary):
            return  # the run notices the end itself, and a command within a second
        if self._legs is None and not isinstance(event, Media | Start):
            return  # a one-way stream has audio alone; a start has the audio's format
        if isinstance(event, Mark | Dtmf) and self._outbox.is_crowded:
            # The consumer reads nothing: the message would take memory, and a number of the fork.
            self._outbox.refused += 1
            return
        texts = self._fork.take(stream_id, event, self._elapsed_ms)
        self._outbox.put(texts, is_audio=isinstance(event, Media))

    @override
    def is_settled(self, snapshot: bytes) -> bool:
        return self._outbox.idle

    @override
    async def drained(self) -> None:
        await self._outbox.drained()

    @override
    def snapshot(self) -> bytes:
        left = WebSocketSnapshot(self._fork.counters, self._opened_at)
        return msgspec.msgpack.encode(left)

    @property
    @override
    def dropped(self) -> int:
        return self._outbox.dropped

    @override
    async def flush(self, ending: Ending) -> None:
        """Post the consumer's messages to the carrier."""
        if ending.flushes_return_path:
            await self._return_path.flush(self._timings.finish_patience)

    @override
    async def finish(self, *, is_final: bool) -> bool:
        await self._stop_posting()
        texts = [*self._outbox.take_rest(), *self._fork.flush(is_final=is_final)]
        texts += self._fork.close() if is_final else ()
        with suppress(ConsumerGone, TimeoutError):
            async with asyncio.timeout(self._timings.finish_patience):
                for text in texts:
                    await self._consumer.send(text)
            return True
        return False

    @override
    async def close(self) -> None:
        if self._outbox.refused:
            _logger.warning(
                "%d marks and keys not sent: the consumer reads too slowly", self._outbox.refused
            )
        await self._stop_posting()
        await self._consumer.close(NORMAL)

    async def _stop_posting(self) -> None:
        if self._posting is not None:
            self._posting.cancel()
            await asyncio.gather(self._posting, return_exceptions=True)

    @property
    def _elapsed_ms(self) -> int:
        return round((self._clock() - self._opened_at) * 1000)

    async def _fill(self) -> Never:
        """Send the silence that is due, while nothing else waits."""
        while True:
            await asyncio.sleep(PIECE_SECONDS)
            texts = self._fork.fill(self._elapsed_ms, is_busy=not self._outbox.idle)
            self._outbox.put(texts, is_audio=True)

    async def _send(self) -> Never:
        while True:
            await self._consumer.send(await self._outbox.take())

    async def _receive(self) -> Never:
        while True:
            await self._return_path.receive(await self._consumer.receive())

    def _answer(self, texts: Sequence[str]) -> None:
        """Send the consumer marks and errors, unless it does not read its messages."""
        self._outbox.put(texts, is_audio=False)


@dataclass(frozen=True, slots=True)
class RelayForks(ForkMaker):
    """The forks of one relay."""

    relay: Relay
    streams: StreamStore
    directory: Directory
    l16_byte_order: ByteOrder = "big"

    @override
    def make(self, streams: Sequence[StartedStream], counters: ForkCounters | None) -> ForkProtocol:
        first, relay = streams[0], self.relay
        tenant = self.directory.tenant(relay.tenant_id)
        dialect = str(relay.dialect)
        format_ = fork_format(first.format, relay.codec, relay.sample_rate, dialect)
        known = self.streams.call(relay.tenant_id, relay.call_id)
        call = ForkedCall(
            stream_id=relay.relay_id,
            call_id=relay.call_id,
            account_id=tenant.account_id(relay.surface) if tenant else "",
            format=format_,
            tracks=TRACKS[relay.track],
            parameters=self.streams.parameters(streams) | relay.parameters,
            session_id=first.session_id,
            from_number=first.from_number,
            to_number=first.to_number,
            client_state=known.client_state if known else None,
            handshake_headers=relay.handshake_headers,
        )
        audio = ForkAudio(
            format_,
            {stream.stream_id: stream.format for stream in streams},
            self.l16_byte_order,
        )
        back, is_even = relay.return_format(format_), relay.fill_silence and audio.can_fill
        # In this thread, because the import of a codec takes its time. The oldest stream comes
        # last, because its converters stay.
        for stream in reversed(streams):
            audio.prepare(stream.stream_id, call.tracks, fills=is_even)
        if counters is None:
            self._report(first.format, audio)
        return ForkProtocol(dialect, call, audio, counters, back, is_even=is_even)

    def _report(self, call: AudioFormat, audio: ForkAudio) -> None:
        """Log, once, what the consumer asked for and does not get."""
        relay, fork, extra = self.relay, audio.format, {"relay_id": self.relay.relay_id}
        if relay.codec not in {None, fork.encoding} or (
            relay.sample_rate not in {None, fork.sample_rate, fork.audio_rate}
        ):
            _logger.warning(
                "the fork is not as asked: %s at %d Hz, of a call in %s at %d Hz",
                fork.encoding,
                fork.sample_rate,
                call.encoding,
                call.sample_rate,
                extra=extra,
            )
        if relay.fill_silence and not audio.can_fill:
            _logger.warning("the fork is not even: nothing encodes %s", fork.encoding, extra=extra)
