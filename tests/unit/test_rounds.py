"""One round of a sweep: every thing gets its step, whatever happens to the others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest

from callstream.errors import Unavailable
from callstream.rounds import run_round

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEYS = {name: name.upper() for name in "abcde"}


class Step(StrEnum):
    LEAVE = "leave"
    CLOSE = "close"


def always() -> bool:
    return True


def times(count: int) -> Callable[[], bool]:
    """There is time for so many."""
    left = iter([True] * count + [False])
    return lambda: next(left)


def test_run_round_counts_the_steps() -> None:
    taken = {"A": Step.CLOSE, "B": Step.LEAVE, "C": Step.CLOSE, "D": None, "E": None}

    steps = run_round("stream", KEYS, taken.__getitem__, NOW, always)
    assert steps == {Step.CLOSE: 2, Step.LEAVE: 1}


def test_run_round_over_nothing_does_nothing() -> None:
    assert run_round("stream", {}, lambda _: Step.LEAVE, NOW, lambda: False) == {}


def test_run_round_logs_an_error_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def take_step(key: str) -> Step:
        if key in {"A", "D"}:
            raise Unavailable("dynamodb", "Down")
        return Step.LEAVE

    assert run_round("relay", KEYS, take_step, NOW, always) == {Step.LEAVE: 3}
    logged = [(r.message, r.relay_id) for r in caplog.records]  # type: ignore[attr-defined]
    message = "relay not swept: dynamodb is unavailable: Down"
    assert sorted(logged) == [(message, "a"), (message, "d")]


def test_run_round_does_not_hide_a_defect() -> None:
    def take_step(_key: str) -> Step:
        raise KeyError

    with pytest.raises(KeyError):
        run_round("stream", KEYS, take_step, NOW, always)


def test_run_round_ends_when_its_time_is_up(caplog: pytest.LogCaptureFixture) -> None:
    assert run_round("stream", KEYS, lambda _: Step.LEAVE, NOW, times(2)) == {Step.LEAVE: 2}
    assert caplog.messages == ["no time for 3 of 5 streams"]


def test_run_round_begins_elsewhere_each_minute() -> None:
    """Else the same things would be left out of every round that is too short."""
    seen: set[str] = set()

    def take_step(key: str) -> Step:
        seen.add(key)
        return Step.LEAVE

    for minute in range(20):
        run_round(
            "stream", KEYS | {"f": "F"}, take_step, NOW + minute * timedelta(seconds=61), times(1)
        )
    assert seen == {*"ABCDEF"}
