"""Dialects: one module per vendor, sans-I/O, both directions.

A dialect module has these four functions (`Dialect`); `DIALECTS` is the registry.
"""

from typing import Final, Protocol

from callstream.dialects import twilio
from callstream.dialects.events import CarrierEvent, ReturnEvent


class Dialect(Protocol):
    """What a dialect module offers. `parse*` raise `UnreadableMessage`, `render*` never fail."""

    def parse(self, text: str | bytes) -> CarrierEvent:
        """Read what a carrier says."""

    def render(self, event: CarrierEvent, carrier_stream_id: str) -> str:
        """Say it as that carrier does."""

    def parse_return(self, text: str | bytes) -> ReturnEvent:
        """Read what a carrier is told (audio to play, marks, clear)."""

    def render_return(self, event: ReturnEvent, carrier_stream_id: str) -> str:
        """Tell that carrier."""


DIALECTS: Final[dict[str, Dialect]] = {"twilio": twilio}
