"""Finds where a consumer that joins a running stream starts.

The start is after the last gap that can no longer be filled. The consumer cannot get messages that
came before it joined, and a message with a lower number may come after them: 94 to 96 came before,
then 93 and 97 come. The consumer starts at 97, since it would wait for 94 to 96 in vain.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from callstream.reordering.held import Held


class _Hole(NamedTuple):
    """Missing numbers."""

    above: int
    """The place of the message above them."""
    overtaken_at: float
    """When the first message came that was sent after them."""
    overtaken_by: int
    """How many messages came that were sent after them."""


def joined_at(run: Sequence[Held[Any]], began_at: float, seconds: float, messages: int) -> float:
    """When the start is certain.

    That takes one window, or two if numbers are missing below the first messages.

    Args:
        run: the messages that have come, the lowest number first; at least one.
        began_at: when the first message of all came.
        seconds: for how long a message may be overtaken.
        messages: by how many messages a message may be overtaken.
    """
    ends_at = -math.inf if len(run) > messages else began_at + seconds
    early = sorted(held.arrived_at for held in run)[:messages]
    for hole in _holes(run):
        is_early = early and run[hole.above].arrived_at <= min(early[-1], began_at + seconds)
        if is_early and hole.overtaken_by <= messages:
            ends_at = max(ends_at, hole.overtaken_at + seconds)
    return ends_at


def whole_from(run: Sequence[Held[Any]], seconds: float, messages: int, now: float) -> int:
    """The place of the message above the last gap that stays. Arguments as for `joined_at`."""
    return next(
        (
            hole.above
            for hole in _holes(run)
            if hole.overtaken_by > messages or hole.overtaken_at + seconds <= now
        ),
        0,
    )


def _holes(run: Sequence[Held[Any]]) -> Iterator[_Hole]:
    """The missing numbers, the highest first."""
    overtaken_at = math.inf
    for place in range(len(run) - 1, 0, -1):
        overtaken_at = min(overtaken_at, run[place].arrived_at)
        if run[place].sequence - run[place - 1].sequence > 1:
            yield _Hole(place, overtaken_at, len(run) - place)
