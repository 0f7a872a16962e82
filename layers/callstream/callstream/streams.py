"""Streams and calls in the Streams table: builders of its requests, and the store that runs them.

| pk                    | sk     | what                                                          |
|-----------------------|--------|---------------------------------------------------------------|
| `STREAM#<stream id>`  | STREAM | a media stream, in one of the states of `callstream.lifecycle` |
| `CALL#<tenant>#<id>`  | CALL   | a call, by the carrier's id; `open_streams` are its streams    |
|                       | …      | the relays of a call: `callstream.relays`                      |
| `TOKEN#<token id>`    | TOKEN  | a one-shot token that has opened its stream                    |

Times are milliseconds since 1970; `expires_at` is the table's TTL, in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from callstream.dialects.events import Start
from callstream.errors import ConditionFailed, IllegalTransition, TokenRejected, Unavailable
from callstream.identity import StreamIdentity, StreamToken
from callstream.lifecycle import (
    STREAM_LIFECYCLE,
    CallState,
    StreamEvent,
    StreamState,
    next_state,
)
from callstream.ports import Item, Table

_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Started:
    """What a carrier's start message says, and in which dialect it said it."""

    dialect: str
    start: Start


def stream_key(stream_id: str) -> Item:
    """The key of a media stream."""
    return {"pk": f"STREAM#{stream_id}", "sk": "STREAM"}


def call_key(tenant_id: str, call_id: str) -> Item:
    """The key of a call. The tenant is part of it: nobody can name another's call."""
    return {"pk": f"CALL#{tenant_id}#{call_id}", "sk": "CALL"}


def build_open(
    identity: StreamIdentity,
    token: StreamToken,
    connection_id: str,
    now: datetime,
    retention: timedelta,
) -> Sequence[Item]:
    """Record a new connection and, for a one-shot token, claim it (the second operation)."""
    stream = stream_key(identity.stream_id) | {
        "stream_id": identity.stream_id,
        "tenant_id": identity.tenant_id,
        "route": identity.route,
        "connection_id": connection_id,
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
            # Kept until well after the token itself has expired: TTL deletes late, never early.
            "expires_at": int((token.expires_at + timedelta(hours=1)).timestamp()),
        }
        operations.append(
            {"Put": {"Item": claim, "ConditionExpression": "attribute_not_exists(pk)"}}
        )
    return operations


def build_transition(
    stream: Item,
    call: Item | None,
    event: StreamEvent,
    now: datetime,
    started: Started | None = None,
) -> Sequence[Item]:
    """Take a stream as it was read to its next state, and its call, as it was read, with it.

    Raises:
        IllegalTransition: the lifecycle has no such step, or the stream has started before.
    """
    source = StreamState(stream["state"])
    target = next_state(STREAM_LIFECYCLE, source, event)
    if event is StreamEvent.START and "started_at" in stream:
        raise IllegalTransition(source, event)

    changes: Item = {"state": target, _TIME_OF[event]: milliseconds(now)}
    condition = "#state = :source"
    if started is not None:
        changes |= _details(started)
        condition += " AND attribute_not_exists(started_at)"
    operations: list[Item] = [
        {
            "Update": {
                "Key": stream_key(stream["stream_id"]),
                "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in changes),
                "ConditionExpression": condition,
                "ExpressionAttributeNames": {f"#{name}": name for name in changes},
                "ExpressionAttributeValues": {
                    ":source": source,
                    **{f":{name}": value for name, value in changes.items()},
                },
            }
        }
    ]
    if started is not None:
        is_open = target is not StreamState.CLOSED
        operations.append(_build_call_joined(stream, started.start, now, is_open=is_open))
    elif event is StreamEvent.DISCONNECT and call is not None:
        operations.append(_build_call_left(stream, call, now))
    return operations


def _details(started: Started) -> Item:
    start = started.start
    return {
        "dialect": started.dialect,
        "call_id": start.call_id,
        "carrier_stream_id": start.carrier_stream_id,
        "account_id": start.account_id,
        "tracks": list(start.tracks),
        "encoding": start.format.encoding,
        "sample_rate": start.format.sample_rate,
        "channels": start.format.channels,
    }


