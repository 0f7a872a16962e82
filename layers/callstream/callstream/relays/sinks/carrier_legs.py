"""Finds the carriers' legs that a consumer's audio goes to, and sends to them.

The legs are looked up at most once a second, not for each piece of audio. Each leg's connection has
a converter of its own, because codecs and resampling keep state from piece to piece. The converted
audio is cut again: a consumer's packets may be shorter than 20 ms, and so may be resampled audio.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Final, override

from callstream.audio.conversion import UnusableAudio, converter
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.audio.packetizer import Packetizer
from callstream.calls.model import StartedStream
from callstream.calls.store import StreamStore
from callstream.dialects import DIALECTS
from callstream.dialects.events import Clear, ReturnEvent, ReturnMark, ReturnMedia
from callstream.errors import CallstreamError, Inexpressible, Unavailable, Undeliverable
from callstream.frames.record_copies import RecordCopies
from callstream.frames.records import AnswerEvent, Cleared, Record, Returned
from callstream.ports import Connections
from callstream.relays.model import Relay
from callstream.relays.sinks.posting import LegSender, ReturnPackets

_LIFETIME: Final = timedelta(seconds=1)


class LegCache:
    """The streams that a consumer's audio goes to, as they were at most a second ago."""

    def __init__(self) -> None:
        self._legs: Sequence[StartedStream] = ()
        self._until: datetime | None = None
        self._gone: set[str] = set()

    def is_fresh(self, now: datetime) -> bool:
        """Whether the legs need not be looked up."""
        return self._until is not None and now < self._until

    def update(self, legs: Iterable[StartedStream], now: datetime) -> None:
        """Keep legs that were looked up."""
        self._legs, self._until = tuple(legs), now + _LIFETIME
        self._gone &= self.connection_ids

    @property
    def connection_ids(self) -> set[str]:
        """The connections of the legs, those that are gone too."""
        return {leg.connection_id for leg in self._legs}

    def legs(self) -> Sequence[StartedStream]:
        """Of each leg, the streams that may play return audio; none whose connection is gone."""
        legs: defaultdict[str, list[StartedStream]] = defaultdict(list)
        for stream in self._legs:
            if stream.connection_id not in self._gone:
                legs[stream.call_id].append(stream)
        return [stream for streams in legs.values() for stream in _playing(streams)]

    def extend(self, now: datetime) -> bool:
        """Keep the known legs after a failed look-up; False if no leg is known."""
        self._until = now + _LIFETIME if self._legs else self._until
        return bool(self._legs)

    def lose(self, connection_id: str) -> None:
        """Forget a connection that is gone. A new one may replace it, so the legs are stale."""
        self._gone.add(connection_id)
        self._until = None


def _playing(streams: Sequence[StartedStream]) -> Sequence[StartedStream]:
    """The streams of a leg among which its bidirectional stream is.

    Twilio and SignalWire document that a bidirectional stream has the inbound track alone, and that
    a one-way stream plays nothing. Telnyx does not say which tracks a stream has.
    """
    inbound = [stream for stream in streams if {*stream.tracks} == {"inbound"}]
    return inbound or [each for each in streams if {*each.tracks} != {"outbound"}] or streams


