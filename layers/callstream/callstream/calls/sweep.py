"""The sweep of streams: closes dead streams, and keeps one-way connections from being cut.

API Gateway calls `$disconnect` on best effort, so a stream whose connection is gone may stay open
in the table. A stream is quiet when no record of it has been counted for a while
(`callstream.calls.counters`). That alone proves nothing, since nothing is counted in an outage of
Kinesis: the sweep asks API Gateway about the connections of quiet streams.

CloudFront closes a connection on which nothing has gone to the client for 10 minutes, and nothing
does on a one-way stream. So the sweep sends a mark now and then. A mark is the only message that
every carrier documents and that neither plays nor stops anything. A carrier with nothing to play
returns the mark at once; on a one-way stream the carrier ignores it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import batched
from typing import Final

from msgspec.structs import replace

from callstream.calls.call_requests import CONNECTION_LIMIT
from callstream.calls.lifecycle import StreamState
from callstream.calls.model import MediaStream, StartedStream
from callstream.calls.store import StreamStore
from callstream.dialects import DIALECTS
from callstream.dialects.events import ReturnMark
from callstream.errors import Unavailable
from callstream.frames.publisher import ReceivedEvent
from callstream.frames.records import Disconnected
from callstream.identity import StreamIdentity
from callstream.ports import Connections
from callstream.rounds import READ_AT_ONCE, Allowance, Rounds
from callstream.times import from_milliseconds, milliseconds

QUIET: Final = timedelta(seconds=60)
"""A stream of which nothing has been counted for so long is quiet."""
SILENT: Final = timedelta(minutes=10)
"""API Gateway itself closes a connection without a message after so long."""
OVERDUE: Final = CONNECTION_LIMIT + timedelta(minutes=10)
"""A stream that is older than this has lost its connection, whatever API Gateway says."""
KEEP_ALIVE_MARK: Final = "callstream-keep-alive"
ABNORMAL: Final = 1006
"""The close code of a connection that ended without a closing handshake."""

READ_TOGETHER: Final = 100
"""The most items that DynamoDB reads in one request."""

# Activity within 10 s of our own mark is the mark or the carrier's answer to it.
_OWN: Final = timedelta(seconds=10)


class StreamStep(StrEnum):
    """What a stream needs."""

    LEAVE = "leave"
    ASK = "ask"
    """Ask API Gateway. If nothing else has to be done then, the connection is alive."""
    KEEP_ALIVE = "keep alive"
    CLOSE = "close"


def next_step(stream: MediaStream, now: datetime, keep_alive: timedelta | None) -> StreamStep:
    """What an open stream needs, as far as its item alone says.

    Args:
        stream: the stream.
        now: the present.
        keep_alive: how often something must be sent to the carrier; None if never.
    """
    if now - from_milliseconds(stream.connected_at) >= OVERDUE:
        return StreamStep.CLOSE
    if now - from_milliseconds(stream.seen_at) >= QUIET:
        return StreamStep.ASK
    if (
        keep_alive is not None
        and isinstance(stream, StartedStream)
        and stream.state is StreamState.STREAMING
        and stream.dialect in DIALECTS
    ):
        sent_at = from_milliseconds(max(stream.connected_at, stream.kept_alive_at or 0))
        if now - sent_at >= keep_alive:
            return StreamStep.KEEP_ALIVE
    return StreamStep.LEAVE


@dataclass(frozen=True, slots=True)
class StreamSweep:
    """One round over all live streams.

    Args:
        streams: the store of streams.
        connections: the carriers' connections.
        publish: puts an event on the frames stream, as `frames.publisher.Publisher.publish` does.
        keep_alive: how often something must be sent to a carrier; None if never.
        rounds: keeps where a round has stopped.
    """

    streams: StreamStore
    connections: Connections
    publish: Callable[[StreamIdentity, int, ReceivedEvent], None]
    keep_alive: timedelta | None
    rounds: Rounds[str]

    def run(self, now: datetime, allowance: Allowance) -> dict[StreamStep, int]:
        """Do what each stream needs; an error with one stream does not stop the round.

        Args:
            now: the present.
            allowance: the time for the round.

        Returns:
            How many streams needed what.

        Raises:
            Unavailable: the live streams cannot be read.
        """
        start = self.rounds.position()
        needy, healthy, read_to = self._survey(start.read_to, now, allowance.share(1 / 2))
        steps = self.rounds.run(
            needy,
            lambda key: self._take_step(key, now),
            allowance,
            start=start,
            read_to=read_to,
        )
        steps[StreamStep.LEAVE] = steps.get(StreamStep.LEAVE, 0) + healthy
        return dict.fromkeys(StreamStep, 0) | steps

    def _survey(
        self, after: tuple[str, ...], now: datetime, allowance: Allowance
    ) -> tuple[dict[str, dict[str, str]], int, tuple[str, ...]]:
        """The ids of streams that need a step, by tenant; the number of other streams.

        The index has no tenants, so the streams themselves are read, many at once. The third value
        is where the reading has stopped.
        """
        needy: dict[str, dict[str, str]] = {}
        healthy = 0
        ids = self.streams.live_ids(*after)
        for count, some in enumerate(batched(ids, READ_TOGETHER, strict=False), 1):
            for stream in self.streams.glance(dict.fromkeys(some)):
                if not stream.is_open:
                    continue
                if next_step(stream, now, self.keep_alive) is StreamStep.LEAVE:
                    healthy += 1
                else:
                    needy.setdefault(stream.tenant_id, {})[stream.stream_id] = stream.stream_id
            if count * READ_TOGETHER >= READ_AT_ONCE or allowance.is_up:
                return needy, healthy, (some[-1],)
        return needy, healthy, ()

    def _take_step(self, stream_id: str, now: datetime) -> StreamStep | None:
        stream = self.streams.live_stream(stream_id)
        if stream is None:
            return None
        step = next_step(stream, now, self.keep_alive)
        asks = step is StreamStep.ASK
        if asks:
            step = self._step_of_connection(stream, now)
        if step is StreamStep.KEEP_ALIVE and isinstance(stream, StartedStream):
            step = step if self._keep_alive(stream, now) else StreamStep.CLOSE
        if step is StreamStep.CLOSE:
            self._close(stream, now)
        return StreamStep.ASK if asks and step is StreamStep.LEAVE else step

    def _step_of_connection(self, stream: MediaStream, now: datetime) -> StreamStep:
        """What a quiet stream needs, by what API Gateway says of its connection."""
        active_at = self.connections.active_at(stream.connection_id)
        if active_at is None:
            return StreamStep.CLOSE
        own_until = from_milliseconds(stream.kept_alive_at or 0) + _OWN
        if now <= own_until:
            return StreamStep.LEAVE
        if active_at <= own_until:
            # The activity was our own mark, and says nothing of the carrier.
            silent_for = now - from_milliseconds(stream.seen_at)
            return StreamStep.CLOSE if silent_for >= SILENT else StreamStep.LEAVE
        if now - active_at >= SILENT:
            return StreamStep.CLOSE
        # Frames come and are not counted at present: keep the connection alive all the same.
        counted = replace(stream, last_seen_at=milliseconds(now))
        return next_step(counted, now, self.keep_alive)

    def _keep_alive(self, stream: StartedStream, now: datetime) -> bool:
        """Send a mark; False if the connection is gone."""
        dialect = DIALECTS[stream.dialect]
        mark = dialect.render_return(ReturnMark(KEEP_ALIVE_MARK), stream.carrier_stream_id)
        if not self.connections.post(stream.connection_id, mark.encode()):
            return False
        self.streams.record_keep_alive(stream.stream_id, now)
        return True

    def _close(self, stream: MediaStream, now: datetime) -> None:
        try:
            self.connections.close(stream.connection_id)
        except Unavailable:
            if now - from_milliseconds(stream.connected_at) < OVERDUE:
                raise
        identity = StreamIdentity(stream.stream_id, stream.tenant_id, stream.route)
        disconnected = Disconnected(code=ABNORMAL, reason="swept: the connection is gone or quiet")
        # The record first, as in `$disconnect`: the frames stream is complete if the state is lost.
        self.publish(identity, milliseconds(now), ReceivedEvent(disconnected))
        self.streams.disconnect(stream.stream_id, now)
