"""The identities of media connections and relays.

The classes are structs because the per-frame function imports them: a dataclass takes longer to
make.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct, field

Use = Literal["once", "many"]
TwilioSignature = Literal["off", "on", "required"]
"""When Twilio's signature on a handshake is checked: never, if there is one, or always."""

SinkKind = Literal["websocket", "transcription", "dialogflow"]
"""Where a relay takes a call's audio."""


class StreamToken(Struct, frozen=True):
    """The claims of a verified token. `attributes` go from the endpoint to the stream.

    `twilio_signature` is the choice of the tenant when the token was made. The authorizer alone
    uses it.
    """

    token_id: str
    tenant_id: str
    route: str
    use: Use
    expires_at: datetime
    attributes: Mapping[str, str] = field(default_factory=dict)
    twilio_signature: TwilioSignature = "off"


class StreamIdentity(Struct, frozen=True):
    """The stream of a connection. It comes with every message, without a database read."""

    stream_id: str
    tenant_id: str
    route: str


class RelayIdentity(Struct, frozen=True):
    """The parts of a relay's key in the Streams table."""

    tenant_id: str
    call_id: str
    relay_id: str
