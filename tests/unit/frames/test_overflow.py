"""Which records of the overflow wait longer."""

import pytest

from callstream.errors import Throttled, Unavailable
from callstream.frames.overflow import put_back


class Frames:
    """A stream with a hot shard, and perhaps an outage."""

    def __init__(self, hot: set[str], down: set[str]) -> None:
        self.hot, self.down = hot, down
        self.asked: list[str] = []

    def put(self, partition_key: str, data: bytes) -> None:
        self.asked.append(partition_key)
        if partition_key in self.hot:
            raise Throttled("kinesis", "ProvisionedThroughputExceededException")
        if partition_key in self.down:
            raise Unavailable("kinesis", "InternalFailure")
        assert data == partition_key.encode()


@pytest.mark.parametrize(
    ("hot", "down", "left_over", "asked"),
    [
        ("", "", [], "abcd"),
        ("ac", "", [0, 2], "abcd"),
        ("", "b", [1, 2, 3], "ab"),
        ("a", "c", [0, 2, 3], "abc"),
    ],
    ids=["nothing refused", "throttled alone", "outage takes the rest", "both"],
)
def test_overflow_keeps_what_is_refused(
    hot: str, down: str, left_over: list[int], asked: str
) -> None:
    frames = Frames(set(hot), set(down))
    records = [(key, key.encode()) for key in "abcd"]

    assert put_back(frames, records) == left_over
    assert frames.asked == list(asked)
