"""What is said in the recording that the demo plays. `scripts/make-recording` has it spoken.

The sentences are chosen so that the small offline model understands these voices on the telephone.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from callstream.dialects.events import Track


class Said(NamedTuple):
    """A line of the conversation."""

    track: Track
    pause_ms: int
    """The pause after the line before; an overlap if negative."""
    text: str


SPEAKERS: Final[Mapping[Track, str]] = {"inbound": "caller", "outbound": "agent"}
LINES: Final = (
    Said("outbound", 300, "Good morning, you are speaking with the water company."),
    Said("inbound", 200, "My water has been off since this morning."),
    Said("outbound", -150, "I am very sorry about that. Where do you live?"),
    Said("inbound", 200, "I live near the old bridge."),
    Said("outbound", 200, "Our people are working on it, and the water will be back this evening."),
    Said("inbound", -250, "That is good to know. Thank you for your help."),
)
