"""One round of a sweep, whether over streams or over relays: an error stops no other step."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from callstream.errors import CallstreamError

# A prime, so that rounds a minute apart do not begin at the same few places.
_STRIDE: Final = 7919

_logger = logging.getLogger(__name__)


def run_round[Key, Step: StrEnum](
    noun: str,
    keys: Mapping[str, Key],
    take_step: Callable[[Key], Step | None],
    now: datetime,
    has_time: Callable[[], bool],
) -> dict[Step, int]:
    """Take the step that each of some things needs. An error is logged, and the round goes on.

    Args:
        noun: what the things are, for the log: `stream` or `relay`.
        keys: the keys of the things, by their ids.
        take_step: reads a thing, does what it needs and returns what that was; None if nothing
            is to be done any more.
        now: the present. Each round begins at another thing, so that, if the time is up before
            the last of them, the next round leaves out others.
        has_time: whether there is time for one more thing.

    Returns:
        How many things needed which step.
    """
    steps: dict[Step, int] = {}
    ids = list(keys)
    begin = int(now.timestamp()) * _STRIDE % len(ids) if ids else 0
    for done, each in enumerate(ids[begin:] + ids[:begin]):
        if not has_time():
            _logger.warning("no time for %d of %d %ss", len(ids) - done, len(ids), noun)
            break
        try:
            step = take_step(keys[each])
        except CallstreamError as error:
            _logger.warning("%s not swept: %s", noun, error, extra={f"{noun}_id": each})
        else:
            if step is not None:
                steps[step] = steps.get(step, 0) + 1
    return steps
