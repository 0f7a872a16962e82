"""The sweep: closes streams that have gone quiet, and keeps one-way connections from being cut.

API Gateway calls `$disconnect` on best effort, so a stream whose socket is gone may stay open in
the table. A stream is quiet when no record of it has been counted for a while
(`callstream.calls.counters`).
That alone proves nothing, since in an outage of Kinesis nothing is counted: API Gateway is asked.

CloudFront closes a connection on which nothing has gone to the client for 10 minutes, and on a
one-way stream nothing does. So the sweep sends a mark now and then. It is the only message that
every carrier documents and that plays nothing and stops nothing; a carrier with nothing to play
returns it at once, or, on a one-way stream, does not heed it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from callstream.calls.calls import CONNECTION_LIMIT
from callstream.calls.lifecycle import StreamState
from callstream.calls.model import MediaStream, StartedStream
from callstream.calls.streams import StreamStore
from callstream.dialects import DIALECTS
from callstream.dialects.events import ReturnMark
from callstream.errors import CallstreamError, Unavailable
from callstream.frames.publisher import Heard
from callstream.frames.records import Disconnected
from callstream.identity import StreamIdentity
from callstream.ports import Connections
from callstream.times import from_milliseconds, milliseconds

QUIET: Final = timedelta(seconds=60)
"""How long nothing has been counted of a stream before API Gateway is asked about it."""
SILENT: Final = timedelta(minutes=10)
"""After so long without a message API Gateway itself closes a connection."""
OVERDUE: Final = CONNECTION_LIMIT + timedelta(minutes=10)
KEEP_ALIVE_MARK: Final = "callstream-keep-alive"
# A prime, so that rounds a minute apart do not begin at the same few places.
_STEP: Final = 7919
# Activity so soon after our own mark is the mark, and perhaps its echo.
_OWN: Final = timedelta(seconds=10)
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


def next_step(stream: MediaStream, now: datetime, keep_alive: timedelta | None) -> Step:
    """What a stream needs, by its item alone.

    Args:
        stream: its item.
        now: the present.
        keep_alive: how often a connection must be sent something; None if never.
    """
    if now - from_milliseconds(stream.connected_at) >= OVERDUE:
        return Step.CLOSE
    if now - from_milliseconds(stream.seen_at) >= QUIET:
        return Step.ASK
    if (
        keep_alive is not None
        and isinstance(stream, StartedStream)
        and stream.state is StreamState.STREAMING
        and stream.dialect in DIALECTS
    ):
        sent_at = from_milliseconds(max(stream.connected_at, stream.kept_alive_at or 0))
        if now - sent_at >= keep_alive:
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

    def run(self, now: datetime, has_time: Callable[[], bool]) -> dict[Step, int]:
        """Do what each live stream needs; how many needed what. One's trouble stops no other.

        Args:
            now: the present.
            has_time: whether there is time for one more stream.

        Raises:
            Unavailable: the live streams cannot be read.
        """
        steps = dict.fromkeys(Step, 0)
        ids = self.streams.live_ids()
        # Each time it begins elsewhere: should the time be up before the last, others are the last.
        begin = int(now.timestamp()) * _STEP % len(ids) if ids else 0
        ids = ids[begin:] + ids[:begin]
        for done, stream_id in enumerate(ids):
            if not has_time():
                _logger.warning("no time for %d of %d streams", len(ids) - done, len(ids))
                break
            try:
                stream = self.streams.live_stream(stream_id)
                if stream is not None:
                    steps[self._see_to(stream, now)] += 1
            except CallstreamError as error:
                told = {"stream_id": stream_id}
                _logger.warning("stream not swept: %s", error, extra=told)
        return steps

    def _see_to(self, stream: MediaStream, now: datetime) -> Step:
        step = next_step(stream, now, self.keep_alive)
        asked = step is Step.ASK
        if asked:
            step = self._asked(stream, now)
        if step is Step.KEEP_ALIVE and isinstance(stream, StartedStream):
            step = step if self._keep_alive(stream, now) else Step.CLOSE
        if step is Step.CLOSE:
            self._close(stream, now)
        return Step.ASK if asked and step is Step.LEAVE else step

    def _asked(self, stream: MediaStream, now: datetime) -> Step:
        """What a quiet stream needs, by what API Gateway says of its connection."""
        active_at = self.connections.active_at(stream.connection_id)
        if active_at is None:
            return Step.CLOSE
        own_until = from_milliseconds(stream.kept_alive_at or 0) + _OWN
        if now <= own_until:
            return Step.LEAVE
        if active_at <= own_until:
            # That was our own mark. Whether anything else is said, it does not tell.
            seen_at = from_milliseconds(stream.seen_at)
            return Step.CLOSE if now - seen_at >= SILENT else Step.LEAVE
        if now - active_at >= SILENT:
            return Step.CLOSE
        # Frames flow, but are not counted at present: it must be kept alive all the same.
        counted = replace(stream, last_seen_at=milliseconds(now))
        return next_step(counted, now, self.keep_alive)

    def _keep_alive(self, stream: StartedStream, now: datetime) -> bool:
        """Send a mark; False if the connection is gone."""
        dialect = DIALECTS[stream.dialect]
        mark = dialect.render_return(ReturnMark(KEEP_ALIVE_MARK), stream.carrier_stream_id)
        if not self.connections.post(stream.connection_id, mark.encode()):
            return False
        self.streams.kept_alive(stream.stream_id, now)
        return True

    def _close(self, stream: MediaStream, now: datetime) -> None:
        try:
            self.connections.close(stream.connection_id)
        except Unavailable:
            # After so long API Gateway has closed it, whatever it says now.
            if now - from_milliseconds(stream.connected_at) < OVERDUE:
                raise
        identity = StreamIdentity(stream.stream_id, stream.tenant_id, stream.route)
        disconnected = Disconnected(code=ABNORMAL, reason="swept: the connection is gone or quiet")
        # The record first, as in `$disconnect`: the story is whole even if the state is not.
        self.publish(identity, milliseconds(now), Heard(disconnected))
        self.streams.disconnect(stream.stream_id, now)
