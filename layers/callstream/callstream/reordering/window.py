"""How long the reorder buffer waits for a missing message."""

from typing import Final

from msgspec import Struct

_SHORTEST_PATIENCE: Final = 1.0


class Window(Struct, frozen=True):
    """How many messages may wait for a missing message, and for how long.

    A message that is overtaken by at most `messages` others within `seconds` is still put in order.
    With `messages=0` no message waits. A number that is `max_dropout` or more ahead of the stream
    is not believed.

    Raises:
        ValueError: a number is negative, or `max_dropout` is less than 1.
    """

    messages: int = 100
    seconds: float = 1.0
    max_dropout: int = 1000

    def __post_init__(self) -> None:
        if self.messages < 0 or self.seconds < 0:
            raise ValueError("a window cannot be negative")
        if self.max_dropout < 1:
            raise ValueError("a window reaches the next message: max_dropout is at least 1")

    @property
    def patience(self) -> float:
        """After so many seconds without a message of the stream, a new numbering is credible."""
        return max(self.seconds, _SHORTEST_PATIENCE)
