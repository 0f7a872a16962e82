"""Dialects: one module per vendor, sans-I/O, both directions.

A dialect module has what `Dialect` says; `DIALECTS` is the registry.
"""

from typing import Final, Protocol

from msgspec.structs import replace

from callstream.dialects import signalwire, telnyx, twilio
from callstream.dialects.events import CarrierEvent, Connected, ReturnEvent
from callstream.dialects.shapes import Shape, shape_of
from callstream.errors import UnreadableMessage


class Dialect(Protocol):
    """What a dialect module offers.

    `parse*` raise `UnreadableMessage`, `render*` raise `Inexpressible`, and nothing else.
    """

    @property
    def PROTOCOL(self) -> Connected:  # noqa: N802  # a constant of the module
        """What its carrier says first."""

    @property
    def NUMBERS_MARKS(self) -> bool:  # noqa: N802  # as above
        """Whether its carrier gives a mark a sequence number."""

    def claims(self, shape: Shape) -> bool:
        """Whether a message of this shape is this carrier's."""

    def parse(self, text: str | bytes) -> CarrierEvent:
        """Read what a carrier says."""

    def render(self, event: CarrierEvent, carrier_stream_id: str) -> str:
        """Say it as that carrier does."""

    def parse_return(self, text: str | bytes) -> ReturnEvent:
        """Read what a carrier is told (audio to play, marks, keys to press, clear)."""

    def render_return(self, event: ReturnEvent, carrier_stream_id: str) -> str:
        """Tell that carrier."""


# In the order in which they may claim a message: the last two are like each other, and SignalWire's
# has less in it.
DIALECTS: Final[dict[str, Dialect]] = {
    "telnyx": telnyx,
    "twilio": twilio,
    "signalwire": signalwire,
}


def recognise(text: str | bytes) -> str:
    """The dialect of a carrier's message, by its shape alone.

    Raises:
        UnreadableMessage: `not_json`, or `not_as_documented` if it is no dialect's.
    """
    shape = shape_of(text)
    for name, dialect in DIALECTS.items():
        if dialect.claims(shape):
            return name
    raise UnreadableMessage("not_as_documented", "no carrier's message has this shape")


def translate(event: CarrierEvent, source: str, target: str, carrier_stream_id: str) -> str:
    """Say in one dialect what was said in another.

    Sequence numbers stay, so whoever leaves messages out has to number them anew before. Fields
    that the source's dialect does not know are left behind: they mean nothing in another.

    Raises:
        Inexpressible: the target has no words for it.
    """
    dialect = DIALECTS[target]
    if source != target:
        event = dialect.PROTOCOL if isinstance(event, Connected) else replace(event, extra="")
    return dialect.render(event, carrier_stream_id)


def translate_return(event: ReturnEvent, source: str, target: str, carrier_stream_id: str) -> str:
    """The same for what a carrier is told."""
    if source != target:
        event = replace(event, extra="")
    return DIALECTS[target].render_return(event, carrier_stream_id)
