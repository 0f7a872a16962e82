"""Callbacks: HTTP requests that bring a tenant the states of a relay, or the lines of a transcript.

Every change of a relay's state queues a `RelayCallback`, and so does every line of a relay that
transcribes. `callstream.callbacks.delivery` makes it a request in the format of the surface where
the relay was asked for. The callbacks of one relay are delivered in their order: each waits until
the callback before it was taken or given up.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

import msgspec
from msgspec import Struct, field

from callstream.dialects.events import Tracks
from callstream.frames.records import Transcript
from callstream.identity import SinkKind
from callstream.tenants.directory import Surface
from callstream.transcription.model import Role

Event = Literal["started", "transcript", "failed", "stopped"]
"""What has happened to a relay, in the order in which the events of one relay come."""
Method = Literal["GET", "POST"]

UNREACHABLE: Final = frozenset({"unknown_host", "refused", "timeout", "tls", "handshake"})
"""The reasons of a failure to reach the consumer."""
INVALID_URL: Final = "invalid_url"
"""The reason of a failure: the consumer's URL may not be dialled."""


class CallbackRelay(Struct, frozen=True, omit_defaults=True):
    """The relay in a callback. `url` and `status_callback` may hold the tenant's secrets."""

    relay_id: str
    call_id: str
    track: Tracks
    sink: SinkKind = "websocket"
    name: str | None = None
    session_id: str | None = None
    account_id: str | None = None
    """The carrier's id of the account that the call belongs to."""
    url: str | None = None
    client_state: str | None = None
    status_callback: str | None = None
    status_callback_method: Method = "POST"

    def __repr__(self) -> str:
        return f"CallbackRelay({self.relay_id!r})"


class CallbackTranscript(Struct, frozen=True, omit_defaults=True):
    """A line in a callback, and whose it is: never log it.

    `transcript_id` is the id of the speaker's transcript, `external_id` the tenant's own id of the
    speaker.
    """

    line: Transcript
    transcript_id: str
    role: Role
    external_id: str = ""

    def __repr__(self) -> str:
        return f"CallbackTranscript({self.transcript_id!r}, {self.line.number})"


class RelayCallback(Struct, frozen=True, omit_defaults=True):
    """One notification of a tenant. `occurred_at` is in milliseconds since 1970.

    `reason` says why a relay `failed`: one of a small set of ours, see `UNREACHABLE`. `transcript`
    is the line of the event `transcript`; None for the other events.
    """

    callback_id: str
    tenant_id: str
    surface: Surface
    event: Event
    relay: CallbackRelay
    occurred_at: int
    reason: str | None = None
    transcript: CallbackTranscript | None = None

    @property
    def line_number(self) -> int:
        """The number of the line; 0 for the other events."""
        return 0 if self.transcript is None else self.transcript.line.number

    @property
    def happened(self) -> datetime:
        """When the event happened, in UTC."""
        return datetime.fromtimestamp(self.occurred_at / 1000, UTC)


class CallbackQueue(Protocol):
    """Where callbacks wait for their delivery."""

    def send(self, callback: RelayCallback) -> None:
        """Queue a callback behind the others of its relay; a repeated callback counts once.

        Raises:
            Unavailable: the queue did not take it, after bounded retries.
        """


class CallbackRequest(Struct, frozen=True):
    """An HTTP request, complete but for the host's address. `url` has no fragment."""

    method: Method
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def encode(callback: RelayCallback) -> str:
    """A callback as it is queued: JSON, since SQS takes text."""
    return msgspec.json.encode(callback).decode()


def decode(text: str) -> RelayCallback:
    """A queued callback. Raises msgspec.DecodeError if the text is not a callback."""
    return msgspec.json.decode(text, type=RelayCallback)
