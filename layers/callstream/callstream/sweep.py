"""The sweep: closes streams that have gone quiet, and keeps one-way connections from being cut.

API Gateway calls `$disconnect` on best effort, so a stream whose socket is gone may stay open in
the table. A stream is quiet when no record of it has been counted for a while (`callstream.tally`).
That alone proves nothing, since in an outage of Kinesis nothing is counted: API Gateway is asked.

CloudFront closes a connection on which nothing has gone to the client for 10 minutes, and on a
one-way stream nothing does. So the sweep sends a mark now and then. It is the only message that
every carrier documents and that plays nothing and stops nothing; a carrier with nothing to play
returns it at once, or, on a one-way stream, does not heed it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from callstream.calls import CONNECTION_LIMIT
from callstream.dialects import DIALECTS
from callstream.dialects.events import ReturnMark
from callstream.errors import CallstreamError
from callstream.identity import StreamIdentity
from callstream.ingest import Heard
from callstream.ports import Connections, Item
from callstream.records import Disconnected
from callstream.streams import StreamStore
from callstream.times import milliseconds

QUIET: Final = timedelta(seconds=60)
"""How long nothing has been counted of a stream before API Gateway is asked about it."""
SILENT: Final = timedelta(minutes=10)
"""After so long without a message API Gateway itself closes a connection."""
OVERDUE: Final = CONNECTION_LIMIT + timedelta(minutes=10)
KEEP_ALIVE_MARK: Final = "callstream-keep-alive"
ABNORMAL: Final = 1006
"""The close code of a connection that ended without a closing handshake."""

_logger = logging.getLogger(__name__)


class Step(StrEnum):
    """What to do about a stream."""

    LEAVE = "leave"
    ASK = "ask"
    """Ask API Gateway; where that is all that comes of it, the connection is alive."""
    KEEP_ALIVE = "keep alive"
    CLOSE = "close"


def next_step(stream: Item, now: datetime, keep_alive: timedelta | None) -> Step:
    """What a stream needs, by its item alone.

    Args:
        stream: its item.
        now: the present.
        keep_alive: how often a connection must be sent something; None if never.
    """
    if now - _time(stream, "connected_at") >= OVERDUE:
        return Step.CLOSE
    if now - max(_time(stream, "connected_at"), _time(stream, "last_seen_at")) >= QUIET:
        return Step.ASK
    if keep_alive is not None and stream.get("dialect") in DIALECTS:
        last = max(_time(stream, "connected_at"), _time(stream, "kept_alive_at"))
        if now - last >= keep_alive:
            return Step.KEEP_ALIVE
    return Step.LEAVE


@dataclass(frozen=True, slots=True)
class Sweep:
    """One round over the live streams.

    Args:
        streams: the state of streams.
        connections: API Gateway's.
        publish: puts an event on the frames stream, as `ingest.Publisher.publish` does.
        keep_alive: how often a connection must be sent something; None if never.
    """

    streams: StreamStore
    connections: Connections
    publish: Callable[[StreamIdentity, int, Heard], None]
    keep_alive: timedelta | None

    def run(self, now: datetime) -> dict[Step, int]:
        """Do what each live stream needs; how many needed what. One's trouble stops no other.

        Raises:
            Unavailable: the live streams cannot be read.
        """
        steps = dict.fromkeys(Step, 0)
        for stream in self.streams.live():
            try:
                steps[self._see_to(stream, now)] += 1
            except CallstreamError as error:
                told = {"stream_id": stream["stream_id"]}
                _logger.warning("stream not swept: %s", error, extra=told)
        return steps

    def _see_to(self, stream: Item, now: datetime) -> Step:
        step = next_step(stream, now, self.keep_alive)
        asked = step is Step.ASK
        if asked:
            active_at = self.connections.active_at(stream["connection_id"])
            if active_at is None or now - active_at >= SILENT:
                step = Step.CLOSE
            else:
                # Frames flow, but are not counted at present: it must be kept alive all the same.
                counted = stream | {"last_seen_at": milliseconds(now)}
                step = next_step(counted, now, self.keep_alive)
        if step is Step.KEEP_ALIVE and not self._keep_alive(stream, now):
            step = Step.CLOSE
        if step is Step.CLOSE:
            self._close(stream, now)
        return Step.ASK if asked and step is Step.LEAVE else step

    def _keep_alive(self, stream: Item, now: datetime) -> bool:
        """Send a mark; False if the connection is gone."""
        dialect = DIALECTS[stream["dialect"]]
        mark = dialect.render_return(ReturnMark(KEEP_ALIVE_MARK), stream["carrier_stream_id"])
        if not self.connections.post(stream["connection_id"], mark.encode()):
            return False
        self.streams.kept_alive(stream["stream_id"], now)
        return True

    def _close(self, stream: Item, now: datetime) -> None:
        self.connections.close(stream["connection_id"])
        identity = StreamIdentity(stream["stream_id"], stream["tenant_id"], stream["route"])
        disconnected = Disconnected(code=ABNORMAL, reason="swept: the connection is gone or quiet")
        # The record first, as in `$disconnect`: the story is whole even if the state is not.
        self.publish(identity, milliseconds(now), Heard(disconnected))
        self.streams.disconnect(stream["stream_id"], now)


def _time(stream: Item, name: str) -> datetime:
    return datetime.fromtimestamp(int(stream.get(name, 0)) / 1000, UTC)
