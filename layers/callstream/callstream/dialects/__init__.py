"""Dialects: one module for each vendor's WebSocket messages, without I/O, in both directions.

Every dialect module implements the protocol `Dialect`; `DIALECTS` is the registry.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import replace

from callstream.audio.formats import AudioFormat
from callstream.dialects import signalwire, telnyx, twilio
from callstream.dialects.events import CarrierEvent, Connected, Refusal, ReturnEvent
from callstream.dialects.shapes import Shape, shape_of
from callstream.errors import UnreadableMessage

if TYPE_CHECKING:
    from uuid import UUID


class Dialect(Protocol):
    """The interface of a dialect module.

    `parse*` raise `UnreadableMessage`, `render*` raise `Inexpressible`, and nothing else.
    """

    @property
    def PROTOCOL(self) -> Connected:  # noqa: N802  # a constant of the module
        """The first message that the carrier sends."""

    @property
    def NUMBERS_MARKS(self) -> bool:  # noqa: N802  # as above
        """Whether the carrier's marks have sequence numbers."""

    @property
    def FORMATS(self) -> Sequence[AudioFormat]:  # noqa: N802  # as above
        """The formats that the carrier's `start` can name, the usual one first; empty if any."""

    @property
    def ERRORS(self) -> Mapping[Refusal, tuple[str, str]]:  # noqa: N802  # as above
        """The code and title of the carrier's error for each refusal; empty if it has no errors."""

    def stream_id(self, unique: "UUID") -> str:
        """The id of a new stream, as the carrier writes ids."""

    def greeting(self, handshake_headers: Mapping[str, str]) -> Connected:
        """The carrier's first message to a server that it has connected to with these headers."""

    def claims(self, shape: Shape) -> bool:
        """Whether a message of this shape comes from this carrier."""

    def parse(self, text: str | bytes) -> CarrierEvent:
        """Read a message that the carrier sends."""

    def render(self, event: CarrierEvent, carrier_stream_id: str) -> str:
        """Write an event as the message that the carrier sends for it."""

    def parse_return(self, text: str | bytes) -> ReturnEvent:
        """Read a message to the carrier: audio to play, a mark, a key to press, or a clear."""

    def render_return(self, event: ReturnEvent, carrier_stream_id: str) -> str:
        """Write an event as the message to the carrier for it."""


# In the order in which they may claim a message: SignalWire's messages are Twilio's with fewer
# fields, so SignalWire claims what Twilio has not.
DIALECTS: Final[dict[str, Dialect]] = {
    "telnyx": telnyx,
    "twilio": twilio,
    "signalwire": signalwire,
}


def recognise(text: str | bytes) -> str:
    """Name the dialect of a carrier's message, by its shape alone.

    Raises:
        UnreadableMessage: `not_json`, or `not_as_documented` if no dialect claims the message.
    """
    shape = shape_of(text)
    for name, dialect in DIALECTS.items():
        if dialect.claims(shape):
            return name
    raise UnreadableMessage("not_as_documented", "no carrier's message has this shape")


def translate(event: CarrierEvent, source: str, target: str, carrier_stream_id: str) -> str:
    """Write an event of one dialect as a message of another.

    Sequence numbers stay: callers that leave messages out have to number the rest anew. Fields that
    the source's dialect does not know are dropped: they mean nothing in another dialect.

    Raises:
        Inexpressible: the target dialect has no message for the event.
    """
    dialect = DIALECTS[target]
    if source != target:
        event = dialect.PROTOCOL if isinstance(event, Connected) else replace(event, extra="")
    return dialect.render(event, carrier_stream_id)
