"""What a running relay works with."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.kinesis_reader import FrameStreamReader, kinesis_client
from callstream.adapters.network import websockets
from callstream.adapters.network.dns import resolve
from callstream.calls.lifecycle import RelayState
from callstream.destinations import ForbiddenDestination, UnknownHost, vet
from callstream.errors import Unavailable
from callstream.frames.records import Record
from callstream.relays.invocation import RelayInvocation, RunKind
from callstream.relays.lease import Office
from callstream.relays.run import Consumer, DialFailed, RelayPorts
from callstream.relays.sinks.carrier_legs import Legs
from callstream.relays.store import Relay
from callstream.tenants.directory import Directory
from callstream.wiring.notifier import relay_notifier, starter
from callstream.wiring.settings import RelaySettings, is_local, load

_logger = logging.getLogger(__name__)

# A run that says nothing for 20 seconds is replaced (`callstream.relays.sweep`).
_READING_SECONDS: Final = 10.0

# How each vendor's contract lets a consumer be addressed, and how it proves who calls.
_SCHEMES: Final = {"telnyx": {"ws", "wss"}, "signalwire": {"wss"}}


def _headers(relay: Relay) -> dict[str, str]:
    if relay.auth_token is None:
        return {}
    if relay.surface == "telnyx":
        return {"x-telnyx-streaming-auth-token": relay.auth_token}
    return {"Authorization": f"Bearer {relay.auth_token}"}


class RelayRunFactory:
    """What all relays of this process have in common."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        settings = load(RelaySettings, environment)
        self._settings = settings
        self._news = relay_notifier(environment)
        self._directory = Directory(DynamoTable(settings.directory_table))
        self._starter = starter(environment)
        self._kinesis = kinesis_client()
        self._local = is_local(environment)
        self._connections = ApiConnections(settings.connections_url)

    def ports(self, invocation: RelayInvocation, seconds: float) -> RelayPorts | None:
        """What a relay works with; None if there is none that waits to be run.

        Args:
            invocation: which relay, and how the run starts.
            seconds: how long the run may take.
        """
        relay = self._news.relays.get(invocation.tenant_id, invocation.call_id, invocation.relay_id)
        # One that shall rescue a relay which is over may have to tell so.
        waits_in = {
            RunKind.FIRST: RelayState.REQUESTED,
            RunKind.SUCCESSOR: RelayState.STREAMING,
        }
        if relay is None or relay.state is not waits_in.get(invocation.run_as, relay.state):
            return None
        run_id = str(uuid4())
        office = Office(
            relay=relay,
            news=self._news,
            directory=self._directory,
            starter=self._starter,
            run_id=run_id,
            follows=invocation.after,
            l16_byte_order=self._settings.l16_byte_order,
        )
        return RelayPorts(
            dial=lambda: self._dial(relay),
            open_feed=lambda: websockets.open_feed(
                self._settings.relay_url, relay.identity, run_id
            ),
            missed=self._missed,
            office=office,
            legs=Legs(
                relay,
                self._news.streams,
                self._connections,
                clock.now,
                self._settings.l16_byte_order,
            ),
            make_fork=office.fork,
            clock=time.time,
            seconds=seconds,
        )

    async def _dial(self, relay: Relay) -> Consumer:
        local, url = self._local, relay.url or ""
        schemes = _SCHEMES[relay.surface]
        try:
            destination = await asyncio.to_thread(vet, url, schemes, resolve, local=local)
        except ForbiddenDestination:
            raise DialFailed("invalid_url") from None
        except UnknownHost:
            raise DialFailed("unknown_host") from None
        return await websockets.dial(url, destination, _headers(relay), trust_any=local)

    async def _missed(self, stream_ids: Collection[str], since: float) -> Sequence[Record]:
        return await asyncio.to_thread(self._read, stream_ids, since)

    def _read(self, stream_ids: Collection[str], since: float) -> list[Record]:
        """All records of streams that came to Kinesis from a moment on until now."""
        reader = FrameStreamReader(
            self._kinesis, self._settings.frames_stream, datetime.fromtimestamp(since, UTC)
        )
        return read_up(reader, stream_ids)


def read_up(
    reader: FrameStreamReader,
    stream_ids: Collection[str],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Record]:
    """The records of streams from where a reader is until now, or what can be read in 10 seconds.

    Of what many relays read at once, Kinesis refuses some for a moment: that is tried again.
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
