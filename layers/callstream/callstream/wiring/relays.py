"""Builds the runs of forks, and forwards those of other sinks to their own functions."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, override

from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.secrets_manager import PermanentSecret
from callstream.adapters.network import websockets
from callstream.adapters.network.dns import resolve
from callstream.callbacks.handshakes import HANDSHAKES
from callstream.destinations import ForbiddenDestination, UnknownHost, vet
from callstream.frames.record_copies import RecordCopies
from callstream.identity import SinkKind
from callstream.relays.invocation import RelayInvocation
from callstream.relays.model import Relay
from callstream.relays.ports import Consumer, DialFailed, Dialler
from callstream.relays.run import RelayRun
from callstream.relays.sinks.carrier_legs import CarrierLegs
from callstream.relays.sinks.sink import Sink
from callstream.relays.sinks.websocket import RelayForks, WebSocketSink
from callstream.tenants.directory import Directory
from callstream.wiring.media import patient_sink
from callstream.wiring.relay_runs import RelayRuns
from callstream.wiring.settings import (
    ConsumerSettings,
    SinkFunctionSettings,
    is_local,
    load,
)

_logger = logging.getLogger(__name__)

# Why a relay fails whose sink has a function that is not deployed.
_UNDEPLOYED: Final[Mapping[SinkKind, str]] = {
    "transcription": "no_transcriber",
    "dialogflow": "no_virtual_agent",
}


class RelayRunFactory:
    """Makes the runs of forks; those of sinks with functions of their own are forwarded to them.

    Such a sink needs more memory, and libraries of its own.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._runs = RelayRuns(environment)
        self._settings = load(ConsumerSettings, environment)
        functions = load(SinkFunctionSettings, environment)
        self._functions: Mapping[SinkKind, str] = {
            "transcription": functions.transcription_function,
            "dialogflow": functions.dialogflow_function,
        }
        self._local = is_local(environment)
        self._connections = ApiConnections(self._settings.connections_url)
        frames_stream = self._runs.settings.frames_stream
        self.copies = RecordCopies("answers", lambda: patient_sink(frames_stream), time.monotonic)
        """Puts what relays have posted on the frames stream."""

    def make(self, invocation: RelayInvocation, seconds: float) -> RelayRun | None:
        """Make the run that an invocation asks for; None if there is nothing to run here.

        Args:
            invocation: which relay, and how the run starts.
            seconds: how long the run may take.

        Raises:
            Unavailable: the invocation could not be forwarded.
        """
        relay = self._runs.waiting(invocation)
        if relay is None:
            return None
        if relay.sink == "websocket":
            return self._runs.make(relay, self._websocket_sink(relay), invocation, seconds)
        if function := self._functions[relay.sink]:
            self._runs.starter.forward(invocation, function)
        else:
            extra = {"relay_id": invocation.relay_id}
            _logger.error("there is no function for the sink %s", relay.sink, extra=extra)
            self._runs.notifier.failed(relay, _UNDEPLOYED[relay.sink])
        return None

    def _callback_master(self) -> str:
        return self._callback_master_secret.value()

    @cached_property
    def _callback_master_secret(self) -> PermanentSecret:
        # Most relays need no secret, and its client takes its time to make.
        return PermanentSecret(self._settings.callback_master_secret)

    def _websocket_sink(self, relay: Relay) -> Sink:
        streams, byte_order = self._runs.notifier.streams, self._runs.settings.l16_byte_order
        legs = CarrierLegs(
            relay, streams, self._connections, clock.now, byte_order, answers=self.copies
        )
        return WebSocketSink(
            RelayDialler(relay, self._runs.directory, self._callback_master, self._local),
            RelayForks(relay, streams, self._runs.directory, byte_order),
            None if relay.target_legs == "none" else legs,
            clock=time.time,
            timings=self._runs.timings,
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
