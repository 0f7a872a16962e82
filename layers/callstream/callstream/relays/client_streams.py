"""Streams of clients that stream their own audio: each gets a call and a relay at once.

The relay runs from the handshake on, so that it gets all of the client's messages, and notices if
none come. The call and the relay have the id of the stream.
"""

from dataclasses import dataclass
from datetime import datetime

from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import Started
from callstream.dialects.clients import CLIENTS
from callstream.dialects.events import Start
from callstream.errors import LimitReached
from callstream.identity import StreamIdentity
from callstream.ports import RelayStarter
from callstream.relays.model import CallCommand, Relay, RelaySpec
from callstream.relays.store import RelayStore
from callstream.tenants.running_limits import RunningLimits


@dataclass(frozen=True, slots=True)
class ClientStreams:
    """Makes the calls and relays of clients' streams."""

    streams: StreamStore
    relays: RelayStore
    starter: RelayStarter

    def start(
        self,
        stream: StreamIdentity,
        spec: RelaySpec,
        session_id: str | None,
        opened_at: int,
        now: datetime,
        *,
        limits: RunningLimits,
    ) -> None:
        """Start an open stream, and its relay; close the stream again if there is no room.

        Args:
            stream: the stream.
            spec: the spec of its relay.
            session_id: the client's id of the conversation; None if it has given none.
            opened_at: when API Gateway received the handshake, in milliseconds since 1970.
            now: the time.
            limits: the tenant's limits.

        Raises:
            LimitReached: there is no room for the stream in its session, or for the relay.
            Unavailable: a service does not answer.
        """
        dialect, stream_id = str(spec.dialect), stream.stream_id
        start = Start(
            None,
            stream_id,
            stream_id,
            "",
            ("inbound",),
            CLIENTS[dialect].FORMAT,
            session_id=session_id,
        )
        command = CallCommand(stream.tenant_id, stream_id, now, limits=limits)
        relay = Relay.of(spec.model_copy(update={"since": opened_at}), stream_id, command)
        try:
            self.streams.start(stream_id, Started(dialect, start), now)
            self.relays.start(relay, command)
        except LimitReached:
            self.streams.disconnect(stream_id, now)
            raise
        self.starter.start(relay.identity)
