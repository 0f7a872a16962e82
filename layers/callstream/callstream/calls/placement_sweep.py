"""Corrects the counts of tracks (`calls.track_counts`) by the streams that are live.

Streams come and go while they are read, and a new stream is counted before it can be found. So a
difference proves nothing by itself: a count is wrong by as much as two looks find, with a pause
between them.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import batched, islice
from typing import Final

from callstream.calls.placement import part_of, tracks_of
from callstream.calls.store import StreamStore
from callstream.calls.sweep import READ_TOGETHER
from callstream.calls.track_counts import TrackCounts, build_counts
from callstream.ports import Table
from callstream.rounds import Allowance

SETTLED: Final = 5.0
"""The pause in seconds. A handshake, and the index of live items, take less."""
_MOST_CORRECTED: Final = 100
"""An update has at most 300 operations. Whatever is left is corrected in the next round."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlacementSweep:
    """One round over all counts.

    Args:
        table: the Streams table.
        streams: the store of streams.
        sleep: waits for so many seconds.
    """

    table: Table
    streams: StreamStore
    sleep: Callable[[float], None]

    def run(self, allowance: Allowance) -> dict[str, int]:
        """Correct the counts that are wrong; make the counts if there are none.

        Args:
            allowance: the time for the round. If it is too short, nothing is corrected.

        Returns:
            How many counts were corrected, if any.

        Raises:
            Unavailable: the table did not answer.
        """
        first = self._look(allowance)
        if not first or allowance.left() < 2 * SETTLED:
            return {}
        self.sleep(SETTLED)
        wrong = both_found(first, self._look(allowance))
        some = dict(islice(wrong.items(), _MOST_CORRECTED))
        if not some:
            return {}
        TrackCounts(self.table).change(some)
        _logger.warning("counts of tracks corrected: %d", len(some))
        return {"correct": len(some)}

    def _look(self, allowance: Allowance) -> dict[int, int]:
        """By how much the counts differ from the live streams; nothing if there is no time."""
        counts = TrackCounts(self.table).read()
        found = Counter[int]()
        for some in batched(self.streams.live_ids(), READ_TOGETHER, strict=False):
            if allowance.is_up:
                _logger.warning("no time for the counts of tracks")
                return {}
            for stream in self.streams.glance(dict.fromkeys(some)):
                found[part_of(stream.stream_id)] += tracks_of(stream)
        if counts is None:
            self.table.put(build_counts(found))
            return {}
        return {part: by for part, count in enumerate(counts) if (by := found[part] - count)}


def both_found(first: Mapping[int, int], second: Mapping[int, int]) -> dict[int, int]:
    """By how much counts are wrong, by part: what two looks agree on.

    Args:
        first: by how much a look has found more tracks than are counted, or fewer (below 0).
        second: the same of another look.
    """
    return {
        part: min(by, first[part], key=abs)
        for part, by in second.items()
        if by * first.get(part, 0) > 0
    }
