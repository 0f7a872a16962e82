"""Builders of the requests by which streams change their call in the Streams table.

| pk                      | sk      | what                                                 |
|-------------------------|---------|------------------------------------------------------|
| `CALL#<tenant>#<id>`    | CALL    | a call, or one leg of a call, by the carrier's id    |
| `SESSION#<tenant>#<id>` | SESSION | the legs of one call: the set of their ids           |

`calls.model.Call` has the attributes of a call. Telnyx streams each leg of a call on its own: each
leg has a `call_control_id`, which is the call's id here, and all legs have one `call_session_id`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from callstream.calls.lifecycle import CallState
from callstream.calls.model import Call, MediaStream
from callstream.dialects.events import Start
from callstream.errors import LimitReached
from callstream.ports import Item
from callstream.times import milliseconds

CONNECTION_LIMIT: Final = timedelta(hours=2)
"""API Gateway closes a connection that is this old."""
MOST_STREAMS: Final = 500
"""How many streams one call may ever have: the call's item has their ids, and at most 400 KB."""
MOST_LEGS: Final = 500
"""How many legs one session may ever have, for the same reason."""
# API Gateway counts from the handshake, and `connected_at` is a little later.
_CUT_OFF: Final = CONNECTION_LIMIT - timedelta(minutes=1)


def call_key(tenant_id: str, call_id: str) -> Item:
    """The key of a call. With the tenant in the key, no tenant reaches another tenant's call."""
    return {"pk": f"CALL#{tenant_id}#{call_id}", "sk": "CALL"}


def session_key(tenant_id: str, session_id: str) -> Item:
    """The key of the item that holds the legs of one call."""
    return {"pk": f"SESSION#{tenant_id}#{session_id}", "sk": "SESSION"}


def continued(start: Start, earlier: Sequence[MediaStream], now: datetime) -> MediaStream | None:
    """The earlier stream of the call that a new stream continues; None if there is none.

    A new stream continues a stream to which the carrier gives the same id: the carrier has
    connected twice. A new stream also continues a stream with the same tracks whose connection
    ended without the carrier's stop message, as every connection ends after two hours. If several
    streams qualify, the new stream continues the latest.

    Args:
        start: the carrier's start message of the new stream.
        earlier: the call's other streams, as the table has them.
        now: the present.
    """
    candidates = [
        stream
        for stream in earlier
        if stream.continued_by is None
        and (
            stream.carrier_stream_id == start.carrier_stream_id
            or (_was_cut_off(stream, now) and stream.tracks == tuple(start.tracks))
        )
    ]
    return max(candidates, key=lambda stream: stream.connected_at, default=None)


def _was_cut_off(stream: MediaStream, now: datetime) -> bool:
    if stream.stopped_at is not None:
        return False
    return not stream.is_open or stream.connected_at <= milliseconds(now - _CUT_OFF)


def build_joined(
    stream: MediaStream, call: Call | None, start: Start, now: datetime, *, is_open: bool
) -> list[Item]:
    """Add a stream to its call and, if the carrier names a session, the call to its session.

    The condition is that the call has the same streams as when it was read: a stream that joins
    meanwhile may be the stream that this one continues.

    Args:
        stream: the stream, as it was read.
        call: its call, as it was read; None if this is the call's first stream.
        start: the carrier's start message.
        now: the present.
        is_open: whether the stream is open. A stream may end before its start message is handled.

    Raises:
        LimitReached: the call has had as many streams as it may have.
    """
    before = call.streams if call else frozenset()
    if len(before | {stream.stream_id}) > MOST_STREAMS:
        raise LimitReached("streams_of_call", MOST_STREAMS)
    unchanged = "streams = :before" if before else "attribute_not_exists(streams)"
    sets: Item = {
        "tenant_id": stream.tenant_id,
        "call_id": start.call_id,
        "account_id": start.account_id,
        "expires_at": stream.expires_at,
    }
    if start.session_id is not None:
        sets["session_id"] = start.session_id
    adds = ["streams"]
    expression = "SET started_at = if_not_exists(started_at, :now), "
    if is_open:
        expression += "#state = :state"
        adds.append("open_streams")
    else:
        # The disconnection was handled before the start message.
        expression += "#state = if_not_exists(#state, :state)"
        if call is None:
            expression += ", ended_at = :now"
    if call is None:
        sets["relays_made"] = 0
    expression += "".join(f", {name} = :{name}" for name in sets)
    if is_open:
        expression += " REMOVE ended_at"
    joined: Item = {
        "Update": {
            "Key": call_key(stream.tenant_id, start.call_id),
            "UpdateExpression": f"{expression} ADD " + ", ".join(f"{name} :one" for name in adds),
            "ConditionExpression": unchanged,
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {
                ":now": milliseconds(now),
                ":state": CallState.ACTIVE if is_open else CallState.ENDED,
                ":one": {stream.stream_id},
                **({":before": before} if before else {}),
                **{f":{name}": value for name, value in sets.items()},
            },
        }
    }
    if start.session_id is None:
        return [joined]
    leg: Item = {
        "Update": {
            "Key": session_key(stream.tenant_id, start.session_id),
            "UpdateExpression": "SET expires_at = :expires_at ADD calls :call",
            "ConditionExpression": "attribute_not_exists(calls) OR size(calls) < :most"
            " OR contains(calls, :call_id)",
            "ExpressionAttributeValues": {
                ":expires_at": stream.expires_at,
                ":call": {start.call_id},
                ":call_id": start.call_id,
                ":most": MOST_LEGS,
            },
        }
    }
    return [joined, leg]


def is_of_session(operation: Item) -> bool:
    """Whether an operation of a transaction changes a session."""
    return bool(operation.get("Update", {}).get("Key", {}).get("sk") == "SESSION")


def build_left(stream: MediaStream, call: Call, now: datetime) -> Item:
    """Remove a stream from its call's open streams. The call ends with its last open stream."""
    only_this = call.open_streams == {stream.stream_id}
    request: Item = {
        "Key": call_key(call.tenant_id, call.call_id),
        "UpdateExpression": "DELETE open_streams :streams",
        "ConditionExpression": "open_streams <> :streams",
        "ExpressionAttributeValues": {":streams": {stream.stream_id}},
    }
    if only_this:
        request |= {
            "UpdateExpression": "SET #state = :ended, ended_at = :now DELETE open_streams :streams",
            "ConditionExpression": "open_streams = :streams",
            "ExpressionAttributeNames": {"#state": "state"},
        }
        request["ExpressionAttributeValues"] |= {
            ":ended": CallState.ENDED,
            ":now": milliseconds(now),
        }
    return {"Update": request}
