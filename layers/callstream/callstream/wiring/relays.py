"""Builds the runs of relays: their leases, the sources of their records, and their sinks."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, override
from uuid import uuid4

from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.kinesis_reader import FrameStreamReader, kinesis_client
from callstream.adapters.aws.record_sinks import KinesisSink
from callstream.adapters.aws.secrets_manager import PermanentSecret
from callstream.adapters.network import websockets
from callstream.adapters.network.dns import resolve
from callstream.callbacks.handshakes import HANDSHAKES
from callstream.calls.lifecycle import RelayState
from callstream.calls.model import StartedStream
from callstream.calls.store import StreamStore
from callstream.destinations import ForbiddenDestination, UnknownHost, vet
from callstream.errors import Unavailable
from callstream.frames.record_copies import RecordCopies
from callstream.frames.records import Record
from callstream.relays.invocation import RelayInvocation, RunKind
from callstream.relays.lease import RelayLease
from callstream.relays.model import Relay
from callstream.relays.ports import CallSource, Consumer, DialFailed, Dialler, Feed
from callstream.relays.run import RelayRun
from callstream.relays.sinks.carrier_legs import CarrierLegs
from callstream.relays.sinks.sink import Sink
from callstream.relays.sinks.websocket import RelayForks, WebSocketSink
from callstream.relays.timings import RelayTimings
from callstream.tenants.directory import Directory
from callstream.wiring.notifier import relay_notifier, starter
from callstream.wiring.settings import RelaySettings, is_local, load

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_logger = logging.getLogger(__name__)

# A run without a heartbeat for 20 seconds is replaced (`callstream.relays.sweep`).
_READING_SECONDS: Final = 10.0

# The states in which a relay waits for a run of a kind. A rescue may find that the relay is over,
# and have to notify the tenant.
_WAITS_IN: Final = {
    RunKind.FIRST: {RelayState.REQUESTED},
    RunKind.SUCCESSOR: {RelayState.STREAMING},
    RunKind.RESCUE: {*RelayState},
}


class RelayRunFactory:
    """Makes the runs of this process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._settings = load(RelaySettings, environment)
        self._notifier = relay_notifier(environment)
        self._directory = Directory(DynamoTable(self._settings.directory_table))
        self._starter = starter(environment)
        self._kinesis = kinesis_client()
        self._local = is_local(environment)
        self._connections = ApiConnections(self._settings.connections_url)
        self._timings = RelayTimings()
        frames_stream = self._settings.frames_stream
        self.answers = RecordCopies("answers", lambda: KinesisSink(frames_stream), time.monotonic)
        """Puts what relays have posted on the frames stream."""
        # A new kind of sink is one line more.
        self._sinks = {"websocket": self._websocket_sink}

    def make(self, invocation: RelayInvocation, seconds: float) -> RelayRun | None:
        """Make the run that an invocation asks for; None if the relay does not wait for one.

        Args:
            invocation: which relay, and how the run starts.
            seconds: how long the run may take.
        """
        relays, streams = self._notifier.relays, self._notifier.streams
        relay = relays.get(invocation.tenant_id, invocation.call_id, invocation.relay_id)
        if relay is None or relay.state not in _WAITS_IN[invocation.run_as]:
            return None
        make_sink = self._sinks.get(relay.sink)
        if make_sink is None:
            extra = {"relay_id": relay.relay_id}
            _logger.error("there is no sink of the kind %s", relay.sink, extra=extra)
            return None
        run_id = str(uuid4())
        lease = RelayLease(
            relay=relay,
            relays=relays,
            notifier=self._notifier,
            directory=self._directory,
            starter=self._starter,
            clock=clock.now,
            run_id=run_id,
            follows=invocation.after,
        )
        source = RelaySource(relay, run_id, streams, self._kinesis, self._settings)
        return RelayRun(
            lease,
            source,
            make_sink(relay),
            clock=time.time,
            seconds=seconds,
            timings=self._timings,
        )

    def _callback_master(self) -> str:
        return self._callback_master_secret.value()

    @cached_property
    def _callback_master_secret(self) -> PermanentSecret:
        # Most relays need no secret, and its client takes its time to make.
        return PermanentSecret(self._settings.callback_master_secret)

    def _websocket_sink(self, relay: Relay) -> Sink:
        streams, byte_order = self._notifier.streams, self._settings.l16_byte_order
        legs = CarrierLegs(
            relay, streams, self._connections, clock.now, byte_order, answers=self.answers
        )
        return WebSocketSink(
            RelayDialler(relay, self._directory, self._callback_master, self._local),
            RelayForks(relay, streams, self._directory, byte_order),
            None if relay.target_legs == "none" else legs,
            clock=time.time,
            timings=self._timings,
        )


