"""Who gets a stream's records as they come: the runs of relays, by their connections.

| pk                   | sk                           | what                                       |
|----------------------|------------------------------|--------------------------------------------|
| `STREAM#<stream id>` | `SUBSCRIBER#<connection id>` | a connection that gets its records         |

Who hands records on is also the first to notice that a connection is gone. Then the run that had it
may have died in the midst of a call, and another one is to rescue its relay; if the relay is over,
that one finds it so.

Records go to subscribers in batches: the MessagePack records of one stream, in the order in which
Kinesis had them, as a MessagePack array in base64, since API Gateway sends text.
"""

import logging
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from callstream.calls.streams import stream_key
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames import records
from callstream.frames.records import Record
from callstream.identity import RelayIdentity
from callstream.ports import Connections, Item, RelayStarter, Table

CACHE_SECONDS: Final = 1.0
"""How long a function that fans out may not know of a new subscriber."""
# API Gateway takes 32 KB a frame, and may close the connection of what gets more; by this many it
# bills, too. Base64 makes four bytes of three.
_BATCH_BYTES: Final = 24_000
# A relay lives for minutes. What is left of one that died is found gone before, or by the TTL.
_LIFETIME: Final = timedelta(hours=1)

_logger = logging.getLogger(__name__)
_array: Final = msgspec.msgpack.Decoder(list[bytes])


def batches(encoded: Iterable[bytes]) -> list[bytes]:
    """Records, encoded each by itself, as messages for a subscriber."""
    messages: list[list[bytes]] = [[]]
    size = 0
    for data in encoded:
        if messages[-1] and size + len(data) > _BATCH_BYTES:
            messages.append([])
            size = 0
        messages[-1].append(data)
        size += len(data) + 5
    return [b64encode(msgspec.msgpack.encode(message)) for message in messages if message]


def read_batch(message: str | bytes) -> list[Record]:
    """The records of a message to a subscriber. What is no record of this version is left out.

    Raises:
        UnreadableMessage: reason `not_a_record`: it is no batch.
    """
    try:
        array = _array.decode(b64decode(message, validate=True))
    except (ValueError, msgspec.DecodeError) as error:
        raise UnreadableMessage("not_a_record", str(error)) from None
    found: list[Record] = []
    for data in array:
        try:
            found.append(records.decode(data))
        except UnreadableMessage:
            continue
    return found


class Subscriber(Struct, frozen=True):
    """A connection that gets a stream's records, and the run of a relay that has it."""

    connection_id: str
    relay: RelayIdentity
    run_id: str


class Subscriptions:
    """The subscribers of streams, in the Streams table. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, stream_id: str, subscriber: Subscriber, now: datetime) -> None:
        """Let a subscriber have a stream's records from about now on."""
        item = _key(stream_id, subscriber.connection_id) | asdict(subscriber.relay)
        expires_at = int((now + _LIFETIME).timestamp())
        self._table.put(item | {"run_id": subscriber.run_id, "expires_at": expires_at})

    def remove(self, stream_id: str, connection_id: str) -> None:
        """No more records for this connection; fine if it had none."""
        self._table.delete(_key(stream_id, connection_id))

    def of(self, stream_id: str) -> list[Subscriber]:
        """Who gets a stream's records."""
        items = self._table.query(stream_key(stream_id)["pk"], "SUBSCRIBER#")
        return [
            Subscriber(
                str(item["sk"]).partition("#")[2],
                RelayIdentity(item["tenant_id"], item["call_id"], item["relay_id"]),
                item["run_id"],
            )
            for item in items
        ]


def _key(stream_id: str, connection_id: str) -> Item:
    return stream_key(stream_id) | {"sk": f"SUBSCRIBER#{connection_id}"}


class FanOut:
    """Hands a stream's records on to its subscribers.

    Args:
        subscriptions: who they are.
        connections: how to reach them.
        starter: starts the rescue of a relay whose connection is gone.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        connections: Connections,
        starter: RelayStarter,
        clock: Callable[[], float],
    ) -> None:
        self._subscriptions = subscriptions
        self._connections = connections
        self._starter = starter
        self._clock = clock
        self._known: dict[str, tuple[float, Sequence[Subscriber]]] = {}

    def deliver(self, stream_id: str, encoded: Iterable[bytes]) -> None:
        """Send a stream's records, in order, to each of its subscribers; forget who is gone.

        Raises:
            Unavailable: some subscribers have not got all of them; the others may get them again.
        """
        subscribers = self._subscribers(stream_id)
        if not subscribers:
            return
        messages = batches(encoded)
        failure: Unavailable | None = None
        for subscriber in subscribers:
            try:
                self._send(stream_id, subscriber, messages)
            except Unavailable as error:
                # The next one must not wait until this one's trouble is over.
                failure = error
        if failure is not None:
            raise failure

    def _send(self, stream_id: str, subscriber: Subscriber, messages: Sequence[bytes]) -> None:
        for message in messages:
            if not self._connections.post(subscriber.connection_id, message):
                self._known.pop(stream_id, None)
                self._subscriptions.remove(stream_id, subscriber.connection_id)
                self._rescue(subscriber)
                break

    def _rescue(self, subscriber: Subscriber) -> None:
        try:
            self._starter.rescue(subscriber.relay, subscriber.run_id)
        except Unavailable:
            # Not to be tried with the next batch, but by the next sweep.
            told = {"relay_id": subscriber.relay.relay_id}
            _logger.exception("no rescue yet", extra=told)

    def _subscribers(self, stream_id: str) -> Sequence[Subscriber]:
        now = self._clock()
        if stream_id in self._known and now - self._known[stream_id][0] < CACHE_SECONDS:
            return self._known[stream_id][1]
        found = self._subscriptions.of(stream_id)
        self._known = {
            known: entry for known, entry in self._known.items() if now - entry[0] < CACHE_SECONDS
        }
        self._known[stream_id] = (now, found)
        return found