class _LegAudio:
    """Converts audio into one leg's format, in whole pieces or packets.

    Raises:
        UnusableAudio: there is no way from one format to the other.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat, byte_order: ByteOrder) -> None:
        self._converter = converter(source, target, byte_order)
        is_uneven = source.is_packets or source.audio_rate != target.audio_rate
        self._packetizer = Packetizer(target) if target.byte_rate and is_uneven else None

    def convert(self, packets: Iterable[bytes]) -> tuple[list[bytes], UnusableAudio | None]:
        """The payloads that these packets complete, and what is wrong with one of them."""
        payloads, problem = list[bytes](), None
        for packet in packets:
            try:
                payloads += self._converter.convert(packet)
            except UnusableAudio as unusable:
                problem = unusable
        if self._packetizer is not None:
            payloads = _joined(self._packetizer.cut(b"".join(payloads)))
        return payloads, problem

    def flush(self) -> list[bytes]:
        """The audio that is still held, filled up with silence."""
        payloads = self._converter.flush()
        if self._packetizer is None:
            return payloads
        return _joined([*self._packetizer.cut(b"".join(payloads)), *self._packetizer.rest()])

    def forget(self) -> None:
        """Forget the audio that is held; other audio begins."""
        self._converter.forget()
        if self._packetizer is not None:
            self._packetizer.forget()


def _joined(pieces: Sequence[bytes]) -> list[bytes]:
    return [b"".join(pieces)] if pieces else []


@dataclass(frozen=True, slots=True)
class CarrierLegs(LegSender):
    """The legs that the audio of one relay's consumer goes to. `clock` gives the present."""

    relay: Relay
    streams: StreamStore
    connections: Connections
    clock: Callable[[], datetime]
    l16_byte_order: ByteOrder = "big"
    cache: LegCache = field(default_factory=LegCache)
    # By connection.
    audio: "dict[str, _LegAudio]" = field(default_factory=dict)
    answers: RecordCopies | None = None
    """Takes records of what is posted."""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @override
    async def send_back(
        self, event: ReturnEvent, return_format: AudioFormat, *, ends_speech: bool = False
    ) -> Collection[str]:
        if isinstance(event, Clear):
            for each in self.audio.values():
                each.forget()
        tried: dict[str, StartedStream] = {}
        problems: list[CallstreamError] = []
        while new := [leg for leg in await self._targets() if leg.connection_id not in tried]:
            tried |= {leg.connection_id: leg for leg in new}
            # At once: a leg may be slow to reach, and each piece has 20 ms.
            posts = (
                asyncio.to_thread(self._post, leg, event, return_format, ends_speech=ends_speech)
                for leg in new
            )
            found = await asyncio.gather(*posts)
            problems += [problem for problem in found if problem is not None]
        if not tried and isinstance(event, ReturnMedia | ReturnMark):
            legs = self.relay.target_legs
            problems.append(UnusableAudio(f"the call has no such leg: the target legs are {legs}"))
        if problems:
            raise problems[0]
        return self._others(tried.values())

    @override
    async def other_legs(self) -> Collection[str]:
        return set() if self.relay.target_legs == "self" else self._others(await self._targets())

    def _others(self, legs: Iterable[StartedStream]) -> set[str]:
        return {leg.stream_id for leg in legs if leg.call_id != self.relay.call_id}

    def _post(
        self,
        leg: StartedStream,
        event: ReturnEvent,
        return_format: AudioFormat,
        *,
        ends_speech: bool,
    ) -> CallstreamError | None:
        """Send to one leg. Returns the error, so that the other legs still get the message."""
        dialect = DIALECTS.get(leg.dialect)
        if dialect is None:
            return None  # a client that streams its own audio plays nothing
        try:
            if isinstance(event, ReturnMedia) and leg.connection_id not in self.audio:
                audio = _LegAudio(return_format, leg.format, self.l16_byte_order)
                self.audio[leg.connection_id] = audio
            messages, problem = self._converted(leg, event, ends_speech=ends_speech)
            for each in messages:
                text = dialect.render_return(each, leg.carrier_stream_id)
                if not self.connections.post(leg.connection_id, text.encode()):
                    self.cache.lose(leg.connection_id)
                    self.audio.pop(leg.connection_id, None)
                    break
                self._record(leg, each)
        except Inexpressible:
            return None
        except (UnusableAudio, Unavailable, Undeliverable) as failure:
            return failure
        return problem

    def _record(self, leg: StartedStream, posted: ReturnEvent) -> None:
        relay_id = self.relay.relay_id
        match posted:
            case ReturnMedia(audio=audio):
                event: AnswerEvent = Returned(relay_id, next(self.numbers), audio)
            case Clear():
                event = Cleared(relay_id, next(self.numbers))
            case _:
                return
        if self.answers is not None:
            at = round(self.clock().timestamp() * 1000)
            self.answers.put(Record(leg.stream_id, leg.tenant_id, leg.route, None, at, event))

    def _converted(
        self, leg: StartedStream, event: ReturnEvent, *, ends_speech: bool
    ) -> tuple[list[ReturnEvent], UnusableAudio | None]:
        """The messages in a leg's codec, and what is wrong with a part of the audio."""
        audio, payloads, problem = self.audio.get(leg.connection_id), list[bytes](), None
        if audio and isinstance(event, ReturnMedia) and event.audio:
            packets = event.packets if isinstance(event, ReturnPackets) else (event.audio,)
            payloads, problem = audio.convert(packets)
        if audio and ends_speech:
            payloads += audio.flush()
        others = [] if isinstance(event, ReturnMedia) else [event]
        return [*map(ReturnMedia, payloads), *others], problem

    async def _targets(self) -> Sequence[StartedStream]:
        cache, now = self.cache, self.clock()
        if not cache.is_fresh(now):
            try:
                cache.update(await asyncio.to_thread(lambda: [*self._find_targets()]), now)
                # A carrier may connect again and again.
                for connection_id in set(self.audio) - cache.connection_ids:
                    self.audio.pop(connection_id, None)
            except Unavailable:
                if not cache.extend(now):
                    raise
        return cache.legs()

    def _find_targets(self) -> Iterator[StartedStream]:
        relay, legs = self.relay, self.relay.target_legs
        if legs in {"self", "both"}:
            yield from self.streams.open_streams(relay.tenant_id, relay.call_id)
        if legs in {"opposite", "both"}:
            # A call with one leg has no others.
            for call_id in self.streams.other_legs(relay.tenant_id, relay.call_id):
                yield from self.streams.open_streams(relay.tenant_id, call_id)
