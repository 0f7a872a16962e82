"""Puts a record again, for a moment, where the frames stream throttles."""

import random
import time
from collections.abc import Callable
from typing import Final

from callstream.errors import Throttled
from callstream.ports import RecordSink

PAUSES: Final = (0.04, 0.08, 0.16)
"""The longest pauses in seconds before the further tries.

Together they are less than the 300 ms that a frame may be late: a live consumer waits for a second.
"""


class PatientSink:
    """A sink that tries again a few times where another sink throttles.

    A shard takes 1,000 records a second. A shard that is asked for a few more refuses a few, and
    takes them a moment later.

    Args:
        sink: the sink that can throttle.
        sleep: waits for so many seconds.
    """

    def __init__(self, sink: RecordSink, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sink = sink
        self._sleep = sleep

    def put(self, partition_key: str, data: bytes) -> None:
        """Put one record.

        Raises:
            Throttled: the sink throttles still.
            Unavailable: the sink did not take the record.
        """
        for longest in PAUSES:
            try:
                return self._sink.put(partition_key, data)
            except Throttled:
                # By chance, so that those who were refused together do not come back together.
                self._sleep(random.uniform(longest / 2, longest))  # noqa: S311
        return self._sink.put(partition_key, data)
