"""The return path of a one-way stream: it reads a consumer's messages, and they have no effect.

Twilio documents the same for a stream that its REST API has made: nothing is sent back, and a
warning is logged once for each stream.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Never

from callstream.relays.sinks.return_path import MESSAGES_A_SECOND, MESSAGES_AT_ONCE
from callstream.token_bucket import TokenBucket

_logger: Final = logging.getLogger(__name__)


class OneWayPath:
    """The return path of one fork. `clock` is time in seconds."""

    def __init__(self, relay_id: str, clock: Callable[[], float]) -> None:
        self._extra = {"relay_id": relay_id}
        self._clock = clock
        self._messages = TokenBucket(MESSAGES_AT_ONCE, MESSAGES_A_SECOND)
        self._ignored = 0

    async def receive(self, _text: str | bytes) -> None:
        """Ignore a message; waits only if the consumer sends far too many."""
        if not self._ignored:
            _logger.warning("the stream is one-way: messages are ignored", extra=self._extra)
        self._ignored += 1
        if not self._messages.take(self._clock()):
            await asyncio.sleep(1 / MESSAGES_A_SECOND)

    async def post(self) -> Never:
        """Post nothing; runs until it is cancelled."""
        try:
            while True:
                await asyncio.Event().wait()
        finally:
            if self._ignored:
                _logger.info("ignored %d messages", self._ignored, extra=self._extra)

    async def flush(self, _patience: float) -> None:
        """Nothing waits."""
