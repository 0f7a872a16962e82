"""Builds the runs of dialogues with virtual agents."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import override

from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.store import StreamStore
from callstream.dialogues.kept_replies import ReplyStore
from callstream.dialogues.virtual_agent import AgentFailed, VirtualAgent
from callstream.frames.record_copies import RecordCopies
from callstream.relays.dialogue_reports import QueuedReports
from callstream.relays.invocation import RelayInvocation, RunKind
from callstream.relays.model import Relay
from callstream.relays.run import RelayRun
from callstream.relays.sinks.carrier_legs import CarrierLegs
from callstream.relays.sinks.dialogue import DialogueCall, DialogueSink
from callstream.wiring.connections import keyed_connections
from callstream.wiring.media import patient_sink
from callstream.wiring.relay_runs import RelayRuns
from callstream.wiring.settings import (
    ConnectionsSettings,
    TableSettings,
    dialogflow_endpoint,
    load,
)


class DialogueRunFactory:
    """Makes the runs of this process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # Here, because Lambda gives a function more CPU while it starts.
        from callstream.adapters.google.dialogflow import DialogflowAgent  # noqa: PLC0415

        self._service = DialogflowAgent
        self._runs = RelayRuns(environment)
        self._connections = keyed_connections(environment)
        self._endpoint = dialogflow_endpoint(environment)
        self._table = DynamoTable(load(TableSettings, environment).streams_table)
        self._carriers = ApiConnections(load(ConnectionsSettings, environment).connections_url)
        frames_stream = self._runs.settings.frames_stream
        self.copies = RecordCopies("answers", lambda: patient_sink(frames_stream), time.monotonic)
        """Puts what relays have posted on the frames stream."""

    def make(self, invocation: RelayInvocation, seconds: float) -> RelayRun | None:
        """Make the run that an invocation asks for; None if the relay does not wait for one.

        Args:
            invocation: which relay, and how the run starts.
            seconds: how long the run may take.
        """
        relay = self._runs.waiting(invocation)
        if relay is None or relay.sink != "dialogflow":
            return None
        runs, streams = self._runs, self._runs.notifier.streams
        byte_order = runs.settings.l16_byte_order
        sink = DialogueSink(
            relay,
            partial(self._agent, relay),
            CarrierLegs(relay, streams, self._carriers, clock.now, byte_order, answers=self.copies),
            keeper=ReplyStore(self._table, relay.identity),
            reporter=QueuedReports(runs.notifier, relay, runs.directory.tenant(relay.tenant_id)),
            call=CarrierCall(relay, streams),
            is_first=invocation.run_as is RunKind.FIRST,
            clock=time.time,
            timings=runs.timings,
            l16_byte_order=byte_order,
        )
        return runs.make(relay, sink, invocation, seconds)

    def _agent(self, relay: Relay) -> VirtualAgent:
        """The agent that a relay talks with.

        Raises:
            AgentFailed: the connection was deleted, or is none that the service could take.
            Unavailable: the connection, or its key, cannot be read.
        """
        dialogue = relay.dialogue
        opened = dialogue and self._connections.open(relay.tenant_id, dialogue.connection_id)
        if not opened:
            raise AgentFailed("no_connection")
        return self._service(*opened, self._endpoint)


@dataclass(frozen=True, slots=True)
class CarrierCall(DialogueCall):
    """What the Streams table knows of a relay's call."""

    relay: Relay
    streams: StreamStore

    @override
    def started_at(self) -> int | None:
        call = self.streams.call(self.relay.tenant_id, self.relay.call_id)
        return None if call is None else call.started_at

    @override
    def encoding(self) -> str:
        streams = self.streams.open_streams(self.relay.tenant_id, self.relay.call_id)
        return streams[0].format.encoding if streams else "PCMU"
