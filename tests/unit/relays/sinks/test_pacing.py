"""The pace at which audio is posted to a carrier."""

from itertools import accumulate

import pytest

from callstream.relays.sinks.pacing import Pacing

PIECE = 0.02


def posts(pacing: Pacing, seconds: float, now: float) -> list[tuple[float, float]]:
    """When and how much is posted, if `seconds` of audio wait."""
    found: list[tuple[float, float]] = []
    left = round(seconds / PIECE)
    while left:
        now = max(now, pacing.due(is_full=True))
        pieces = min(left, pacing.most(now))
        left -= pieces
        pacing.post(pieces * PIECE, now)
        found.append((now, pieces * PIECE))
    return found


def test_pacing_posts_a_first_piece_at_once_and_then_full_posts() -> None:
    (first_at, first), (second_at, second), *_ = posts(Pacing(), 1, now=1000)

    assert first_at == second_at == 1000
    assert first == PIECE
    assert second == pytest.approx(0.1)


@pytest.mark.parametrize("begin", [0, 5, 40, 150])
def test_pacing_posts_at_most_15_messages_in_any_second(begin: float) -> None:
    times = [at - 1000 for at, _ in posts(Pacing(), 240, now=1000)]

    assert sum(begin <= at < begin + 1 for at in times) <= 15


def test_pacing_runs_ahead_of_the_carrier_by_20_seconds_at_most() -> None:
    pacing = Pacing()
    all_posts = posts(pacing, 600, now=1000)
    posted = accumulate(seconds for _, seconds in all_posts)
    ahead = [seconds - (at - 1000) for (at, _), seconds in zip(all_posts, posted, strict=True)]

    assert min(ahead) > 0
    assert max(ahead) == pytest.approx(20.1)
    assert pacing.played_at == pytest.approx(1600)


def test_pacing_waits_for_a_full_post_only_while_the_carrier_has_something_to_play() -> None:
    pacing = Pacing()
    pacing.post(1.0, now=1000)

    assert pacing.due(is_full=False) == pytest.approx(1000.94)
    assert pacing.due(is_full=True) == pytest.approx(1000.8)
    pacing.post(0.02, now=1000.8)
    assert pacing.due(is_full=True) == pytest.approx(1000.82)


def test_pacing_begins_anew_after_a_clear() -> None:
    pacing = Pacing()
    pacing.post(10.0, now=1000)
    pacing.clear(now=1001)

    assert pacing.due(is_full=True) <= 1001
    assert pacing.most(now=1001) == 1
