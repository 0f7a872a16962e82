"""Messages on probation, and when two of them make a new numbering."""

import math

import pytest

from callstream.reordering.held import Held
from callstream.reordering.resync import Probation


def probation(*numbers: int) -> Probation[str]:
    return Probation(held(number, place) for place, number in enumerate(numbers))


def held(number: int, at: float = 0.0) -> Held[str]:
    return Held(number, at, at, f"{number}")


@pytest.mark.parametrize(
    ("numbers", "is_sequential"),
    [((), False), ((5,), False), ((5, 7), False), ((7, 8), True), ((9, 2, 8), True)],
)
def test_probation_is_sequential_with_two_numbers_in_sequence(
    numbers: tuple[int, ...], *, is_sequential: bool
) -> None:
    assert probation(*numbers).is_sequential == is_sequential


def test_probation_is_not_sequential_any_more_when_one_of_the_two_has_left() -> None:
    messages = probation(5, 6, 9)
    assert messages.pop_first().sequence == 5

    assert not messages.is_sequential
    messages.put(held(8))
    assert messages.is_sequential


def test_probation_begins_when_its_first_message_came() -> None:
    messages = probation()
    assert messages.since == math.inf

    messages.put(held(9, 3.0))
    messages.put(held(5, 4.0))
    assert messages.since == 3.0


@pytest.mark.parametrize(("number", "leads"), [(5, False), (6, True), (106, True), (107, False)])
def test_probation_leads_to_a_number_soon_after_its_own(number: int, *, leads: bool) -> None:
    assert probation(5, 6).leads_to(number) == leads


def test_probation_without_a_sequence_leads_nowhere() -> None:
    assert not probation(5).leads_to(6)


def test_probation_gives_back_what_was_received_before_a_time() -> None:
    messages = probation(5, 9, 7)

    assert [each.sequence for each in messages.pop_older(2)] == [5, 9]
    assert [each.sequence for each in messages] == [7]


def test_probation_gives_back_the_wanted_with_the_lowest_number_first() -> None:
    messages = probation(9, 5, 7)

    assert [each.sequence for each in messages.pop_if(lambda number, _: number > 5)] == [7, 9]


@pytest.mark.parametrize(
    ("numbers", "run"),
    [
        ((5,), [5]),
        ((2**50, 7, 106, 8), [7, 8, 106]),
        ((7, 107, 8, 108), [107, 108]),  # as many: the newer ones
    ],
)
def test_probation_finds_the_run_of_one_numbering(numbers: tuple[int, ...], run: list[int]) -> None:
    messages = probation(*numbers)

    found = messages.run(max_dropout=99)
    messages.pop(found)

    assert [each.sequence for each in found] == run
    assert {each.sequence for each in messages} == {*numbers} - {*run}
