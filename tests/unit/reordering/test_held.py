"""Messages that wait for their turn."""

import math

from callstream.reordering.held import Held, Waiting


def held(number: int, at: float = 0.0) -> Held[str]:
    return Held(number, at, at, f"{number}")


def test_waiting_gives_the_lowest_number_first() -> None:
    waiting = Waiting([held(5), held(9), held(7)])

    assert 9 in waiting
    assert [waiting.pop().sequence for _ in range(3)] == [5, 7, 9]
    assert (len(waiting), waiting.lowest) == (0, None)


def test_waiting_counts_the_time_of_the_lowest_number() -> None:
    waiting = Waiting([held(5, 2.0), held(9, 1.0)])

    assert waiting.since == 2.0
    assert Waiting[str]().since == math.inf


def test_waiting_counts_time_from_the_latest_message_before_what_waits() -> None:
    assert Waiting([held(5, 2.0)], heard_at=3.5).since == 3.5


def test_waiting_keeps_the_order_of_arrival_for_a_successor() -> None:
    assert [each.sequence for each in Waiting([held(9), held(5)])] == [9, 5]
