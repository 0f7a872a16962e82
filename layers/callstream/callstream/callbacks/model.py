"""Callbacks: HTTP requests that bring a tenant the states of a relay, or the lines of a transcript.

Every change of a relay's state queues a `RelayCallback`, and so does every line of a relay that
transcribes, and, for tenants that ask for them, every report of a dialogue.
`callstream.callbacks.delivery` makes it a request in the format of the surface where
the relay was asked for. The callbacks of one relay are delivered in their order: each waits until
the callback before it was taken or given up.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

import msgspec
from msgspec import Struct, field

from callstream.dialects.events import Tracks
from callstream.dialogues.reporting import EndReason
from callstream.dialogues.virtual_agent import DialogueEnd, Heard, Reply
from callstream.frames.records import Transcript
from callstream.identity import SinkKind
from callstream.tenants.directory import Surface
from callstream.transcription.model import Role

Event = Literal["started", "transcript", "heard", "replied", "ended", "failed", "stopped"]
"""What has happened to a relay. A relay begins with `started`, and is over with the last two."""
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


class DialogueReport(Struct, frozen=True, omit_defaults=True):
    """A report of a dialogue in a callback: never log it.

    `heard` is of the event `heard`; `reply`, which has no audio, of `replied`, which also has the
    `heard` that is answered, if that is known; `reason` and `end` of `ended`. `number` counts the
    reports of a relay, from 1 on. `is_truncated` says that a text was too long, or that parameters
    or metadata were too large and are left out.
    """

    number: int
    heard: Heard | None = None
    reply: Reply | None = None
    reason: EndReason | None = None
    end: DialogueEnd | None = None
    is_truncated: bool = False

    def __repr__(self) -> str:
        return f"DialogueReport({self.number})"


class RelayCallback(Struct, frozen=True, omit_defaults=True):
    """One notification of a tenant. `occurred_at` is in milliseconds since 1970.

    `reason` says why a relay `failed`: one of a small set of ours, see `UNREACHABLE`. `transcript`
    is the line of the event `transcript`, `dialogue` the report of the events `heard`, `replied`
    and `ended`; None for the other events.
    """

    callback_id: str
    tenant_id: str
    surface: Surface
    event: Event
    relay: CallbackRelay
    occurred_at: int
    reason: str | None = None
    transcript: CallbackTranscript | None = None
    dialogue: DialogueReport | None = None

    @property
    def place(self) -> tuple[int, bool, int]:
        """Sorts the callbacks of a relay in the order of their events."""
        number = 0
        if self.transcript is not None:
            number = self.transcript.line.number
        elif self.dialogue is not None:
            number = self.dialogue.number
        return self.occurred_at, self.event in {"failed", "stopped"}, number

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
