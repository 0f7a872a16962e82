"""Streams in the Streams table: the builders of requests, and the store that sends them.

| pk                    | sk     | what                                                           |
|-----------------------|--------|----------------------------------------------------------------|
| `STREAM#<stream id>`  | STREAM | a media stream, in one of the states of `lifecycle`            |
| `TOKEN#<token id>`    | TOKEN  | a one-shot token that has opened its stream                    |
| `CALL#…`, `SESSION#…` | …      | calls (`calls.calls`), their relays (`relays.store`)           |

`calls.model` has the attributes of streams and calls. A stream has the attribute `live` while it is
not closed, so that the index of live items has live streams only.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from callstream.calls.calls import build_joined, build_left, call_key, continued, session_key
from callstream.calls.lifecycle import STREAM_LIFECYCLE, StreamEvent, StreamState, next_state
from callstream.calls.model import Call, MediaStream, StartedStream, media_stream
from callstream.dialects.events import Start
from callstream.errors import ConditionFailed, IllegalTransition, TokenRejected
from callstream.identity import StreamIdentity, StreamToken
from callstream.ports import Item, Table
from callstream.table_requests import optimistically, set_request
from callstream.times import milliseconds

# If several streams join a call at once, one of them succeeds in each attempt.
_ATTEMPTS: Final = 10
_MOST_OTHERS: Final = 50
LIVE_INDEX: Final = "LiveItems"
LIVE: Final = "yes"
"""The key of live streams in the index `LiveItems`."""


@dataclass(frozen=True, slots=True)
class Started:
    """A carrier's start message, and the dialect of the message."""

    dialect: str
    start: Start


def stream_key(stream_id: str) -> Item:
    """The key of a media stream."""
    return {"pk": f"STREAM#{stream_id}", "sk": "STREAM"}


def stream_id_of(key: Item) -> str:
    """The id of the stream that has this key."""
    return str(key["pk"]).partition("#")[2]


def build_open(
    identity: StreamIdentity,
    token: StreamToken,
    connection_id: str,
    now: datetime,
    retention: timedelta,
) -> Sequence[Item]:
    """Record a new connection and, in the second operation, claim a one-shot token.

    Args:
        identity: the new stream.
        token: the token that opens the connection.
        connection_id: API Gateway's id of the connection.
        now: the present.
        retention: how long the table keeps the stream.
    """
    stream = stream_key(identity.stream_id) | {
        "stream_id": identity.stream_id,
        "tenant_id": identity.tenant_id,
        "route": identity.route,
        "connection_id": connection_id,
        "live": LIVE,
        "state": StreamState.CONNECTED,
        "attributes": dict(token.attributes),
        "connected_at": milliseconds(now),
        "expires_at": int((now + retention).timestamp()),
    }
    operations: list[Item] = [
        {"Put": {"Item": stream, "ConditionExpression": "attribute_not_exists(pk)"}}
    ]
    if token.use == "once":
        claim = {
            "pk": f"TOKEN#{token.token_id}",
            "sk": "TOKEN",
            "stream_id": identity.stream_id,
            # The claim must outlive the token.
            "expires_at": int((token.expires_at + timedelta(hours=1)).timestamp()),
        }
        operations.append(
            {"Put": {"Item": claim, "ConditionExpression": "attribute_not_exists(pk)"}}
        )
    return operations


