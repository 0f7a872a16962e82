"""The store of streams and their calls, in the Streams table.

`stream_requests` and `call_requests` have the table's keys, and build the requests that are sent
from here.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import batched, islice
from typing import Final

from callstream.calls.call_requests import MOST_LEGS, call_key, is_of_session, session_key
from callstream.calls.custom_parameters import merged, parameters_key, parameters_of
from callstream.calls.lifecycle import StreamEvent
from callstream.calls.model import Call, MediaStream, StartedStream, media_stream
from callstream.calls.placement import number_of, tracks_of
from callstream.calls.stream_requests import (
    LIVE,
    Started,
    build_open,
    build_transition,
    stream_id_of,
    stream_key,
)
from callstream.calls.track_counts import TrackCounts
from callstream.errors import (
    ConditionFailed,
    IllegalTransition,
    LimitReached,
    TokenRejected,
    UnreadableItem,
)
from callstream.identity import StreamIdentity, StreamToken
from callstream.ports import Table
from callstream.table_requests import optimistically, set_request
from callstream.times import milliseconds

_logger = logging.getLogger(__name__)

# If several streams join a call at once, one of them succeeds in each attempt.
_ATTEMPTS: Final = 10
_MOST_OTHERS: Final = 50
_MOST_SEARCHED: Final = 2000
_READ_TOGETHER: Final = 100  # in one request of DynamoDB
LIVE_INDEX: Final = "LiveItems"


class StreamStore:
    """The streams and calls of all tenants. Every method may raise `Unavailable`."""

    # It has 24 methods: one for each change of a stream, and one for each question about streams,
    # calls and legs. All of them are about items of one table that change together.

    def __init__(self, table: Table, retention: timedelta) -> None:
        self._table = table
        self._retention = retention
        self._counts = TrackCounts(table)

    def open(
        self,
        identity: StreamIdentity,
        token: StreamToken,
        connection_id: str,
        now: datetime,
        *,
        most: int | None = None,
    ) -> None:
        """Record a new connection, if its tenant has fewer than `most` open streams.

        Raises:
            LimitReached: the tenant has as many open streams as it may have.
            TokenRejected: `used`: this one-shot token has opened a stream before. `open`: this very
                stream is open, because a carrier's message names the `$connect` route.
        """
        retention = self._retention
        operations = build_open(identity, token, connection_id, now, retention, most=most)
        try:
            self._table.transact(operations)
        except ConditionFailed as failed:
            if failed.operation:
                # Unless this very stream is open, the authorizer has counted a stream too many.
                self._counts.add(identity.stream_id, -1)
            if most is not None and failed.operation == len(operations) - 1:
                raise LimitReached("open_streams", most) from None
            raise TokenRejected("used" if failed.operation else "open") from None

    def start(self, stream_id: str, started: Started, now: datetime) -> None:
        """Record the carrier's start message.

        Raises:
            IllegalTransition: the stream has started before.
            LimitReached: the call has had as many streams, or its session as many legs, as it may.
        """
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

    def parameters(self, streams: Sequence[StartedStream]) -> dict[str, str]:
        """The custom parameters that the carrier gave these streams of a call. Private.

        On equal names the newest stream wins. Streams that have more parameters together than one
        start message can have lose the rest, with a line in the log.

        Args:
            streams: the streams, the oldest first.
        """
        keys = [parameters_key(stream.stream_id) for stream in reversed(streams)]
        items = (self._table.get(key) for key in keys)
        parameters, left_out = merged(parameters_of(item) for item in items if item is not None)
        if left_out:
            about = {"stream_id": streams[-1].stream_id}
            _logger.warning("custom parameters left out: %d have no room", left_out, extra=about)
        return parameters

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

    def live_ids(self, after: str | None = None) -> Iterator[str]:
        """The ids of all streams that are not closed, as far as the index knows.

        With `after`, those behind this id in the order of the index.
        """
        start = None if after is None else stream_key(after)
        return map(stream_id_of, self._table.index(LIVE_INDEX, "live", LIVE, after=start))

    def of_connection(self, connection_id: str) -> MediaStream | None:
        """The stream of a connection, if it is among the first 2,000 live streams."""
        for some in batched(islice(self.live_ids(), _MOST_SEARCHED), _READ_TOGETHER, strict=False):
            for stream in self.glance(dict.fromkeys(some)):
                if stream.is_open and stream.connection_id == connection_id:
                    return stream
        return None

    def live(self) -> Iterator[MediaStream]:
        """All streams that are not closed, as far as the index knows."""
        for stream_id in self.live_ids():
            if (stream := self.live_stream(stream_id)) is not None:
                yield stream

    def glance(self, stream_ids: Iterable[str]) -> Iterator[MediaStream]:
        """Those of up to 100 streams that the table has, perhaps not in their latest state.

        Streams that this version cannot read are left out, with a line in the log.
        """
        for item in self._table.get_some([stream_key(each) for each in stream_ids]):
            try:
                yield media_stream(item)
            except UnreadableItem as error:
                about = {"stream_id": stream_id_of(item)}
                _logger.warning("stream not swept: %s", error, extra=about)

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
        try:
            self._table.transact(operations)
        except ConditionFailed as failed:
            if is_of_session(operations[failed.operation]):
                raise LimitReached("legs_of_session", MOST_LEGS) from None
            raise
        before = tracks_of(stream)
        after = number_of(started.start.tracks) if started and before else 0
        if before != after:
            self._counts.add(stream_id, after - before)

    def _others(self, call: Call, stream_id: str) -> list[MediaStream]:
        others = call.streams - {stream_id}
        # Of very many streams, nearly all ended long ago: read the open ones only.
        if len(others) > _MOST_OTHERS:
            others &= call.open_streams
        found = (self.stream(other) for other in sorted(others)[:_MOST_OTHERS])
        return [stream for stream in found if stream is not None]
