"""The fan-out: hands each stream's records to its subscribers as they come.

The fan-out is also the first to notice that a subscriber's connection is gone. The run that had the
connection may have died in mid-call, so its relay is rescued. If the relay is over, the rescuing
run finds that out.

A subscriber that API Gateway throttles, because it reads too slowly or for the whole account, keeps
nobody waiting: the records are left out for it, and the relay reads them from Kinesis when it gets
the notice.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from callstream.errors import Throttled, Unavailable, Undeliverable
from callstream.frames.records import is_output
from callstream.ports import Connections, RelayStarter
from callstream.relays.batches import batches
from callstream.relays.subscriptions import Subscriber, Subscriptions, left_out_notice

CACHE_SECONDS: Final = 1.0
"""How long a fan-out worker may not know of a new subscriber."""
_MEMORY: Final = timedelta(minutes=1)
"""The subscribers of a stream are known for so long, as long as the changes are read."""

type Spread = Callable[
    [Callable[[_Parcel], bool | Unavailable], Iterable[_Parcel]], Iterable[bool | Unavailable]
]

_logger = logging.getLogger(__name__)


class _Parcel(NamedTuple):
    """What one subscriber of a stream gets."""

    stream_id: str
    subscriber: Subscriber
    messages: Sequence[bytes]


class FanOut:
    """Sends the records of streams to their subscribers.

    Args:
        subscriptions: the subscribers of streams.
        connections: the subscribers' connections.
        starter: starts the rescue of a relay whose connection is gone.
        clock: the time.
        spread: calls a function with each of some values, as `map` does, and at once if it can. A
            slow connection then keeps only itself waiting.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        connections: Connections,
        starter: RelayStarter,
        clock: Callable[[], datetime],
        spread: Spread = map,
    ) -> None:
        self._subscriptions = subscriptions
        self._connections = connections
        self._starter = starter
        self._clock = clock
        self._spread = spread
        self._known: dict[str, tuple[datetime, Sequence[Subscriber]]] = {}
        self._looked_at = clock() - _MEMORY

    def deliver(self, streams: Mapping[str, Iterable[bytes]]) -> set[str]:
        """Send each stream's records, in order, to its subscribers; remove those that are gone.

        A subscriber that is throttled gets a notice later.

        Returns:
            The streams of which some subscriber has not got all records. If the records are
            delivered again, the other subscribers get them twice.
        """
        try:
            self._forget_changed()
        except Unavailable:
            # If each stream waited for the table, the function would run out of time.
            _logger.exception("not handed on yet", extra={"streams": len(streams)})
            return {*streams}
        parcels, failed = list[_Parcel](), set[str]()
        for stream_id, encoded in streams.items():
            try:
                subscribers = self._subscribers(stream_id)
            except Unavailable as error:
                failed.add(stream_id)
                _report(stream_id, error)
                continue
            if subscribers:
                # Relays need no copy of the output of relays.
                messages = batches(data for data in encoded if not is_output(data))
                parcels += [_Parcel(stream_id, each, messages) for each in subscribers]
        for parcel, outcome in zip(parcels, self._spread(self._send, parcels), strict=True):
            try:
                self._conclude(parcel, outcome=outcome)
            except Unavailable as error:
                failed.add(parcel.stream_id)
                _report(parcel.stream_id, error)
        return failed

    def _conclude(self, parcel: _Parcel, *, outcome: bool | Unavailable) -> None:
        """Note what has become of a parcel. Raises `Unavailable` if it must be delivered again."""
        match outcome:
            case False:
                self._known.pop(parcel.stream_id, None)
                self._rescue(parcel.subscriber)
                self._subscriptions.remove(parcel.stream_id, parcel.subscriber.connection_id)
            case Throttled():
                self._leave_out(parcel.stream_id, parcel.subscriber, outcome)
            case Unavailable():
                raise outcome

    def _send(self, parcel: _Parcel) -> bool | Unavailable:
        """Send messages; False if the subscriber is gone. Other threads send at the same time."""
        stream_id, subscriber, messages = parcel
        notices = [left_out_notice(stream_id)] if subscriber.lacks_records and messages else []
        for message in (*notices, *messages):
            try:
                if not self._connections.post(subscriber.connection_id, message):
                    return False
            except Unavailable as error:
                return error
            except Undeliverable as error:
                # To try again would hold up all streams of the shard.
                fields = {"relay_id": subscriber.relay.relay_id, "bytes": len(message)}
                extra = {"stream_id": stream_id, "error": error.code, **fields}
                _logger.error("record not forked: the relay can never get it", extra=extra)  # noqa: TRY400
        return True

    def _leave_out(self, stream_id: str, subscriber: Subscriber, error: Throttled) -> None:
        fields = {"relay_id": subscriber.relay.relay_id, "error": error.code}
        extra = {"stream_id": stream_id, **fields}
        _logger.warning(
            "records left out: the relay is throttled, and reads them later", extra=extra
        )
        if not subscriber.lacks_records:
            self._known.pop(stream_id, None)
            self._subscriptions.note_left_out(stream_id, subscriber.connection_id, self._clock())

    def _rescue(self, subscriber: Subscriber) -> None:
        try:
            self._starter.rescue(subscriber.relay, subscriber.run_id)
        except Unavailable:
            # The next sweep tries again, not the next batch.
            extra = {"relay_id": subscriber.relay.relay_id}
            _logger.exception("no rescue yet", extra=extra)

    def _subscribers(self, stream_id: str) -> Sequence[Subscriber]:
        if (known := self._known.get(stream_id)) is None:
            known = self._known[stream_id] = self._clock(), self._subscriptions.of(stream_id)
        return known[1]

    def _forget_changed(self) -> None:
        """Once a second, forget what is old, and the streams whose subscribers have changed."""
        now = self._clock()
        if now - self._looked_at < timedelta(seconds=CACHE_SECONDS):
            return
        self._known = {
            stream_id: known for stream_id, known in self._known.items() if now - known[0] < _MEMORY
        }
        if self._known:
            for stream_id in self._subscriptions.changed_since(self._looked_at):
                self._known.pop(stream_id, None)
        self._looked_at = now


def _report(stream_id: str, error: Unavailable) -> None:
    _logger.error("not handed on yet", exc_info=error, extra={"stream_id": stream_id})
