"""The reports of a dialogue that wait to be sent to the tenant: numbered, in order, repeated."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Never

from callstream.dialogues.reporting import DialogueReporter, EndReason
from callstream.dialogues.virtual_agent import DialogueEnd, Heard, Reply
from callstream.errors import Unavailable

_logger = logging.getLogger(__name__)

_PAUSES: Final = (0.2, 1.0, 2.0, 4.0, 8.0)
"""The pauses between tries to send a report; in seconds. Then the report is lost."""
MOST_REPORTS: Final = 500
"""So many reports wait at most; while no report can be sent, later ones are lost."""


class ReportOutbox:
    """The reports of one run of a relay.

    Args:
        reporter: takes the reports.
        relay_id: the relay.
        number: the number of the last report of the runs before.
    """

    def __init__(self, reporter: DialogueReporter, relay_id: str, number: int) -> None:
        self._reporter = reporter
        self._extra = {"relay_id": relay_id}
        self._waiting: deque[Callable[[], None]] = deque()
        self._filled, self._drained = asyncio.Event(), asyncio.Event()
        self._drained.set()
        self.number = number
        """The number of the last report."""
        self.lost = 0
        """How many reports were not sent."""

    def heard(self, heard: Heard) -> None:
        """Report what the person has said."""
        self._put(partial(self._reporter.heard, self.number + 1, heard))

    def replied(self, reply: Reply) -> None:
        """Report a reply of the agent."""
        self._put(partial(self._reporter.replied, self.number + 1, reply))

    def ended(self, reason: EndReason, end: DialogueEnd | None) -> None:
        """Report the end."""
        self._put(partial(self._reporter.ended, self.number + 1, reason, end))

    async def run(self) -> Never:
        """Send reports."""
        while True:
            while self._waiting:
                await self._send(self._waiting[0])
                self._waiting.popleft()
            self._drained.set()
            self._filled.clear()
            await self._filled.wait()

    async def drained(self) -> None:
        """Wait until no report waits."""
        await self._drained.wait()

    def _put(self, send: Callable[[], None]) -> None:
        self.number += 1
        if len(self._waiting) >= MOST_REPORTS:
            self._lose("too many reports wait")
            return
        self._waiting.append(send)
        self._drained.clear()
        self._filled.set()

    async def _send(self, send: Callable[[], None]) -> None:
        for pause in (*_PAUSES, None):
            try:
                await asyncio.to_thread(send)
            except Unavailable as error:
                if pause is None:
                    self._lose(str(error))
                else:
                    _logger.warning("a report is not sent yet: %s", error, extra=self._extra)
                    await asyncio.sleep(pause)
            else:
                return

    def _lose(self, reason: str) -> None:
        self.lost += 1
        if self.lost == 1:
            _logger.error("reports of a dialogue are lost: %s", reason, extra=self._extra)
