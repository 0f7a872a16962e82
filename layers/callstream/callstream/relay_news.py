"""What becomes of a relay: in the Streams table, and in the callback that tells of it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from callstream.callbacks import CallbackQueue, Event, RelayCallback
from callstream.errors import Unavailable
from callstream.lifecycle import RelayEvent
from callstream.ports import Item
from callstream.relays import Relay, RelayStore
from callstream.streams import StreamStore
from callstream.times import milliseconds

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RelayNews:
    """Changes relays, and tells their tenants. Every method may raise `Unavailable`."""

    relays: RelayStore
    streams: StreamStore
    callbacks: CallbackQueue
    now: Callable[[], datetime]

    def connected(self, relay: Relay, notes: Item) -> bool:
        """The consumer has answered; False if the relay was stopped meanwhile."""
        if not self.relays.advance(relay, RelayEvent.CONNECT, self.now(), notes):
            return False
        self._tell(relay, "started")
        return True

    def stopped(self, relay: Relay, dropped: int) -> None:
        """The relay is over; so many frames were dropped."""
        last = self._last(dropped)
        if not self.relays.advance(relay, RelayEvent.STOP, self.now(), last):
            # A command that has stopped it has changed it before; the tenant is told now.
            self.relays.conclude(relay, last)
        self._tell(relay, "stopped")

    def failed(self, relay: Relay, reason: str, dropped: int = 0) -> None:
        """The relay has failed, unless it was over before."""
        changes = self._last(dropped) | {"error": reason}
        if self.relays.advance(relay, RelayEvent.FAIL, self.now(), changes):
            self._tell(relay, "failed", reason)
        else:
            self.stopped(relay, dropped)

    def _last(self, dropped: int) -> Item:
        """What the run that ends a relay leaves there."""
        return {"dropped": dropped, "told_at": milliseconds(self.now())}

    def _tell(self, relay: Relay, event: Event, reason: str | None = None) -> None:
        try:
            call = self.streams.call(relay.tenant_id, relay.call_id) or {}
            self.callbacks.send(RelayCallback.of(relay, call, event, reason, self.now()))
        except Unavailable:
            _logger.exception("callback lost: %s", event, extra={"relay_id": relay.relay_id})
