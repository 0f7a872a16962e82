"""Puts the records of the overflow back on the frames stream."""

from collections.abc import Sequence

from callstream.errors import Throttled, Unavailable
from callstream.ports import RecordSink


def put_back(frames: RecordSink, records: Sequence[tuple[str, bytes]]) -> list[int]:
    """Put records, each with its partition key, on the frames stream.

    Returns:
        The indexes of the records that must be put again later.
    """
    left_over = []
    for index, (partition_key, data) in enumerate(records):
        try:
            frames.put(partition_key, data)
        except Throttled:
            # The record is late already, and live frames come first. Other shards may have room.
            left_over.append(index)
        except Unavailable:
            # The stream would refuse the rest too, and each refusal takes seconds.
            return [*left_over, *range(index, len(records))]
    return left_over
