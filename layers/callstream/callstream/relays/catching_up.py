"""Reading what a run has missed, part by part."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from callstream.frames.records import Record
from callstream.relays.ports import Backlog


async def read_up(
    backlog: Backlog, until: float, patience: float
) -> AsyncIterator[Sequence[Record]]:
    """Read the parts of a backlog up to a moment, or for `patience` seconds."""
    now = asyncio.get_running_loop().time
    ends_at = now() + patience
    while True:
        yield await asyncio.to_thread(backlog.read)
        if backlog.has_covered(until):
            return
        pause = backlog.seconds_until_due()
        if now() + pause >= ends_at:
            return
        await asyncio.sleep(pause)
