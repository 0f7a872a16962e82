"""Builders of the requests by which streams change in the Streams table.

| pk                    | sk     | what                                                           |
|-----------------------|--------|----------------------------------------------------------------|
| `STREAM#<stream id>`  | STREAM | a media stream, in one of the states of `lifecycle`            |
| `TOKEN#<token id>`    | TOKEN  | a one-shot token that has opened its stream                    |
| `USAGE#<tenant>`      | …      | counts of what runs (`tenants.running_limits`)                 |
| `STREAM#<stream id>`  | …      | its custom parameters (`custom_parameters`)                    |
| `CALL#…`, `SESSION#…` | …      | calls (`call_requests`), their relays (`relays.store`)         |

`calls.model` has the attributes of streams and calls. A stream has the attribute `live` while it is
not closed, so that the index of live items has live streams only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from callstream.calls.call_requests import build_joined, build_left, continued
from callstream.calls.custom_parameters import build_parameters
from callstream.calls.lifecycle import STREAM_LIFECYCLE, StreamEvent, StreamState, next_state
from callstream.calls.model import Call, MediaStream
from callstream.dialects.events import Start
from callstream.errors import IllegalTransition
from callstream.identity import StreamIdentity, StreamToken
from callstream.ports import Item
from callstream.table_requests import set_request
from callstream.tenants.running_limits import Kind, build_given_back, build_taken
from callstream.times import milliseconds

LIVE: Final = "yes"
"""The key of live streams in the index `LiveItems`."""

_TIME_OF: Final = {
    StreamEvent.START: "started_at",
    StreamEvent.STOP: "stopped_at",
    StreamEvent.DISCONNECT: "closed_at",
}


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
    *,
    most: int | None = None,
) -> Sequence[Item]:
    """Record a new connection, claim a one-shot token and, in the last operation, count the stream.

    Args:
        identity: the new stream.
        token: the token that opens the connection.
        connection_id: API Gateway's id of the connection.
        now: the present.
        retention: how long the table keeps the stream.
        most: how many streams of the tenant may be open; None for any number.
    """
    expires_at = int((now + retention).timestamp())
    stream = stream_key(identity.stream_id) | {
        "stream_id": identity.stream_id,
        "tenant_id": identity.tenant_id,
        "route": identity.route,
        "connection_id": connection_id,
        "live": LIVE,
        "counted": True,
        "state": StreamState.CONNECTED,
        "attributes": dict(token.attributes),
        "connected_at": milliseconds(now),
        "expires_at": expires_at,
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
    taken = build_taken(identity.tenant_id, Kind.STREAMS, 1, most, now=now, expires_at=expires_at)
    return [*operations, taken]


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
        LimitReached: the call has had as many streams as it may have.
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
        if started.start.parameters:
            operations.append(build_parameters(stream, started.start.parameters))
    elif event is StreamEvent.DISCONNECT and call is not None:
        operations.append(build_left(stream, call, now))
    if event is StreamEvent.DISCONNECT and stream.counted:
        operations.append(build_given_back(stream.tenant_id, Kind.STREAMS, 1, now))
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
