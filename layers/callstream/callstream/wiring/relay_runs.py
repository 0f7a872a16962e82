"""Builds the runs of relays: their leases, and the sources of their records. Builds no sink."""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, override
from uuid import uuid4

from callstream.adapters import clock
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.kinesis_backlog import KinesisBacklog
from callstream.adapters.aws.kinesis_reader import FrameStreamReader, kinesis_client
from callstream.adapters.network import websockets
from callstream.calls.lifecycle import RelayState
from callstream.calls.model import StartedStream
from callstream.calls.store import StreamStore
from callstream.frames.record_copies import RecordCopies
from callstream.relays.invocation import RelayInvocation, RunKind
from callstream.relays.lease import RelayLease
from callstream.relays.model import Relay
from callstream.relays.ports import Backlog, CallSource, Feed
from callstream.relays.read_turns import MOST_RECORDS, ReadTurns
from callstream.relays.run import RelayRun
from callstream.relays.sinks.sink import Rest, Sink
from callstream.relays.timings import RelayTimings
from callstream.tenants.directory import Directory
from callstream.wiring.notifier import relay_notifier, starter
from callstream.wiring.settings import RunSettings, TableSettings, load

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_logger = logging.getLogger(__name__)

# Lambda freezes the process when the handler returns.
_FLUSH_SECONDS: Final = 2.0

# The states in which a relay waits for a run of a kind. A rescue may find that the relay is over,
# and have to notify the tenant.
_WAITS_IN: Final = {
    RunKind.FIRST: {RelayState.REQUESTED},
    RunKind.SUCCESSOR: {RelayState.STREAMING},
    RunKind.RESCUE: {*RelayState},
}


class RunFactory(Protocol):
    """Makes the runs of one function. `copies` puts copies of their output on the frames stream."""

    copies: RecordCopies

    def make(self, invocation: RelayInvocation, seconds: float) -> RelayRun | None:
        """Make the run that an invocation asks for; None if there is nothing to run here."""


def run_once(factory: RunFactory, event: Mapping[str, Any], seconds: float) -> None:
    """Do the run that a Lambda event asks for, within so many seconds."""
    invocation = RelayInvocation.decode(event)
    run = factory.make(invocation, seconds)
    if run is None:
        return
    try:
        outcome = asyncio.run(run.run(invocation.run_as))
    finally:
        factory.copies.flush(_FLUSH_SECONDS)
    _logger.info("run over: %s", outcome, extra={"relay_id": invocation.relay_id})


class RelayRuns:
    """Makes the runs of this process. Raises msgspec.ValidationError if a setting is missing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.settings = load(RunSettings, environment)
        self.notifier = relay_notifier(environment)
        self.directory = Directory(DynamoTable(self.settings.directory_table))
        self.starter = starter(environment)
        self.timings = RelayTimings()
        self._kinesis = kinesis_client()
        streams_table = DynamoTable(load(TableSettings, environment).streams_table)
        self._turns = ReadTurns(streams_table, time.time)

    def waiting(self, invocation: RelayInvocation) -> Relay | None:
        """The relay of an invocation; None if the relay does not wait for such a run."""
        relay = self.notifier.relays.get(
            invocation.tenant_id, invocation.call_id, invocation.relay_id
        )
        if relay is None or relay.state not in _WAITS_IN[invocation.run_as]:
            extra = {"relay_id": invocation.relay_id}
            _logger.warning("no such relay, or it has been started before", extra=extra)
            return None
        return relay

    def make(
        self, relay: Relay, sink: Sink, invocation: RelayInvocation, seconds: float
    ) -> RelayRun:
        """Make the run of a relay that an invocation asks for, which may take so many seconds."""
        run_id = str(uuid4())
        lease = RelayLease(
            relay=relay,
            relays=self.notifier.relays,
            notifier=self.notifier,
            directory=self.directory,
            starter=self.starter,
            clock=clock.now,
            run_id=run_id,
            follows=invocation.after,
            gives_rest=sink.rest is not Rest.NOTHING,
        )
        return RelayRun(
            lease,
            RelaySource(
                relay, run_id, self.notifier.streams, self._kinesis, self._turns, self.settings
            ),
            sink,
            clock=time.time,
            seconds=seconds,
            timings=self.timings,
            since=None if relay.since is None else relay.since / 1000,
        )


@dataclass(frozen=True, slots=True)
class RelaySource(CallSource):
    """The streams of one relay's call, for one of its runs."""

    relay: Relay
    run_id: str
    streams: StreamStore
    kinesis: "KinesisClient"
    turns: ReadTurns
    settings: RunSettings

    @override
    def open_streams(self) -> Sequence[StartedStream]:
        return self.streams.open_streams(self.relay.tenant_id, self.relay.call_id)

    @override
    def streams_since(self, moment: float) -> Sequence[StartedStream]:
        since_ms = round(moment * 1000)
        return self.streams.streams_since(self.relay.tenant_id, self.relay.call_id, since_ms)

    @override
    def backlog(self, stream_ids: Collection[str], moment: float) -> Backlog:
        def open_reader() -> FrameStreamReader:
            return FrameStreamReader(
                self.kinesis,
                self.settings.frames_stream,
                datetime.fromtimestamp(moment, UTC),
                # The other shards' limits are for the calls there.
                partition_keys=stream_ids,
                poll_seconds=0.0,
                most_records=MOST_RECORDS,
                admit=self.turns.take,
                clock=time.time,
            )

        return KinesisBacklog(open_reader, stream_ids)

    @override
    async def open_feed(self) -> Feed:
        url = self.settings.relay_url
        return await websockets.open_feed(url, self.relay.identity, self.run_id)
