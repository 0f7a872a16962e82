"""What Kinesis still has of some streams, for a relay that has missed it."""

import logging
import random
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final, override

from callstream.adapters.aws.kinesis_reader import FrameStreamReader
from callstream.errors import Unavailable
from callstream.frames.records import Record
from callstream.relays.ports import Backlog

_SHORTEST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 4.0

_logger = logging.getLogger(__name__)


class KinesisBacklog(Backlog):
    """The records of some streams, as a reader brings them.

    After a refusal the next read is due after a pause, longer each time and of random length: many
    relays may have missed records at once, and must not come again at once.

    Args:
        open_reader: makes the reader, with the first read; may raise `Unavailable`.
        stream_ids: the streams.
        clock: a clock in seconds.
    """

    def __init__(
        self,
        open_reader: Callable[[], FrameStreamReader],
        stream_ids: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_reader = open_reader
        self._stream_ids = stream_ids
        self._clock = clock
        self._reader: FrameStreamReader | None = None
        self._refusals = 0
        self._pauses_until = clock()

    @override
    def read(self) -> Sequence[Record]:
        try:
            if self._reader is None:
                self._reader = self._open_reader()
            arrivals = self._reader.poll()
        except Unavailable as error:
            _logger.warning("missed records are read again: %s", error)
            longest = min(_SHORTEST_PAUSE * 2**self._refusals, _LONGEST_PAUSE)
            self._pauses_until = self._clock() + random.uniform(0, longest)  # noqa: S311
            self._refusals += 1
            return ()
        self._refusals = 0
        return [
            arrival.record
            for arrival in arrivals
            if arrival.partition_key in self._stream_ids and isinstance(arrival.record, Record)
        ]

    @override
    def has_covered(self, moment: float) -> bool:
        return self._reader is not None and self._reader.has_covered(moment)

    @override
    def seconds_until_due(self) -> float:
        due = 0.0 if self._reader is None else self._reader.seconds_until_due()
        return max(due, self._pauses_until - self._clock())
