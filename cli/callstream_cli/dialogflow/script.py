"""What the agent says. `scripts/make-recording` has it spoken."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RECORDINGS: Final = Path(__file__).parent.parent / "assets" / "dialogflow"
SUFFIX: Final = ".ulaw"
"""The recordings are raw 8 kHz mu-law."""

TEXTS: Final[Mapping[str, str]] = {
    "welcome": "Hello, this is the water company. How can I help you?",
    "looking": "I am sorry to hear that. One moment, please.",
    "repair": "There is a repair in your street. The water will be back this evening.",
    "address": "Thank you. Our people are already there.",
    "hours": "We are open from eight in the morning to six in the evening.",
    "bill": "Please type your account number, and then the pound key.",
    "account": "Thank you. Your bill is paid.",
    "person": "I will bring somebody to the phone.",
    "emergency": "I will connect you with the emergency service.",
    "goodbye": "You are welcome. Goodbye.",
    "fallback": "I did not understand that. Please say it again.",
    "silence": "Are you still there?",
    "keys": "Press 1 for water, 2 for our hours, 3 for a bill, 0 for a person, or 9 to end.",
}
"""The text of each recording, by its name."""


CALLER: Final = (
    (14_000, "My water has been off since this morning."),
    (11_000, "What are your opening hours?"),
    (7_000, "Thank you. Goodbye."),
)
"""What a caller says to the agent, after so many milliseconds: the agent talks meanwhile.

In the first pause the agent also joins, which takes some seconds where functions start.
"""


@dataclass(frozen=True, slots=True)
class Speech:
    """A part of a reply."""

    name: str

    @property
    def text(self) -> str:
        """The words of the part."""
        return TEXTS[self.name]

    @property
    def audio(self) -> bytes:
        """The spoken part: 8 kHz mu-law."""
        return (RECORDINGS / f"{self.name}{SUFFIX}").read_bytes()
