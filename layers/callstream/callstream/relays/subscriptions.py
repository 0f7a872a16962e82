"""The subscribers of streams: runs of relays, by their connections to the relay API.

| pk                   | sk                           | what                                       |
|----------------------|------------------------------|--------------------------------------------|
| `STREAM#<stream id>` | `SUBSCRIBER#<connection id>` | a connection that gets its records         |
| `SUBSCRIPTIONS`      | `<time>#<stream id>`         | the stream's subscribers have changed      |

The fan-out reads the latest changes every second: one request, instead of one for each stream.

A run subscribes by a message on its connection, and gets a confirmation there.

If records had to be left out for a subscriber, its item has `lacks_records`. Then the subscriber
gets a notice before the next records, subscribes again, which removes that attribute, and reads the
records from Kinesis.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Self
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from callstream.calls.stream_requests import stream_key
from callstream.errors import ConditionFailed
from callstream.identity import RelayIdentity
from callstream.ports import Item, Table
from callstream.table_requests import set_request
from callstream.times import milliseconds

# A relay lives for minutes. Subscriptions of runs that died are removed when their connections are
# found gone, or by the TTL.
_LIFETIME: Final = timedelta(hours=1)
_CONFIRMED: Final = "subscribed="
_LEFT_OUT: Final = "left_out="
_CHANGES: Final = "SUBSCRIPTIONS"
_CHANGES_KEPT: Final = timedelta(minutes=10)
# Clocks of functions differ by less.
_CLOCKS: Final = timedelta(seconds=5)


class Subscriber(Struct, frozen=True):
    """A connection that gets a stream's records, and the run of a relay that has it."""

    connection_id: str
    relay: RelayIdentity
    run_id: str
    lacks_records: bool = False
    """Whether records were left out, and the subscriber has not subscribed again since."""


class SubscribeRequest(Struct, frozen=True):
    """The message by which a run of a relay asks for a stream's records.

    On the wire it is form-encoded, with the stream's id as `subscribe`. The answer is
    `subscribed=<stream id>`.
    """

    stream_id: str = msgspec.field(name="subscribe")
    tenant_id: str
    call_id: str
    relay_id: str
    run_id: str

    @classmethod
    def of(cls, stream_id: str, relay: RelayIdentity, run_id: str) -> Self:
        """The request of a run of a relay."""
        return cls(stream_id, relay.tenant_id, relay.call_id, relay.relay_id, run_id)

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """Read a message; None if it is another kind of message.

        Raises:
            msgspec.ValidationError: the request is incomplete.
        """
        fields = dict(parse_qsl(text))
        return msgspec.convert(fields, cls) if "subscribe" in fields else None

    def encode(self) -> str:
        """The message."""
        return urlencode(msgspec.to_builtins(self))

    def subscriber(self, connection_id: str) -> Subscriber:
        """The subscriber that made this request on a connection."""
        relay = RelayIdentity(self.tenant_id, self.call_id, self.relay_id)
        return Subscriber(connection_id, relay, self.run_id)

    def confirmation(self) -> str:
        """The answer when the subscription is in the table."""
        return _CONFIRMED + self.stream_id


def confirmed_stream(text: str) -> str | None:
    """The stream whose subscription a message confirms; None if it is another message."""
    return text.removeprefix(_CONFIRMED) if text.startswith(_CONFIRMED) else None


def left_out_notice(stream_id: str) -> bytes:
    """The notice to a subscriber that records of a stream were left out."""
    return f"{_LEFT_OUT}{stream_id}".encode()


def left_out_stream(text: str) -> str | None:
    """The stream of a notice that records were left out; None if it is another message."""
    return text.removeprefix(_LEFT_OUT) if text.startswith(_LEFT_OUT) else None


class Subscriptions:
    """The subscribers of streams, in the Streams table. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, stream_id: str, subscriber: Subscriber, now: datetime) -> None:
        """Let a subscriber have a stream's records, from about now on."""
        item = _key(stream_id, subscriber.connection_id) | asdict(subscriber.relay)
        expires_at = int((now + _LIFETIME).timestamp())
        self._table.put(item | {"run_id": subscriber.run_id, "expires_at": expires_at})
        self._note_change(stream_id, now)

    def remove(self, stream_id: str, connection_id: str) -> None:
        """End a subscription; fine if there is none."""
        self._table.delete(_key(stream_id, connection_id))

    def note_left_out(self, stream_id: str, connection_id: str, now: datetime) -> None:
        """Note that records were left out for a subscriber; fine if there is none."""
        request = set_request(
            _key(stream_id, connection_id), {"lacks_records": True}, "attribute_exists(#run_id)"
        )
        with suppress(ConditionFailed):
            self._table.update(request)
            self._note_change(stream_id, now)

    def changed_since(self, moment: datetime) -> set[str]:
        """The streams that have other subscribers, or other notes of theirs, since a moment."""
        first = milliseconds(moment - _CLOCKS)
        items = self._table.between(_CHANGES, f"{first}#", "9")
        return {str(item["sk"]).partition("#")[2] for item in items}

    def _note_change(self, stream_id: str, now: datetime) -> None:
        expires_at = int((now + _CHANGES_KEPT).timestamp())
        key = {"pk": _CHANGES, "sk": f"{milliseconds(now)}#{stream_id}"}
        self._table.put(key | {"expires_at": expires_at})

    def of(self, stream_id: str) -> list[Subscriber]:
        """The subscribers of a stream."""
        items = self._table.query(stream_key(stream_id)["pk"], "SUBSCRIBER#")
        return [
            Subscriber(
                str(item["sk"]).partition("#")[2],
                RelayIdentity(item["tenant_id"], item["call_id"], item["relay_id"]),
                item["run_id"],
                item.get("lacks_records", False),
            )
            for item in items
        ]


def _key(stream_id: str, connection_id: str) -> Item:
    return stream_key(stream_id) | {"sk": f"SUBSCRIBER#{connection_id}"}
