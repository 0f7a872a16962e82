"""What time it is on a shard."""

from hypothesis import given
from hypothesis import strategies as st

from callstream.frames.arrivals import ShardTime


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 100), st.integers(0, 3))))
def test_time_of_a_shard_never_goes_back(steps: list[tuple[bool, int, int]]) -> None:
    time = ShardTime(50, 50, 50, 0)
    now, times = 0, [50.0]
    for arrives, arrived_at, passed in steps:
        now += passed
        times.append(time.arrived(arrived_at, now) if arrives else time.at(now))

    assert times == sorted(times)


def test_time_of_a_shard_goes_on_while_the_shard_is_read_and_no_record_comes() -> None:
    time = ShardTime(50, 50, 50, 0)

    assert time.at(3) == 53
    assert time.arrived(52, 4) == 53
    assert time.at(6) == 54
