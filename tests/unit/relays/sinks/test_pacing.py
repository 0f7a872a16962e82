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
        pieces = min(left, round(pacing.most / PIECE))
        left -= pieces
        pacing.post(pieces * PIECE, now)
        found.append((now, pieces * PIECE))
    return found


def test_pacing_posts_at_once_until_the_carrier_has_enough_to_play() -> None:
    at = [at for at, _ in posts(Pacing(), 1, now=1000)]

    assert at[:3] == [1000, 1000, 1000]
    assert at[3] == pytest.approx(1000 + 0.1 / 1.15)


def test_pacing_posts_a_single_piece_at_once_to_a_silent_carrier() -> None:
    pacing = Pacing()

    assert pacing.due(is_full=False) <= 1000
    pacing.post(PIECE, now=1000)
    assert pacing.due(is_full=False) <= 1000


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
    assert pacing.due(is_full=False) <= 1001


@pytest.mark.parametrize(
    ("took", "most"), [(0.0, 0.1), (0.08, 0.1), (0.11, 0.13), (0.19, 0.2), (60.0, 0.2)]
)
def test_post_may_have_as_much_as_plays_while_a_post_takes(took: float, most: float) -> None:
    pacing = Pacing()
    pacing.post(PIECE, now=1000)
    pacing.end_post(now=1000 + took)

    assert pacing.most == pytest.approx(most)
    pacing.end_post(now=2000)  # of a message without audio
    assert pacing.most == pytest.approx(most)
