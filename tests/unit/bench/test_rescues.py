"""Relays that are rescued at once, at a shard with AWS's limits."""

from bench.rescues import RELAYS, simulate
from callstream.relays.timings import RelayTimings


def test_relays_that_catch_up_take_no_read_of_live_readers_and_get_all() -> None:
    found = simulate(in_turn=True)

    assert found.live_refused == 0
    assert found.live_delay <= 1.05
    assert found.missing == 0
    assert len(found.caught_up) == RELAYS
    assert max(found.caught_up) < RelayTimings().catching_up


def test_relays_that_all_read_at_once_starve_live_readers_and_one_another() -> None:
    found = simulate(in_turn=False)

    assert found.live_delay > 5
    assert found.missing > 1000
