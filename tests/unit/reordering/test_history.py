"""What a buffer remembers of the numbers behind it."""

import math

import pytest

from callstream.reordering.history import MOST_GAPS, History, Numbering, ReorderCounts


def history(next_seq: int, *gaps: tuple[int, int], newest: float = 10.0) -> History:
    return History(Numbering(1, next_seq, newest, [*gaps]))


def test_history_has_not_begun_without_a_first_number() -> None:
    assert not History().has_begun
    assert not History().has_passed(1, 0.0)


@pytest.mark.parametrize(("number", "has_passed"), [(0, False), (1, True), (3, False), (9, True)])
def test_history_has_passed_what_is_behind_and_in_no_gap(number: int, *, has_passed: bool) -> None:
    assert history(10, (2, 5)).has_passed(number, 0.0) == has_passed


def test_history_has_not_passed_what_is_next() -> None:
    assert not history(10).has_passed(10, 0.0)


def test_history_counts_what_it_drops_by_where_the_number_is() -> None:
    numbers = history(10, (2, 5))
    for number in (3, 3, 9, 0, 10):
        numbers.drop(number, 0.0)

    assert numbers.counts == ReorderCounts(late=1, repeats=2, strays=2)
    assert numbers.numbering.gaps == [(2, 3), (4, 5)]


def test_history_forgets_a_gap_whose_numbers_all_came_late() -> None:
    numbers = history(10, (2, 4))
    for number in (2, 3):
        numbers.drop(number, 0.0)

    assert (numbers.numbering.gaps, numbers.counts.late) == ([], 2)


def test_history_counts_a_skip_as_one_gap() -> None:
    numbers = history(10)

    assert numbers.skip_to(15)
    assert not numbers.skip_to(15)
    assert numbers.counts == ReorderCounts(gaps=1, skipped=5)
    assert (numbers.numbering.next_seq, numbers.numbering.gaps) == (15, [(10, 15)])


def test_history_tells_the_former_numbering_by_the_time_of_receipt() -> None:
    numbers = history(100, (20, 30), newest=10.0)
    numbers.begin(1)
    numbers.numbering.next_seq = 50
    for number, received_at in ((20, 9.0), (60, 10.0), (20, 11.0), (60, 11.0)):
        numbers.drop(number, received_at)

    assert numbers.counts == ReorderCounts(restarts=1, late=1, repeats=2, strays=1)


def test_history_forgets_gaps_that_are_long_past() -> None:
    numbers = history(1)
    for number in range(2, 5000, 2):
        numbers.skip_to(number)
        numbers.numbering.next_seq = number + 1

    assert len(numbers.numbering.gaps) == MOST_GAPS
    assert numbers.has_passed(1, 0.0)
    assert not numbers.has_passed(4997, 0.0)


def test_history_is_copied_with_the_latest_gaps() -> None:
    numbers = history(10, (2, 3), (5, 6))
    copy = numbers.copy(1)
    copy.drop(5, 0.0)

    assert copy.numbering.gaps == []
    assert numbers.numbering.gaps == [(2, 3), (5, 6)]
    assert numbers.counts == ReorderCounts()


def test_numbering_begins_without_a_newest_message() -> None:
    assert Numbering().newest == -math.inf
