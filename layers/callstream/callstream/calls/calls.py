"""Calls in the Streams table: what their streams make of them. Pure builders of requests.

| pk                      | sk      | what                                                 |
|-------------------------|---------|------------------------------------------------------|
| `CALL#<tenant>#<id>`    | CALL    | a call, or one leg of it, by the carrier's id for it |
| `SESSION#<tenant>#<id>` | SESSION | the legs of one call: the set of their ids           |

Of a call, `streams` are all streams that it has had, `open_streams` those that are open. Telnyx
streams each leg of a call on its own, with a `call_control_id` for each and one `call_session_id`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from callstream.calls.lifecycle import CallState
from callstream.calls.model import Call, MediaStream
from callstream.dialects.events import Start
from callstream.ports import Item
from callstream.times import milliseconds

CONNECTION_LIMIT: Final = timedelta(hours=2)
"""After so long API Gateway closes a connection."""
# It counts from the handshake, and `connected_at` is a little later.
_CUT_OFF: Final = CONNECTION_LIMIT - timedelta(minutes=1)


def call_key(tenant_id: str, call_id: str) -> Item:
    """The key of a call. The tenant is part of it: nobody can name another's call."""
    return {"pk": f"CALL#{tenant_id}#{call_id}", "sk": "CALL"}


def session_key(tenant_id: str, session_id: str) -> Item:
    """The key of what the legs of a call have in common."""
    return {"pk": f"SESSION#{tenant_id}#{session_id}", "sk": "SESSION"}


def continued(start: Start, earlier: Sequence[MediaStream], now: datetime) -> MediaStream | None:
    """Which of its call's earlier streams a new one continues; None if it is one of several.

    It continues one that the carrier calls by the same id: the carrier has connected twice. And it
    continues one with the same tracks whose socket ended although the carrier had not said stop, as
    every socket ends after two hours.

    Args:
        start: what the new stream's carrier says.
        earlier: the call's other streams, as they are in the table.
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
    """Give a call, as it was read, one more stream; and its session, if it has one, one more leg.

    Only if the call has the streams that it had then: another that joins may be the one that this
    one continues.
    """
    before = call.streams if call else None
    nobody_else = "streams = :before" if before else "attribute_not_exists(streams)"
    sets = {
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
        # The start was overtaken by its own disconnection.
        expression += "#state = if_not_exists(#state, :state)"
        if call is None:
            expression += ", ended_at = :now"
    expression += "".join(f", {name} = :{name}" for name in sets)
    if is_open:
        expression += " REMOVE ended_at"
    joined: Item = {
        "Update": {
            "Key": call_key(stream.tenant_id, start.call_id),
            "UpdateExpression": f"{expression} ADD " + ", ".join(f"{name} :one" for name in adds),
            "ConditionExpression": nobody_else,
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
            "ExpressionAttributeValues": {
                ":expires_at": stream.expires_at,
                ":call": {start.call_id},
            },
        }
    }
    return [joined, leg]


def build_left(stream: MediaStream, call: Call, now: datetime) -> Item:
    """Take a stream out of its call's open ones; the call ends with the last."""
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