def _build_call_joined(stream: Item, start: Start, now: datetime, *, is_open: bool) -> Item:
    sets = (
        "tenant_id = :tenant_id, call_id = :call_id, account_id = :account_id, "
        "started_at = if_not_exists(started_at, :now), expires_at = :expires_at"
    )
    values: Item = {
        ":tenant_id": stream["tenant_id"],
        ":call_id": start.call_id,
        ":account_id": start.account_id,
        ":now": milliseconds(now),
        ":expires_at": stream["expires_at"],
    }
    if is_open:
        expression = f"SET #state = :state, {sets} REMOVE ended_at ADD open_streams :streams"
        values |= {":state": CallState.ACTIVE, ":streams": {stream["stream_id"]}}
    else:
        # The start was overtaken by its own disconnection.
        expression = f"SET #state = if_not_exists(#state, :state), {sets}"
        values |= {":state": CallState.ENDED}
    return {
        "Update": {
            "Key": call_key(stream["tenant_id"], start.call_id),
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": values,
        }
    }


def _build_call_left(stream: Item, call: Item, now: datetime) -> Item:
    """Take a stream out of its call; the call ends with its last stream."""
    only_this = call.get("open_streams") == {stream["stream_id"]}
    request: Item = {
        "Key": call_key(call["tenant_id"], call["call_id"]),
        "UpdateExpression": "DELETE open_streams :streams",
        "ConditionExpression": "open_streams <> :streams",
        "ExpressionAttributeValues": {":streams": {stream["stream_id"]}},
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


class StreamStore:
    """The state of streams and calls."""

    def __init__(self, table: Table, retention: timedelta) -> None:
        self._table = table
        self._retention = retention

    def open(
        self, identity: StreamIdentity, token: StreamToken, connection_id: str, now: datetime
    ) -> None:
        """Record a new connection.

        Raises:
            TokenRejected: `used`: this one-shot token has opened a stream before; `open`: this very
                stream is open (a message has found its way to the `$connect` route).
        """
        try:
            self._table.transact(build_open(identity, token, connection_id, now, self._retention))
        except ConditionFailed as failed:
            raise TokenRejected("used" if failed.operation else "open") from None

    def start(self, stream_id: str, started: Started, now: datetime) -> None:
        """The carrier says what this stream is. Raises `IllegalTransition` for a second start."""
        self._advance(stream_id, StreamEvent.START, now, started)

    def stop(self, stream_id: str, now: datetime) -> None:
        """The carrier has ended the stream. Raises `IllegalTransition` if it had already."""
        self._advance(stream_id, StreamEvent.STOP, now)

    def disconnect(self, stream_id: str, now: datetime) -> None:
        """The socket is gone; a call whose last stream this was has ended.

        Raises:
            IllegalTransition: the stream was closed before.
        """
        self._advance(stream_id, StreamEvent.DISCONNECT, now)

    def _advance(
        self, stream_id: str, event: StreamEvent, now: datetime, started: Started | None = None
    ) -> None:
        for _ in range(_ATTEMPTS):
            stream = self._table.get(stream_key(stream_id))
            if stream is None:
                raise IllegalTransition("absent", event)
            try:
                call = self._call_of(stream)
                self._table.transact(build_transition(stream, call, event, now, started))
            except ConditionFailed:
                continue  # something came between: look again
            return
        raise Unavailable("dynamodb", "Contended")

    def _call_of(self, stream: Item) -> Item | None:
        if "call_id" not in stream:
            return None
        return self._table.get(call_key(stream["tenant_id"], stream["call_id"]))


_TIME_OF: Final = {
    StreamEvent.START: "started_at",
    StreamEvent.STOP: "stopped_at",
    StreamEvent.DISCONNECT: "closed_at",
}


def milliseconds(time: datetime) -> int:
    """A time as the tables have it."""
    return int(time.timestamp() * 1000)
