"""Token buckets."""

from hypothesis import given
from hypothesis import strategies as st

from callstream.token_bucket import TokenBucket


def test_bucket_allows_a_burst_and_then_refills_with_time() -> None:
    bucket = TokenBucket(3, 2)

    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(1000.5) for _ in range(2)] == [True, False]
    assert [bucket.take(9000.0) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.floats(0, 100), max_size=300))
def test_bucket_never_allows_more_than_its_size_and_its_rate(times: list[float]) -> None:
    bucket = TokenBucket(5, 3)
    taken = [time for time in sorted(times) if bucket.take(time)]

    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= 5 + 3 * (taken[last] - taken[first]) + 1e-6
