"""How often, and after which pauses, a dialogue tries again what has failed. Pure."""

from collections.abc import Mapping
from typing import Final

from callstream.dialogues.virtual_agent import AgentFailed, Remedy

PAUSES: Final[Mapping[Remedy, tuple[float, ...]]] = {
    "repeat": (0.2, 1.0, 3.0),
    "renew": (0.0, 0.2, 1.0, 3.0),
    "wait": (2.0, 4.0, 8.0, 16.0),
    "none": (),
}
"""The pauses in seconds before the next tries, after failures in a row. Then the dialogue fails."""


class Recovery:
    """Counts the failures in a row."""

    def __init__(self) -> None:
        self._failures = 0

    def pause_after(self, failed: AgentFailed) -> float | None:
        """How many seconds to wait before the next try; None if there is none."""
        pauses = PAUSES[failed.remedy]
        if self._failures >= len(pauses):
            return None
        self._failures += 1
        return pauses[self._failures - 1]

    def succeed(self) -> None:
        """Count a success: what fails from now on is another failure."""
        self._failures = 0
