"""Reading what a run has missed, part by part."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from callstream.frames.records import Record
from callstream.relays.ports import Backlog

_logger = logging.getLogger(__name__)


async def read_up(
    backlog: Backlog, until: float, patience: float
) -> AsyncIterator[Sequence[Record]]:
    """Read the parts of a backlog, up to a moment (in seconds since 1970).

    After `patience` seconds the reading ends with a line in the log: the rest is a gap.
    """
    now = asyncio.get_running_loop().time
    ends_at = now() + patience
    while True:
        yield await asyncio.to_thread(backlog.read)
        if backlog.has_covered(until):
            return
        pause = backlog.seconds_until_due()
        if now() + pause >= ends_at:
            _logger.error("missed records cannot be read; the consumer has a gap")
            return
        await asyncio.sleep(pause)