def build_transition(
    stream: MediaStream,
    call: Call | None,
    event: StreamEvent,
    now: datetime,
    *,
    started: Started | None = None,
    earlier: Sequence[MediaStream] = (),
) -> Sequence[Item]:
    """Take a stream to its next state, and change its call accordingly.

    The conditions are that the stream and the call are still as they were read.

    Args:
        stream: the stream, as it was read.
        call: its call, as it was read; None if the table has no such call.
        event: the event that changes the state.
        now: the present.
        started: with `START`, the carrier's start message.
        earlier: with `START`, the call's other streams.

    Raises:
        IllegalTransition: the lifecycle has no such transition, or the stream has started before.
    """
    target = next_state(STREAM_LIFECYCLE, stream.state, event)
    if event is StreamEvent.START and stream.started_at is not None:
        raise IllegalTransition(stream.state, event)

    changes: Item = {"state": target, _TIME_OF[event]: milliseconds(now)}
    condition = "#state = :source"
    operations: list[Item] = []
    if started is not None:
        condition += " AND attribute_not_exists(started_at)"
        changes |= _details(started)
        if (other := continued(started.start, earlier, now)) is not None:
            changes["continues"] = other.stream_id
            operations.append(_build_continued(other, stream.stream_id))
        is_open = target is not StreamState.CLOSED
        operations += build_joined(stream, call, started.start, now, is_open=is_open)
    elif event is StreamEvent.DISCONNECT and call is not None:
        operations.append(build_left(stream, call, now))
    update = set_request(
        stream_key(stream.stream_id),
        changes,
        condition,
        {"source": stream.state},
        remove=["live"] if target is StreamState.CLOSED else [],
    )
    return [{"Update": update}, *operations]


def _build_continued(stream: MediaStream, by: str) -> Item:
    key = stream_key(stream.stream_id)
    unless_continued = "attribute_not_exists(#continued_by)"
    return {"Update": set_request(key, {"continued_by": by}, unless_continued)}


def _details(started: Started) -> Item:
    start = started.start
    # The numbers are for the consumers of forks only.
    optional = {
        "session_id": start.session_id,
        "from_number": start.from_number,
        "to_number": start.to_number,
    }
    return {
        "dialect": started.dialect,
        "call_id": start.call_id,
        "carrier_stream_id": start.carrier_stream_id,
        "account_id": start.account_id,
        **{name: value for name, value in optional.items() if value is not None},
        "tracks": list(start.tracks),
        "encoding": start.format.encoding,
        "sample_rate": start.format.sample_rate,
        "channels": start.format.channels,
    }


