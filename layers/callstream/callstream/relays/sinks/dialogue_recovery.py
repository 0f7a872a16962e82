"""How often, and after which pauses, a dialogue tries again what has failed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from callstream.dialogues.virtual_agent import AgentFailed, Remedy

_logger = logging.getLogger(__name__)

PAUSES: Final[Mapping[Remedy, tuple[float, ...]]] = {
    "repeat": (0.2, 1.0, 3.0),
    "renew": (0.0, 0.2, 1.0, 3.0),
    "wait": (2.0, 4.0, 8.0, 16.0),
    "none": (),
}
"""The pauses in seconds before the next tries, after failures in a row. Then the dialogue fails."""


class Recovery:
    """The failures of one run of a relay."""

    def __init__(self, relay_id: str) -> None:
        self._extra = {"relay_id": relay_id}
        self._failures = 0

    async def persist[Result](self, ask: Callable[[], Awaitable[Result]]) -> Result:
        """Ask the agent until it answers. Raises `AgentFailed` if nothing helps."""
        while True:
            try:
                return await ask()
            except AgentFailed as failed:
                await self.pause(failed)

    async def pause(self, failed: AgentFailed) -> None:
        """Wait before the next try. Raises the failure if nothing helps."""
        pauses = PAUSES[failed.remedy]
        if self._failures >= len(pauses):
            raise failed
        pause = pauses[self._failures]
        self._failures += 1
        if failed.remedy != "renew":  # that is no failure
            _logger.warning("the agent has failed: %s", failed.reason, extra=self._extra)
        await asyncio.sleep(pause)

    def succeed(self) -> None:
        """Count a success: what fails from now on is another failure."""
        self._failures = 0
