"""Callbacks: HTTP requests that tell a tenant what has become of a relay.

Whoever changes a relay's state queues a `RelayCallback`. `callstream.callbacks.delivery` makes a
request of it, in the words of the surface that the relay was asked for at. The callbacks of
one relay are delivered in their order: each waits until the one before it was taken or given up.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

import msgspec
from msgspec import Struct, field

from callstream.dialects.events import Tracks
from callstream.identity import SinkKind
from callstream.tenants.directory import Surface

Event = Literal["started", "stopped", "failed"]
Method = Literal["GET", "POST"]

UNREACHABLE: Final = frozenset({"unknown_host", "refused", "timeout", "tls", "handshake"})
"""Reasons of a failure that say: the consumer could not be reached."""
INVALID_URL: Final = "invalid_url"
"""The reason of a failure that says: the consumer's address is none that may be dialled."""


class CallbackRelay(Struct, frozen=True, omit_defaults=True):
    """What callbacks say of a relay. `url` and `status_callback` may hold the tenant's secrets."""

    relay_id: str
    call_id: str
    track: Tracks
    sink: SinkKind = "websocket"
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