class StreamStore:
    """The streams and calls of all tenants. Every method may raise `Unavailable`."""

    def __init__(self, table: Table, retention: timedelta) -> None:
        self._table = table
        self._retention = retention

    def open(
        self, identity: StreamIdentity, token: StreamToken, connection_id: str, now: datetime
    ) -> None:
        """Record a new connection.

        Raises:
            TokenRejected: `used`: this one-shot token has opened a stream before. `open`: this very
                stream is open, because a carrier's message names the `$connect` route.
        """
        try:
            self._table.transact(build_open(identity, token, connection_id, now, self._retention))
        except ConditionFailed as failed:
            raise TokenRejected("used" if failed.operation else "open") from None

    def start(self, stream_id: str, started: Started, now: datetime) -> None:
        """Record the carrier's start message. Raises `IllegalTransition` for a second start."""
        self._advance(stream_id, StreamEvent.START, now, started)

    def stop(self, stream_id: str, now: datetime) -> None:
        """Record the carrier's stop message. Raises `IllegalTransition` for a second stop."""
        self._advance(stream_id, StreamEvent.STOP, now)

    def disconnect(self, stream_id: str, now: datetime) -> None:
        """Record that the connection is gone. A call ends with its last open stream.

        Raises:
            IllegalTransition: the stream was closed before.
        """
        self._advance(stream_id, StreamEvent.DISCONNECT, now)

    def call(self, tenant_id: str, call_id: str) -> Call | None:
        """A call, by the carrier's id; None if there is no such call."""
        item = self._table.get(call_key(tenant_id, call_id))
        return None if item is None else Call.from_item(item)

    def stream(self, stream_id: str) -> MediaStream | None:
        """A stream, by its id; None if there is no such stream."""
        item = self._table.get(stream_key(stream_id))
        return None if item is None else media_stream(item)

    def legs(self, tenant_id: str, session_id: str) -> list[str]:
        """The ids of all legs, which are calls, of a session; none if there is no such session."""
        session = self._table.get(session_key(tenant_id, session_id)) or {}
        return sorted(session.get("calls", ()))

    def other_legs(self, tenant_id: str, call_id: str) -> list[str]:
        """The ids of the other legs of a call, by the session that they have in common."""
        call = self.call(tenant_id, call_id)
        if call is None or call.session_id is None:
            return []
        return [leg for leg in self.legs(tenant_id, call.session_id) if leg != call_id]

    def open_streams(self, tenant_id: str, call_id: str) -> list[StartedStream]:
        """The call's open streams that have started, the oldest first."""
        call = self.call(tenant_id, call_id)
        return self._started(call.open_streams) if call else []

    def streams_since(self, tenant_id: str, call_id: str, moment: int) -> list[StartedStream]:
        """The call's streams that were open at a moment or are newer, the oldest first.

        Args:
            tenant_id: the tenant of the call.
            call_id: the carrier's id of the call.
            moment: in milliseconds since 1970.
        """
        call = self.call(tenant_id, call_id)
        streams = self._started(call.streams) if call else []
        return [each for each in streams if each.closed_at is None or each.closed_at >= moment]

    def _started(self, stream_ids: Iterable[str]) -> list[StartedStream]:
        items = [self._table.get(stream_key(each)) for each in sorted(stream_ids)]
        streams = [StartedStream.from_item(item) for item in items if item is not None]
        return sorted(streams, key=lambda stream: stream.connected_at)

    def all_streams(self) -> Iterator[MediaStream]:
        """All streams that the table keeps, in no order. Scans the whole table."""
        return (media_stream(item) for item in self._table.scan() if item["sk"] == "STREAM")

    def all_calls(self) -> Iterator[Call]:
        """All calls that the table keeps, in no order. Scans the whole table."""
        return (Call.from_item(item) for item in self._table.scan() if item["sk"] == "CALL")

    def live_ids(self) -> list[str]:
        """The ids of all streams that are not closed, as far as the index knows."""
        return [stream_id_of(key) for key in self._table.index(LIVE_INDEX, "live", LIVE)]

    def live(self) -> Iterator[MediaStream]:
        """All streams that are not closed, as far as the index knows."""
        for stream_id in self.live_ids():
            if (stream := self.live_stream(stream_id)) is not None:
                yield stream

    def live_stream(self, stream_id: str) -> MediaStream | None:
        """A stream, by its id; None if it is closed by now."""
        stream = self.stream(stream_id)
        return stream if stream is not None and stream.is_open else None

    def record_keep_alive(self, stream_id: str, now: datetime) -> None:
        """Record that something was sent to the carrier to keep the connection alive."""
        values = {"kept_alive_at": milliseconds(now)}
        self._table.update(set_request(stream_key(stream_id), values, "attribute_exists(pk)"))

    def _advance(
        self, stream_id: str, event: StreamEvent, now: datetime, started: Started | None = None
    ) -> None:
        optimistically(lambda: self._try_to_advance(stream_id, event, now, started), _ATTEMPTS)

    def _try_to_advance(
        self, stream_id: str, event: StreamEvent, now: datetime, started: Started | None
    ) -> None:
        stream = self.stream(stream_id)
        if stream is None:
            raise IllegalTransition("absent", event)
        call_id = started.start.call_id if started else stream.call_id
        call = self.call(stream.tenant_id, call_id) if call_id else None
        earlier = self._others(call, stream_id) if started and call else ()
        operations = build_transition(stream, call, event, now, started=started, earlier=earlier)
        self._table.transact(operations)

    def _others(self, call: Call, stream_id: str) -> list[MediaStream]:
        others = call.streams - {stream_id}
        # Of very many streams, nearly all ended long ago: read the open ones only.
        if len(others) > _MOST_OTHERS:
            others &= call.open_streams
        found = (self.stream(other) for other in sorted(others)[:_MOST_OTHERS])
        return [stream for stream in found if stream is not None]


_TIME_OF: Final = {
    StreamEvent.START: "started_at",
    StreamEvent.STOP: "stopped_at",
    StreamEvent.DISCONNECT: "closed_at",
}
