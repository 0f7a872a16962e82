"""Callbacks: HTTP requests that tell a tenant what has become of a relay.

Whoever changes a relay's state puts a `RelayCallback` into the queue, and `callstream.delivery`
makes a request of it, in the words of the surface that the relay was asked for at. The callbacks of
one relay are delivered in their order: each waits until the one before it was taken or given up.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, Protocol, Self
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct, field

from callstream.directory import Surface
from callstream.ports import Item
from callstream.relays import Relay, Tracks
from callstream.times import milliseconds

Event = Literal["started", "stopped", "failed"]
Method = Literal["GET", "POST"]

_NAMESPACE: Final = UUID("6c0f0d1a-5f0d-5d0e-9d57-3f6b1c7a2e10")

UNREACHABLE: Final = frozenset({"unknown_host", "refused", "timeout", "tls", "handshake"})
"""Reasons of a failure that say: the consumer could not be reached."""
INVALID_URL: Final = "invalid_url"
"""The reason of a failure that says: the consumer's address is none that may be dialled."""


class CallbackRelay(Struct, frozen=True, omit_defaults=True):
    """What callbacks say of a relay. `url` and `status_callback` may hold the tenant's secrets."""

    relay_id: str
    call_id: str
    track: Tracks
    name: str | None = None
    session_id: str | None = None
    account_id: str | None = None
    """The carrier's name for whose call it is."""
    url: str | None = None
    client_state: str | None = None
    status_callback: str | None = None
    status_callback_method: Method = "POST"

    def __repr__(self) -> str:
        return f"CallbackRelay({self.relay_id!r})"


class RelayCallback(Struct, frozen=True, omit_defaults=True):
    """One thing that a tenant is told. `occurred_at` is in milliseconds since 1970.

    `reason` is there if it `failed`: one of a small set of ours, see `UNREACHABLE`.
    """

    callback_id: str
    tenant_id: str
    surface: Surface
    event: Event
    relay: CallbackRelay
    occurred_at: int
    reason: str | None = None

    @classmethod
    def of(cls, relay: Relay, call: Item, event: Event, reason: str | None, now: datetime) -> Self:
        """What is to be told of a relay.

        The id follows from the relay and the event, so that telling the same twice can be noticed.

        Args:
            relay: as it is in the Streams table.
            call: the item of its call (`callstream.calls`).
            event: what has happened.
            reason: why it failed; None for the other events.
            now: when it happened.
        """
        return cls(
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

    @property
    def happened(self) -> datetime:
        """When it happened, in UTC."""
        return datetime.fromtimestamp(self.occurred_at / 1000, UTC)


class CallbackQueue(Protocol):
    """Where callbacks wait for their delivery."""

    def send(self, callback: RelayCallback) -> None:
        """Queue a callback behind the others of its relay; the same one twice counts once.

        Raises:
            Unavailable: the queue did not take it, after bounded retries.
        """


class CallbackRequest(Struct, frozen=True):
    """An HTTP request, whole but for where its host is. `url` has its query, and no fragment."""

    method: Method
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def encode(callback: RelayCallback) -> str:
    """A callback as it is queued: JSON, since SQS takes text."""
    return msgspec.json.encode(callback).decode()


def decode(text: str) -> RelayCallback:
    """A callback as it was queued. Raises msgspec.DecodeError if it is none."""
    return msgspec.json.decode(text, type=RelayCallback)
