"""Who a media connection is: what its token says, and the stream that it becomes.

Structs, since the per-frame function imports them: a dataclass takes longer to make.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct, field

Use = Literal["once", "many"]
TwilioSignature = Literal["off", "on", "required"]
"""Whether Twilio's signature on a handshake is looked at: never; if there is one; there must be."""

SinkKind = Literal["websocket", "transcription", "dialogflow"]
"""Where a relay takes a call's audio."""


class StreamToken(Struct, frozen=True):
    """What a verified token says. `attributes` is what its endpoint wants the stream to know.

    `twilio_signature` is its tenant's choice when the token was made. It is settled when the
    connection opens, and nothing later knows of it.
    """

    token_id: str
    tenant_id: str
    route: str
    use: Use
    expires_at: datetime
    attributes: Mapping[str, str] = field(default_factory=dict)
    twilio_signature: TwilioSignature = "off"


class StreamIdentity(Struct, frozen=True):
    """What a connection's authorizer context says: with every message, without a database read."""

    stream_id: str
    tenant_id: str
    route: str


class RelayIdentity(Struct, frozen=True):
    """Which relay: everything that is needed to find it in the Streams table."""

    tenant_id: str
    call_id: str
    relay_id: str