@dataclass(frozen=True, slots=True)
class RelayDialler(Dialler):
    """Dials one relay's consumer.

    `callback_master` reads the secret that signatures follow from, and `local` is whether this is
    the local stack.
    """

    relay: Relay
    directory: Directory
    callback_master: Callable[[], str]
    local: bool

    @override
    async def dial(self) -> Consumer:
        relay, url = self.relay, self.relay.url or ""
        try:
            destination = await asyncio.to_thread(
                vet, url, relay.url_schemes, resolve, local=self.local
            )
        except ForbiddenDestination:
            raise DialFailed("invalid_url") from None
        except UnknownHost:
            raise DialFailed("unknown_host") from None
        headers = relay.handshake_headers | await asyncio.to_thread(self._signature, url)
        return await websockets.dial(url, destination, headers, trust_any=self.local)

    def _signature(self, url: str) -> dict[str, str]:
        """The headers with the vendor's signature, if the vendor signs. Raises `Unavailable`."""
        sign = HANDSHAKES.get(self.relay.surface)
        tenant = None if sign is None else self.directory.tenant(self.relay.tenant_id)
        if sign is None or tenant is None:
            return {}
        return dict(sign(url, self.callback_master(), tenant.callback_key_id))


@dataclass(frozen=True, slots=True)
class RelaySource(CallSource):
    """The streams of one relay's call, for one of its runs."""

    relay: Relay
    run_id: str
    streams: StreamStore
    kinesis: "KinesisClient"
    settings: RelaySettings

    @override
    def open_streams(self) -> Sequence[StartedStream]:
        return self.streams.open_streams(self.relay.tenant_id, self.relay.call_id)

    @override
    def streams_since(self, moment: float) -> Sequence[StartedStream]:
        since_ms = round(moment * 1000)
        return self.streams.streams_since(self.relay.tenant_id, self.relay.call_id, since_ms)

    @override
    def records_since(self, stream_ids: Collection[str], moment: float) -> Sequence[Record]:
        since = datetime.fromtimestamp(moment, UTC)
        reader = FrameStreamReader(self.kinesis, self.settings.frames_stream, since)
        return read_up(reader, stream_ids)

    @override
    async def open_feed(self) -> Feed:
        url = self.settings.relay_url
        return await websockets.open_feed(url, self.relay.identity, self.run_id)


def read_up(
    reader: FrameStreamReader,
    stream_ids: Collection[str],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Record]:
    """The records of streams from where a reader is until now, or what can be read in 10 seconds.

    If many relays read at once, Kinesis refuses some requests for a moment; they are repeated.
    """
    found: list[Record] = []
    until = clock() + _READING_SECONDS
    while clock() < until:
        try:
            arrivals = reader.poll()
        except Unavailable as error:
            _logger.warning("what was missed is read again: %s", error)
        else:
            found += [
                arrival.record
                for arrival in arrivals
                if arrival.partition_key in stream_ids and isinstance(arrival.record, Record)
            ]
            if reader.caught_up:
                return found
        sleep(reader.seconds_until_due())
    _logger.error("not all that was missed could be read; the consumer may have a gap")
    return found
