from random import Random

import pytest

from bench.cold_starts import FUNCTIONS, VCPU_MB, Call, Case, Function, Pool, simulate
from callstream.adapters.aws.warm_up_event import HOLD_SECONDS
from callstream.warm_up import FRAME_ENVIRONMENTS

CASES: tuple[Case, ...] = ("cold", "warmed")
KNOWN = dict.fromkeys(FUNCTIONS, Function(VCPU_MB, import_cpu=0.3))


def call(case: Case, lead: float = 4.0) -> Call:
    return simulate(KNOWN, case, lead=lead, seed=1)


def seeded() -> Random:
    return Random(1)  # noqa: S311 - a simulation


def pool() -> Pool:
    return Pool(KNOWN["media_frame"], seeded(), full_cpu=False)


def test_cold_start_lasts_longer_with_less_memory() -> None:
    small, large = Function(VCPU_MB // 2, 0.3), Function(2 * VCPU_MB, 0.3)

    seconds = [each.cold_seconds(seeded(), full_cpu=False) for each in (small, large)]
    assert seconds[0] - seconds[1] == pytest.approx(0.3, abs=0.01)
    assert small.cold_seconds(seeded(), full_cpu=True) == seconds[1]


def test_pool_starts_an_environment_only_if_none_is_idle() -> None:
    frames = pool()

    first = frames.invoke(0.0)
    frames.invoke(0.1)  # the first is still starting
    assert frames.started == 2

    frames.invoke(first + 1)
    assert frames.started == 2


def test_pool_holds_environments_that_were_warm_before() -> None:
    frames = pool()
    frames.warm(1)

    held = frames.invoke(0.0, hold=HOLD_SECONDS)
    assert held >= HOLD_SECONDS

    frames.invoke(0.01, hold=HOLD_SECONDS)
    assert frames.started == 1


def test_call_on_cold_functions_starts_one_for_each_frame_until_the_first_is_ready() -> None:
    cold = call("cold")

    # Frames come every 20 ms, and an environment takes about half a second.
    assert 20 <= cold.frame_environments <= 60
    assert cold.first_frame > 0.3
    assert cold.handshake > 2 * 0.3


def test_call_that_was_warmed_in_time_is_as_fast_as_on_warm_functions() -> None:
    warmed, warm = call("warmed"), call("warm")

    assert warmed.frame_environments == FRAME_ENVIRONMENTS
    assert warm.environments == 0
    for name in ("handshake", "first_frame", "relay"):
        assert getattr(warmed, name) < getattr(warm, name) + 0.05
    assert warmed.late == 0


def test_call_that_comes_at_once_waits_for_one_cold_start_instead_of_two() -> None:
    at_once, cold = call("warmed", lead=0.3), call("cold")

    assert at_once.handshake < 0.65 * cold.handshake
    # A function that fans out must start before the others can.
    assert at_once.handshake < 0.8 * call("by one function", lead=0.3).handshake


def test_crowd_of_calls_needs_few_environments_if_some_were_warmed() -> None:
    cold, warmed = (simulate(KNOWN, case, lead=0.3, seed=1, calls=10) for case in CASES)

    assert cold.frame_environments > 150
    assert warmed.frame_environments < 60


def test_frames_are_late_behind_very_slow_starts() -> None:
    slow = {**KNOWN, "media_frame": Function(VCPU_MB, import_cpu=1.0, spread=1.0)}

    late = sum(simulate(slow, "cold", lead=4.0, seed=seed).late for seed in range(10))
    assert late > 0
