"""The fan-out: hands each stream's records to its subscribers as they come.

The fan-out is also the first to notice that a subscriber's connection is gone. The run that had the
connection may have died in mid-call, so its relay is rescued. If the relay is over, the rescuing
run finds that out.

A subscriber that API Gateway throttles, because it reads too slowly or for the whole account, keeps
nobody waiting: the records are left out for it, and the relay reads them from Kinesis when it gets
the notice.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from callstream.errors import Throttled, Unavailable, Undeliverable
from callstream.frames.records import is_output
from callstream.ports import Connections, RelayStarter
from callstream.relays.batches import batches
from callstream.relays.subscriptions import Subscriber, Subscriptions, left_out_notice

CACHE_SECONDS: Final = 1.0
"""How long a fan-out worker may not know of a new subscriber."""
_MEMORY: Final = timedelta(minutes=1)
"""The subscribers of a stream are known for so long, as long as the changes are read."""

_logger = logging.getLogger(__name__)


class FanOut:
    """Sends a stream's records to its subscribers.

    Args:
        subscriptions: the subscribers of streams.
        connections: the subscribers' connections.
        starter: starts the rescue of a relay whose connection is gone.
        clock: the time.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        connections: Connections,
        starter: RelayStarter,
        clock: Callable[[], datetime],
    ) -> None:
        self._subscriptions = subscriptions
        self._connections = connections
        self._starter = starter
        self._clock = clock
        self._known: dict[str, tuple[datetime, Sequence[Subscriber]]] = {}
        self._looked_at = clock() - _MEMORY

    def deliver(self, stream_id: str, encoded: Iterable[bytes]) -> None:
        """Send a stream's records, in order, to each subscriber; remove subscribers that are gone.

        A subscriber that is throttled gets a notice later.

        Raises:
            Unavailable: some subscribers have not got all records. If the records are delivered
                again, the other subscribers get them twice.
        """
        subscribers = self._subscribers(stream_id)
        if not subscribers:
            return
        # Relays need no copy of the output of relays.
        messages = batches(data for data in encoded if not is_output(data))
        failure: Unavailable | None = None
        for subscriber in subscribers:
            try:
                self._send(stream_id, subscriber, messages)
            except Unavailable as error:
                # The other subscribers must not wait until this one can be reached.
                failure = error
        if failure is not None:
            raise failure

    def _send(self, stream_id: str, subscriber: Subscriber, messages: Sequence[bytes]) -> None:
        notices = [left_out_notice(stream_id)] if subscriber.lacks_records and messages else []
        for message in (*notices, *messages):
            try:
                is_there = self._connections.post(subscriber.connection_id, message)
            except Throttled as error:
                self._leave_out(stream_id, subscriber, error)
                break
            except Undeliverable as error:
                # To try again would hold up all streams of the shard.
                fields = {"relay_id": subscriber.relay.relay_id, "bytes": len(message)}
                extra = {"stream_id": stream_id, "error": error.code, **fields}
                _logger.error("record not forked: the relay can never get it", extra=extra)  # noqa: TRY400
                continue
            if not is_there:
                self._known.pop(stream_id, None)
                self._subscriptions.remove(stream_id, subscriber.connection_id)
                self._rescue(subscriber)
                break

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
        now = self._clock()
        if now - self._looked_at >= timedelta(seconds=CACHE_SECONDS):
            self._forget_changed(now)
        if (known := self._known.get(stream_id)) is None:
            known = self._known[stream_id] = now, self._subscriptions.of(stream_id)
        return known[1]

    def _forget_changed(self, now: datetime) -> None:
        """Forget what is old, and the streams whose subscribers have changed."""
        self._known = {
            stream_id: known for stream_id, known in self._known.items() if now - known[0] < _MEMORY
        }
        if self._known:
            for stream_id in self._subscriptions.changed_since(self._looked_at):
                self._known.pop(stream_id, None)
        self._looked_at = now
