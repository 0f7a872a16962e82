"""Where a consumer that joins a stream begins, and when that is certain."""

import pytest

from callstream.reordering.held import Held
from callstream.reordering.joining import joined_at, whole_from


def run(*arrivals: tuple[int, float]) -> list[Held[None]]:
    return [Held(sequence, 0.0, arrived_at, None) for sequence, arrived_at in arrivals]


WHOLE = run((93, 0.0), (94, 0.02), (95, 0.04))
OVERTOOK = run((93, 0.0), (97, 0.01), (98, 0.03))


def test_a_whole_run_is_certain_after_one_window() -> None:
    assert joined_at(WHOLE, 0.0, 1.0, 100) == 1.0
    assert whole_from(WHOLE, 1.0, 100, 1.0) == 0


def test_numbers_missing_at_the_beginning_are_waited_for_from_when_they_were_overtaken() -> None:
    assert joined_at(OVERTOOK, 0.0, 1.0, 100) == pytest.approx(1.01)
    assert whole_from(OVERTOOK, 1.0, 100, 1.01) == 1


def test_numbers_overtaken_later_than_the_window_may_still_come() -> None:
    late = run((93, 0.0), (94, 0.5), (96, 1.2))

    assert joined_at(late, 0.0, 1.0, 100) == 1.0
    assert whole_from(late, 1.0, 100, 1.3) == 0


def test_numbers_overtaken_by_more_messages_than_the_window_allows_are_not_waited_for() -> None:
    assert joined_at(OVERTOOK, 0.0, 1.0, 1) < 0.0
    assert whole_from(OVERTOOK, 1.0, 1, 0.03) == 1


def test_the_highest_of_several_holes_counts() -> None:
    holes = run((1, 0.0), (3, 0.1), (5, 0.2), (6, 0.3))

    assert whole_from(holes, 1.0, 100, 1.2) == 2
    assert whole_from(holes, 1.0, 100, 1.15) == 1
