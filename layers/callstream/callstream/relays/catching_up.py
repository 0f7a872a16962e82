"""Reading what a run has missed, in parts, while Kinesis may refuse for a moment.

Every refusal is followed by a pause, longer each time and of random length: many relays may have
missed records at once, and must not come again at once.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from typing import Final

from callstream.errors import Unavailable
from callstream.frames.records import Record
from callstream.relays.ports import Backlog

_SHORTEST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 4.0

_logger = logging.getLogger(__name__)


async def read_up(
    backlog: Backlog, until: float, patience: float
) -> AsyncIterator[Sequence[Record]]:
    """Read the parts of a backlog, up to a moment (in seconds since 1970).

    After `patience` seconds the reading ends with a line in the log: the rest is a gap.
    """
    now = asyncio.get_running_loop().time
    ends_at, failures = now() + patience, 0
    while True:
        try:
            part = await asyncio.to_thread(backlog.read)
        except Unavailable as error:
            _logger.warning("missed records are read again: %s", error)
            longest = min(_SHORTEST_PAUSE * 2**failures, _LONGEST_PAUSE)
            pause = random.uniform(0, longest)  # noqa: S311
            failures += 1
        else:
            yield part
            if backlog.has_covered(until):
                return
            pause, failures = backlog.seconds_until_due(), 0
        if now() + pause >= ends_at:
            _logger.error("missed records cannot be read; the consumer has a gap")
            return
        await asyncio.sleep(pause)
