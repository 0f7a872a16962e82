"""The reorder buffer: whatever the network does inside the window, the consumer sees order."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.reorder import ReorderBuffer, Window

FOREVER = 1e9


def shuffled(sequences: Sequence[int], window: int, random: Random) -> list[int]:
    """In any order in which each is overtaken by fewer than `window` of those that follow it."""
    places = {
        sequence: index + random.random() * window for index, sequence in enumerate(sequences)
    }
    return sorted(sequences, key=lambda sequence: places[sequence])


def run(buffer: ReorderBuffer[int], arrivals: Sequence[int]) -> list[int]:
    released = [item for sequence in arrivals for item in buffer.push(sequence, sequence, now=0.0)]
    return released + buffer.flush()


@dataclass(frozen=True)
class Network:
    """What was sent, and what arrived of it."""

    window: int
    arrivals: list[int]
    lost: frozenset[int]
    repeats: int
    sent: range


@st.composite
def networks(draw: st.DrawFn) -> Network:
    sent = range(1, draw(st.integers(1, 200)) + 1)
    window = draw(st.integers(1, 20))
    random = draw(st.randoms(use_true_random=False))
    # The first and the last arrive, so that every loss can be seen.
    lost = frozenset(draw(st.sets(st.sampled_from(sent)))) - {sent[0], sent[-1]}
    arrivals: list[int] = []
    repeats = 0
    for sequence in shuffled([number for number in sent if number not in lost], window, random):
        arrivals.append(sequence)
        if random.random() < 0.1:
            arrivals.insert(random.randrange(arrivals.index(sequence), len(arrivals)) + 1, sequence)
            repeats += 1
    return Network(window, arrivals, lost, repeats, sent)


@given(networks())
def test_shuffles_losses_and_repeats_inside_the_window_are_undone_and_counted(
    network: Network,
) -> None:
    buffer = ReorderBuffer[int](Window(messages=network.window, seconds=FOREVER), first=1)

    assert run(buffer, network.arrivals) == sorted(set(network.arrivals))
    assert buffer.counts.skipped == len(network.lost)
    assert buffer.counts.repeats == network.repeats
    assert buffer.counts.late == 0
    assert len(buffer) == 0


@given(networks())
def test_a_consumer_that_joins_in_the_middle_sees_order_too(network: Network) -> None:
    buffer = ReorderBuffer[int](Window(messages=network.window, seconds=FOREVER))

    assert run(buffer, network.arrivals) == sorted(set(network.arrivals))


arrivals_at_any_time = st.lists(
    st.tuples(st.integers(0, 60), st.floats(0, 2, allow_nan=False)), max_size=150
)


@given(
    arrivals_at_any_time,
    st.integers(0, 8),
    st.floats(0, 3, allow_nan=False),
    st.none() | st.integers(0, 10),
)
def test_whatever_arrives_comes_out_ascending_bounded_and_accounted_for(
    arrivals: list[tuple[int, float]], messages: int, seconds: float, first: int | None
) -> None:
    buffer = ReorderBuffer[tuple[int, float]](Window(messages, seconds), first=first)
    now = 0.0
    released: list[tuple[int, float]] = []
    for sequence, pause in arrivals:
        now += pause
        out = buffer.push(sequence, (sequence, now), now)
        released += out
        assert len(buffer) <= messages
        assert buffer.deadline is None or buffer.deadline > now
    released += buffer.flush()

    numbers = [sequence for sequence, _ in released]
    assert numbers == sorted(set(numbers))
    counts = buffer.counts
    assert counts.released == len(released)
    assert counts.released + counts.repeats + counts.late == len(arrivals)
    # Every number was released, or passed over and perhaps late; or it lies before the beginning.
    seen = {sequence for sequence, _ in arrivals}
    start = min(numbers, default=0) if first is None else first
    skipped = set(range(start, max(numbers, default=start - 1) + 1)) - set(numbers)
    assert counts.skipped == len(skipped)
    assert counts.late == len(skipped & seen)


def test_what_is_in_turn_is_released_at_once() -> None:
    buffer = ReorderBuffer[str](Window(), first=1)

    assert buffer.push(1, "a", now=0.0) == ["a"]
    assert buffer.deadline is None


def test_what_is_out_of_turn_waits_for_its_predecessor() -> None:
    buffer = ReorderBuffer[str](Window(), first=1)

    assert buffer.push(2, "b", now=0.0) == []
    assert buffer.push(3, "c", now=0.1) == []
    assert buffer.push(1, "a", now=0.2) == ["a", "b", "c"]
    assert buffer.counts.gaps == 0


def test_nothing_waits_longer_than_the_window() -> None:
    buffer = ReorderBuffer[str](Window(seconds=0.5), first=1)
    buffer.push(2, "b", now=0.0)
    buffer.push(5, "e", now=0.1)

    assert buffer.deadline == 0.5
    assert buffer.expire(now=0.4) == []
    assert buffer.expire(now=0.5) == ["b"]
    assert buffer.deadline == 0.6
    assert buffer.push(7, "g", now=0.6) == ["e"]
    assert (buffer.counts.gaps, buffer.counts.skipped) == (2, 3)


def test_a_message_that_fills_its_gap_at_the_last_moment_is_not_lost() -> None:
    buffer = ReorderBuffer[str](Window(seconds=0.5), first=1)
    buffer.push(2, "b", now=0.0)

    assert buffer.push(1, "a", now=9.0) == ["a", "b"]
    assert buffer.counts.skipped == 0


def test_a_full_window_gives_up_on_the_first_gap_only() -> None:
    buffer = ReorderBuffer[int](Window(messages=2, seconds=FOREVER), first=1)
    buffer.push(2, 2, now=0.0)
    buffer.push(4, 4, now=0.0)

    assert buffer.push(6, 6, now=0.0) == [2]
    assert buffer.push(3, 3, now=0.0) == [3, 4]
    assert buffer.push(5, 5, now=0.0) == [5, 6]
    assert buffer.counts.skipped == 1


def test_late_messages_are_told_from_repeats_and_neither_comes_out() -> None:
    buffer = ReorderBuffer[int](Window(messages=0), first=1)
    buffer.push(1, 1, now=0.0)
    buffer.push(5, 5, now=0.0)

    assert [buffer.push(number, number, now=0.0) for number in (3, 3, 1, 5, 2)] == [[]] * 5
    assert (buffer.counts.late, buffer.counts.repeats) == (2, 3)
    assert buffer.counts.skipped - buffer.counts.late == 1


def test_a_huge_gap_takes_neither_time_nor_memory() -> None:
    buffer = ReorderBuffer[int](Window(messages=0), first=1)

    assert buffer.push(2**53 - 1, 0, now=0.0) == [0]
    assert buffer.counts.skipped == 2**53 - 2
    buffer.push(2**40, 0, now=0.0)
    assert buffer.counts.late == 1


def test_gaps_that_are_long_past_are_forgotten() -> None:
    buffer = ReorderBuffer[int](Window(messages=0), first=1)
    for sequence in range(2, 5000, 2):
        buffer.push(sequence, sequence, now=0.0)

    buffer.push(1, 1, now=0.0)
    buffer.push(4997, 4997, now=0.0)
    assert (buffer.counts.repeats, buffer.counts.late) == (1, 1)


@pytest.mark.parametrize("window", [{"messages": -1}, {"seconds": -0.1}])
def test_a_window_is_not_negative(window: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="negative"):
        Window(**window)
