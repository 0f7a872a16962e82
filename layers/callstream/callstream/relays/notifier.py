"""What becomes of a relay: in the Streams table, and in the callback that tells of it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from callstream.callbacks.model import CallbackQueue, CallbackRelay, Event, RelayCallback
from callstream.calls.lifecycle import RelayEvent
from callstream.calls.streams import StreamStore
from callstream.errors import Unavailable
from callstream.ports import Item
from callstream.relays.store import Relay, RelayStore
from callstream.times import milliseconds

_logger = logging.getLogger(__name__)
_NAMESPACE: Final = UUID("6c0f0d1a-5f0d-5d0e-9d57-3f6b1c7a2e10")


@dataclass(frozen=True, slots=True)
class RelayNotifier:
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
            self.callbacks.send(callback_of(relay, call, event, reason, self.now()))
        except Unavailable:
            _logger.exception("callback lost: %s", event, extra={"relay_id": relay.relay_id})


def callback_of(
    relay: Relay, call: Item, event: Event, reason: str | None, now: datetime
) -> RelayCallback:
    """What is to be told of a relay.

    The id follows from the relay and the event, so that telling the same twice can be noticed.

    Args:
        relay: as it is in the Streams table.
        call: the item of its call (`callstream.calls.calls`).
        event: what has happened.
        reason: why it failed; None for the other events.
        now: when it happened.
    """
    return RelayCallback(
        callback_id=str(uuid5(_NAMESPACE, f"{relay.relay_id}/{event}")),
        tenant_id=relay.tenant_id,
        surface=relay.surface,
        event=event,
        relay=CallbackRelay(
            relay_id=relay.relay_id,
            call_id=relay.call_id,
            track=relay.track,
            name=relay.name,
            session_id=call.get("session_id"),
            account_id=call.get("account_id"),
            url=relay.url,
            client_state=call.get("client_state"),
            status_callback=relay.status_callback,
            status_callback_method=relay.status_callback_method,
        ),
        occurred_at=milliseconds(now),
        reason=reason,
    )
