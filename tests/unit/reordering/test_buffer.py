"""The reorder buffer: whatever the network does inside the window, the consumer sees order."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.reordering.buffer import ReorderBuffer, ReorderCounts, Snapshot, Window

FOREVER = 1e9
SECOND = 50
"""Messages a second, where a test says nothing else."""

# Drawing every number of a long stream would take hypothesis minutes.
randoms = st.randoms(use_true_random=True)

type Item = tuple[int, int]
"""The numbering that it belongs to, and its number there."""


def sent_at(item: Item) -> float:
    """When it was sent, whenever it comes."""
    numbering, number = item
    return numbering * 1000.0 + number / SECOND


clocks = st.sampled_from([None, sent_at])


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


# Any disorder at any time --------------------------------------------------------------------

# Near the beginning, in a band beyond the reach, and absurd.
any_number = st.integers(0, 60) | st.integers(1000, 1100) | st.integers(0, 2**53 - 1)
arrivals_at_any_time = st.lists(
    st.tuples(any_number, st.integers(0, 1), st.floats(0, 2, allow_nan=False)), max_size=150
)
windows = st.builds(
    Window,
    messages=st.integers(0, 8),
    seconds=st.floats(0, 3, allow_nan=False),
    reach=st.integers(1, 200),
)


def accounted(counts: ReorderCounts) -> int:
    return counts.released + counts.repeats + counts.late + counts.strays


@given(arrivals_at_any_time, windows, st.none() | st.integers(0, 10), clocks)
def test_whatever_arrives_is_bounded_in_time_and_number_and_accounted_for(
    arrivals: list[tuple[int, int, float]],
    window: Window,
    first: int | None,
    clock: Callable[[Item], float] | None,
) -> None:
    buffer = ReorderBuffer[tuple[int, int]](window, first=first, sent_at=clock)
    now = 0.0
    released: list[tuple[int, int]] = []
    for pushed, (sequence, variant, pause) in enumerate(arrivals, start=1):
        now += pause
        restarts = buffer.counts.restarts
        out = buffer.push(sequence, (sequence, variant), now)
        if buffer.counts.restarts == restarts:
            assert out == sorted(out)
        released += out
        assert len(buffer) <= window.messages
        assert buffer.deadline is None or buffer.deadline > now
        waiting = len(buffer) + buffer.astray
        assert accounted(buffer.counts) + waiting == pushed
        assert (buffer.deadline is None) == (waiting == 0)
    released += buffer.flush()

    assert (len(buffer), buffer.astray, buffer.deadline) == (0, 0, None)
    counts = buffer.counts
    # Nothing comes twice, not even over a restart. What was released before the last but one of
    # them is only known by when it was sent.
    if counts.restarts <= 1 or clock is not None:
        assert len(released) == len(set(released))
    assert counts.released == len(released)
    assert accounted(counts) == len(arrivals)
    if not counts.restarts:
        numbers = [sequence for sequence, _ in released]
        assert numbers == sorted(set(numbers))
        start = min(numbers, default=0) if first is None else first
        assert counts.skipped == max(numbers, default=start - 1) + 1 - start - len(numbers)


@given(arrivals_at_any_time, windows, st.none() | st.integers(0, 10), clocks)
def test_waking_at_every_deadline_keeps_it(
    arrivals: list[tuple[int, int, float]],
    window: Window,
    first: int | None,
    clock: Callable[[Item], float] | None,
) -> None:
    buffer = ReorderBuffer[tuple[int, int]](window, first=first, sent_at=clock)
    now = 0.0
    came: dict[tuple[int, int], float] = {}
    for sequence, variant, pause in arrivals:
        until = now + pause
        while (deadline := buffer.deadline) is not None and deadline <= until:
            assert deadline > now
            now = deadline
            before = len(buffer), buffer.astray, buffer.counts.restarts
            buffer.expire(now)
            assert (len(buffer), buffer.astray, buffer.counts.restarts) != before
        now = until
        came.setdefault((sequence, variant), now)
        buffer.push(sequence, (sequence, variant), now)
        oldest = min((held.arrived_at for held in buffer.snapshot().astray), default=now)
        assert now - oldest < 2 * window.patience or now == oldest


@given(arrivals_at_any_time, windows, st.none() | st.integers(0, 10), st.integers(0, 150), clocks)
def test_a_successor_that_has_the_snapshot_goes_on_the_same_way(
    arrivals: list[tuple[int, int, float]],
    window: Window,
    first: int | None,
    handover: int,
    clock: Callable[[Item], float] | None,
) -> None:
    # Released items are not in a snapshot, so repeats of them would be told from restarts later.
    arrivals = list(
        {sequence: (sequence, variant, pause) for sequence, variant, pause in arrivals}.values()
    )
    one = ReorderBuffer[tuple[int, int]](window, first=first, sent_at=clock)
    two = ReorderBuffer[tuple[int, int]](window, first=first, sent_at=clock)
    now = 0.0
    for index, (sequence, variant, pause) in enumerate(arrivals):
        now += pause
        if index == handover:
            data = msgspec.msgpack.encode(two.snapshot())
            snapshot = msgspec.msgpack.decode(data, type=Snapshot[tuple[int, int]])
            two = ReorderBuffer.resume(window, snapshot, sent_at=clock)
            assert two.snapshot() == snapshot
        assert one.deadline == two.deadline
        item = (sequence, variant)
        assert one.push(sequence, item, now) == two.push(sequence, item, now)
    assert one.flush() == two.flush()
    assert one.counts == two.counts


# Streams in time -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A message that arrives at a time, in seconds."""

    at: float
    sequence: int
    item: Item


def stream(
    numbers: Sequence[int],
    numbering: int = 0,
    *,
    since: float = 0.0,
    rate: float = SECOND,
) -> list[Sent]:
    return [
        Sent(since + index / rate, number, (numbering, number))
        for index, number in enumerate(numbers)
    ]


def arrive(buffer: ReorderBuffer[Item], arrivals: Sequence[Sent]) -> list[tuple[float, Item]]:
    """Push each at its time and wake at every deadline between; when each was released."""
    released: list[tuple[float, Item]] = []
    for sent in arrivals:
        released += wake(buffer, sent.at)
        released += [(sent.at, item) for item in buffer.push(sent.sequence, sent.item, sent.at)]
    return released


def wake(buffer: ReorderBuffer[Item], until: float) -> list[tuple[float, Item]]:
    released: list[tuple[float, Item]] = []
    while (deadline := buffer.deadline) is not None and deadline <= until:
        released += [(deadline, item) for item in buffer.expire(deadline)]
    return released


def items(released: Sequence[tuple[float, Item]]) -> list[Item]:
    return [item for _, item in released]


def delays(released: Sequence[tuple[float, Item]], arrivals: Sequence[Sent]) -> list[float]:
    came = {sent.item: sent.at for sent in arrivals}
    return [at - came[item] for at, item in released]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", ["every second", "every fifth at random", "half at random"])
def test_losses_do_not_add_up_to_a_delay(loss: str, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    share = {"every second": 0.0, "every fifth at random": 0.2, "half at random": 0.5}[loss]
    arrivals = [
        sent
        for sent in stream(range(1, 3001))
        if (random.random() > share if share else sent.sequence % 2 == 0)
    ]
    buffer = ReorderBuffer[Item](Window(), first=1)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [sent.item for sent in arrivals]
    assert max(delays(released, arrivals)) <= 1.0 + 1e-9
    assert buffer.counts.skipped == arrivals[-1].sequence - len(arrivals)


@given(randoms, st.integers(1, 20), st.none() | st.just(1))
def test_order_losses_and_delay_in_time(random: Random, window: int, first: int | None) -> None:
    numbers = shuffled(range(1, 301), window, random)
    arrivals = [sent for sent in stream(numbers) if sent.sequence == 1 or random.random() > 0.2]
    buffer = ReorderBuffer[Item](Window(), first=first)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == sorted(sent.item for sent in arrivals)
    # Those that straggle make others wait, by as much as they straggle.
    assert max(delays(released, arrivals)) <= 1.0 + 2 * window / SECOND + 1e-9


def test_a_number_ahead_waits_for_the_stream_to_come_to_it() -> None:
    arrivals = stream(range(1, 100)) + stream([900], 7, since=2.0)
    arrivals += [sent for sent in stream(range(100, 1000), since=2.1) if sent.sequence % 50]
    buffer = ReorderBuffer[Item](Window(), first=1)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    expected = [sent.item for sent in arrivals]
    expected.remove((7, 900))
    expected.insert(expected.index((0, 899)) + 1, (7, 900))
    assert items(released) == expected
    assert buffer.counts.restarts == 0


@given(st.lists(st.integers(2000, 2**53 - 1), max_size=10), randoms)
def test_absurd_numbers_cost_a_live_stream_nothing(absurd: list[int], random: Random) -> None:
    live = stream(range(1, 301))
    junk = [Sent(random.uniform(0, 6), number, (7, number)) for number in set(absurd)]
    arrivals = sorted(live + junk, key=lambda sent: sent.at)
    buffer = ReorderBuffer[Item](Window(), first=1)

    released = arrive(buffer, arrivals) + wake(buffer, 100.0)

    assert [pair for pair in released if pair[1][0] == 0] == [(sent.at, sent.item) for sent in live]
    assert buffer.counts.skipped == 0


def test_a_skip_that_was_wrong_heals_itself() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 101)) + stream([600], 7, since=2.0)
    # The stream pauses for longer than the window, so that 600 is believed.
    arrivals += stream(range(101, 1001), since=5.0)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    live = [item for item in items(released) if item[0] == 0]
    assert live == [(0, number) for number in range(1, 1001)]
    assert (buffer.counts.restarts, buffer.counts.strays, buffer.counts.late) == (1, 0, 0)
    assert max(delays(released, arrivals)) < 3.0


def test_after_a_long_loss_the_stream_goes_on_beyond_the_reach() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 11)) + stream(range(990, 1300), since=20.0)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [sent.item for sent in arrivals]
    assert (buffer.counts.restarts, buffer.counts.skipped) == (0, 979)


# Counters that restart -----------------------------------------------------------------------


@dataclass(frozen=True)
class Restarted:
    """A stream whose counter restarts."""

    arrivals: list[Sent] = field(repr=False)
    expected: list[Item] = field(repr=False)
    first: int | None


@st.composite
def restarted(draw: st.DrawFn) -> Restarted:
    """A restart that can be told: the new numbers are not those that the old stream waits for."""
    random = draw(randoms)
    window = draw(st.integers(1, 16))
    joins = draw(st.booleans())
    old = range(draw(st.integers(1, 5000)) if joins else 1, 0)
    old = range(old.start, old.start + draw(st.integers(100, 300)))
    new_start = draw(
        st.just(1) | st.integers(1, old.stop - 90) | st.integers(old.stop + 3000, 2**52)
    )
    new = range(new_start, new_start + draw(st.integers(80, 300)))
    lost = draw(st.sampled_from([0.0, 0.1, 0.3]))
    sent = [(0, number) for number in old] + [(1, number) for number in new]
    kept = [
        item
        for item in sent
        if item[1] in {old[0], old[-1], new[0], new[-1]} or random.random() >= lost
    ]
    places = {item: index + random.random() * window for index, item in enumerate(sent)}
    arrivals: list[Sent] = []
    for item in sorted(kept, key=lambda item: places[item]):
        arrivals += [Sent(places[item] / SECOND, item[1], item)] * (
            2 if random.random() < 0.1 else 1
        )
    return Restarted(arrivals, kept, old.start if not joins else None)


@given(restarted(), clocks)
def test_a_restart_of_the_counter_costs_time_and_nothing_else(
    stream: Restarted, clock: Callable[[Item], float] | None
) -> None:
    buffer = ReorderBuffer[Item](Window(), first=stream.first, sent_at=clock)

    released = arrive(buffer, stream.arrivals) + wake(buffer, FOREVER)

    assert items(released) == stream.expected
    assert (buffer.counts.restarts, buffer.counts.strays, buffer.counts.late) == (1, 0, 0)
    assert max(delays(released, stream.arrivals)) < 3.0
    assert accounted(buffer.counts) == len(stream.arrivals)


@given(restarted(), st.integers(0, 400))
def test_a_restart_is_noticed_over_a_handover(stream: Restarted, at: int) -> None:
    buffer = ReorderBuffer[Item](Window(), first=stream.first)
    released = arrive(buffer, stream.arrivals[:at])
    successor = ReorderBuffer[Item].resume(buffer._window, buffer.snapshot())
    # A repeat that the handover parts from the first can pass for the new numbering's.
    known = {sent.item for sent in stream.arrivals[:at]}
    arrivals = [sent for sent in stream.arrivals[at:] if sent.item not in known]
    released += arrive(successor, arrivals) + wake(successor, FOREVER)

    assert items(released) == stream.expected
    assert successor.counts.restarts == 1


@given(restarted(), st.integers(0, 400))
def test_a_restart_is_told_from_repeats_by_its_time_even_over_a_handover(
    stream: Restarted, at: int
) -> None:
    buffer = ReorderBuffer[Item](Window(), first=stream.first, sent_at=sent_at)
    released = arrive(buffer, stream.arrivals[:at])
    buffer = ReorderBuffer[Item].resume(Window(), buffer.snapshot(), sent_at=sent_at)
    released += arrive(buffer, stream.arrivals[at:]) + wake(buffer, FOREVER)

    assert items(released) == stream.expected
    assert buffer.counts.restarts == 1


def test_many_restarts_in_a_row() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = [
        sent
        for numbering in range(6)
        for sent in stream(range(1, 201), numbering, since=numbering * 4.0)
    ]

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [sent.item for sent in arrivals]
    assert buffer.counts.restarts == 5


@pytest.mark.parametrize("length", [4, 10, 30, 49, 50, 51, 100])
def test_a_restart_soon_after_the_beginning_is_noticed(length: int) -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, length + 1)) + stream(range(1, 301), 1, since=length / SECOND)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [sent.item for sent in arrivals]


def test_what_waits_is_released_before_a_new_numbering() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream([1, 2, 4, 5]) + stream(range(5000, 5100), 1, since=0.1)

    released = arrive(buffer, arrivals)

    assert items(released)[:5] == [(0, 1), (0, 2), (0, 4), (0, 5), (1, 5000)]


def test_a_new_numbering_that_has_just_begun_is_released_at_the_end() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 101)) + stream([3, 1, 2], 1, since=2.0)

    arrive(buffer, arrivals)

    assert buffer.flush() == [(1, 1), (1, 2), (1, 3)]
    assert buffer.counts.restarts == 1


def test_a_short_window_is_no_reason_to_believe_in_a_restart_sooner() -> None:
    buffer = ReorderBuffer[int](Window(seconds=0.1), first=1)
    for number in (1, 5001, 5002, 5003):
        buffer.push(number, number, now=0.0)

    assert buffer.deadline == 1.0
    assert buffer.expire(now=0.9) == []
    assert buffer.expire(now=1.0) == [5001, 5002, 5003]


def test_conflicts_between_live_messages_are_no_restart_at_the_end() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 11))
    for number in range(11, 15):
        arrivals += [Sent(1.0, number - 5, (7, number - 5)), Sent(1.0, number, (0, number))]

    arrive(buffer, arrivals)

    assert buffer.astray == 4
    assert buffer.flush() == []
    assert (buffer.counts.restarts, buffer.counts.repeats) == (0, 4)


def test_two_messages_of_another_numbering_are_not_a_restart() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 101)) + stream([1, 2], 1, since=2.0)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [(0, number) for number in range(1, 101)]
    assert (buffer.counts.restarts, buffer.counts.repeats) == (0, 2)


def test_a_restart_is_noticed_by_a_consumer_that_catches_up() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 1001), rate=FOREVER) + stream(range(1, 3001), 1, rate=FOREVER)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [sent.item for sent in arrivals]
    assert buffer.counts.restarts == 1


@pytest.mark.parametrize(
    ("window", "rate"), [(Window(), SECOND), (Window(), FOREVER), (Window(seconds=5.0), SECOND)]
)
def test_a_restart_is_noticed_by_a_successor_at_any_pace(window: Window, rate: float) -> None:
    """It remembers no items, so that no number tells of a conflict."""

    def clock(item: Item) -> float:
        numbering, number = item
        return numbering * 20.0 + number / SECOND

    buffer = ReorderBuffer[Item](window, first=1, sent_at=clock)
    arrive(buffer, stream(range(1, 1001)))
    buffer = ReorderBuffer[Item].resume(window, buffer.snapshot(), sent_at=clock)
    new = stream(range(1, 901), 1, since=20.0, rate=rate)

    released = arrive(buffer, new) + wake(buffer, FOREVER)

    assert items(released) == [sent.item for sent in new]
    assert buffer.counts.restarts == 1


def test_another_item_with_a_number_that_waits_is_not_a_repeat() -> None:
    buffer = ReorderBuffer[str](Window(), first=1)
    buffer.push(2, "b", now=0.0)
    buffer.push(2, "b", now=0.0)
    buffer.push(2, "B", now=0.0)

    assert (buffer.counts.repeats, buffer.astray) == (1, 1)
    assert buffer.push(1, "a", now=0.0) == ["a", "b"]


# Repeats that are no restart -----------------------------------------------------------------


@pytest.mark.parametrize("repeated", [range(80, 101), range(1, 101), range(50, 60)])
def test_a_batch_of_repeats_before_a_pause_is_no_restart(repeated: range) -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = (
        stream(range(1, 101)) + stream(repeated, since=2.5) + stream(range(101, 201), since=9)
    )

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [(0, number) for number in range(1, 201)]
    assert (buffer.counts.restarts, buffer.counts.repeats) == (0, len(repeated))


def test_repeats_of_the_numbering_before_are_recognised_after_a_restart() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    new = stream(range(1, 201), 1, since=2.0)
    old = stream(range(1, 101))
    arrivals = old + new + [Sent(6.0, sent.sequence, sent.item) for sent in [*old[50:], *new]]
    arrivals += stream(range(201, 301), 1, since=15.0)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [*((0, n) for n in range(1, 101)), *((1, n) for n in range(1, 301))]
    assert (buffer.counts.restarts, buffer.counts.repeats) == (1, 250)


def test_repeats_that_are_no_longer_remembered_expire_without_a_word() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    live = stream(range(1, 3001))
    old = [Sent(50 + number / 20, number, (0, number)) for number in range(1, 101)]
    arrivals = sorted(live + old, key=lambda sent: sent.at)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [sent.item for sent in live]
    assert (buffer.counts.restarts, buffer.counts.repeats, buffer.counts.late) == (0, 100, 0)


def test_a_batch_of_repeats_after_a_handover_and_then_a_pause_is_no_restart() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrive(buffer, stream(range(1, 301)))
    buffer = ReorderBuffer[Item].resume(Window(), buffer.snapshot())
    arrivals = [Sent(6.5, sent.sequence, sent.item) for sent in stream(range(101, 301))]
    arrivals += stream(range(301, 401), since=10.0)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [(0, number) for number in range(301, 401)]
    assert (buffer.counts.restarts, buffer.counts.repeats) == (0, 200)


def test_what_is_late_among_live_messages_is_no_restart() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    late = range(101, 111)
    live = [sent for sent in stream(range(1, 1001)) if sent.sequence not in late]
    arrivals = sorted(live + stream(late, since=10.0), key=lambda sent: sent.at)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [sent.item for sent in live]
    assert (buffer.counts.restarts, buffer.counts.late, buffer.counts.skipped) == (0, 10, 10)


@pytest.mark.parametrize("pace", [SECOND, 10, 1000])
def test_what_is_late_and_comes_while_nothing_else_does_is_no_restart(pace: float) -> None:
    """As it comes back from the overflow queue."""
    buffer = ReorderBuffer[Item](Window(), first=1, sent_at=sent_at)
    arrivals = stream(range(1, 101)) + stream(range(200, 261), since=2.0)
    arrivals += stream(range(101, 200), since=13.0, rate=pace)
    arrivals += stream(range(261, 301), since=30.0)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    live = [*range(1, 101), *range(200, 301)]
    assert items(released) == [(0, number) for number in live]
    assert buffer.counts == ReorderCounts(released=len(live), gaps=1, skipped=99, late=99)


@pytest.mark.parametrize("repeated", [range(40, 70), range(1, 101), range(98, 101)])
def test_repeats_that_keep_coming_after_a_handover_are_no_restart(repeated: range) -> None:
    buffer = ReorderBuffer[Item](Window(), first=1, sent_at=sent_at)
    arrive(buffer, stream(range(1, 101)))
    buffer = ReorderBuffer[Item].resume(Window(), buffer.snapshot(), sent_at=sent_at)

    released = arrive(buffer, stream(repeated, since=15.0, rate=16)) + wake(buffer, FOREVER)

    assert released == []
    assert buffer.counts == ReorderCounts(released=100, repeats=len(repeated))


def test_what_conflicted_before_the_stream_went_on_tells_of_no_restart() -> None:
    # A carrier that says three things once more, in other words, and goes on.
    arrivals = stream(range(1, 41)) + stream([5, 6, 7], 7, since=0.9) + stream([41], since=1.0)
    times = {sent.item: sent.at for sent in arrivals}
    buffer = ReorderBuffer[Item](Window(), first=1, sent_at=times.__getitem__)

    released = arrive(buffer, arrivals) + wake(buffer, FOREVER)

    assert items(released) == [(0, number) for number in range(1, 42)]
    assert (buffer.counts.restarts, buffer.counts.repeats) == (0, 3)


# Bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [-7, 2, 1001, 2**30])
def test_what_is_held_is_bounded_whatever_comes(step: int) -> None:
    buffer = ReorderBuffer[Item](Window(seconds=FOREVER), first=10**6)
    for number in range(2500):
        sequence = (10**6 + number * step) % 2**53
        buffer.push(sequence, (number, sequence), now=0.0)
        assert len(buffer) <= 100
        assert buffer.astray <= 128

    snapshot = buffer.snapshot()
    assert len(snapshot.gaps) <= 64
    assert len(buffer._gaps._ranges) <= 1024
    assert len(list(buffer._recent.items())) <= 1024
    assert len(list(buffer._former.items())) <= 1024


def cost(numbers: Sequence[int]) -> float:
    """Seconds of CPU that messages take, as consumers push them."""
    buffer = ReorderBuffer[Item](Window(), first=1)
    begin = time.process_time()
    for index, number in enumerate(numbers):
        buffer.push(number, (0, number), now=index / 1000)
        _ = buffer.deadline
    return time.process_time() - begin


@pytest.mark.parametrize("most", [2**53, 100_000])
def test_absurd_numbers_cost_little(most: int) -> None:
    random = Random(1)  # noqa: S311 - no secret
    absurd = [random.randrange(2000, most) for _ in range(3000)]

    # Measured at 40 to 60; it was 500.
    usual = min(cost(range(1, 3001)) for _ in range(3))
    assert min(cost(absurd) for _ in range(3)) < 150 * usual


def test_an_idle_snapshot_is_small() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrive(buffer, [sent for sent in stream(range(1, 5000)) if sent.sequence % 7])
    wake(buffer, FOREVER)

    assert len(msgspec.msgpack.encode(buffer.snapshot())) < 1024


# Examples ------------------------------------------------------------------------------------


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
    assert (buffer.counts.late, buffer.counts.repeats) == (0, 3)
    assert buffer.deadline == 2.0
    assert buffer.expire(now=2.0) == []
    assert (buffer.counts.late, buffer.counts.repeats) == (2, 3)
    assert buffer.counts.skipped - buffer.counts.late == 1


def test_a_message_from_before_the_beginning_is_a_stray() -> None:
    buffer = ReorderBuffer[int](Window(messages=0))
    buffer.push(10, 10, now=0.0)
    buffer.push(9, 9, now=0.0)
    buffer.flush()

    assert (buffer.counts.strays, buffer.counts.late, buffer.counts.repeats) == (1, 0, 0)


def test_a_stray_does_not_mislead_a_consumer_that_joins() -> None:
    buffer = ReorderBuffer[int](Window())
    for number in (7, 2**50, 500, 502, 501):
        assert buffer.push(number, number, now=0.0) == []

    assert buffer.deadline == 1.0
    assert buffer.expire(now=1.0) == [7, 500, 501, 502]
    buffer.flush()
    assert buffer.counts.strays == 1


def test_two_strays_of_one_number_are_both_counted_when_a_consumer_joins() -> None:
    buffer = ReorderBuffer[str](Window())
    for number, item in ((0, "a"), (0, "b"), (5000, "c"), (5001, "d")):
        buffer.push(number, item, now=0.0)

    assert buffer.flush() == ["c", "d"]
    assert buffer.counts.strays == 2


def test_the_first_message_s_window_is_a_joining_consumer_s() -> None:
    buffer = ReorderBuffer[int](Window())
    buffer.push(8, 8, now=0.0)
    buffer.push(7, 7, now=0.9)

    assert buffer.deadline == 1.0
    assert buffer.expire(now=1.0) == [7, 8]


def test_a_huge_gap_takes_neither_time_nor_memory() -> None:
    buffer = ReorderBuffer[int](Window(messages=0, reach=2**53), first=1)

    assert buffer.push(2**53 - 1, 0, now=0.0) == [0]
    assert buffer.counts.skipped == 2**53 - 2
    buffer.push(2**40, 0, now=0.0)
    buffer.flush()
    assert buffer.counts.late == 1


def test_gaps_that_are_long_past_are_forgotten() -> None:
    buffer = ReorderBuffer[int](Window(messages=0), first=1)
    for sequence in range(2, 5000, 2):
        buffer.push(sequence, sequence, now=0.0)

    buffer.push(1, 1, now=0.0)
    buffer.push(4997, 4997, now=0.0)
    buffer.flush()
    assert (buffer.counts.repeats, buffer.counts.late) == (1, 1)


def test_what_is_expected_is_what_would_be_released() -> None:
    buffer = ReorderBuffer[int](Window(), first=10)
    buffer.push(12, 12, now=0.0)

    assert [n for n in (0, 9, 10, 11, 12, 13, 1009, 1010) if buffer.expects(n)] == [
        10,
        11,
        13,
        1009,
    ]
    assert not ReorderBuffer[int](Window()).expects(1)


def test_what_is_discarded_is_given_back_and_what_is_astray_counted() -> None:
    buffer = ReorderBuffer[int](Window(), first=10)
    for number in (12, 11, 2, 5000):
        buffer.push(number, number, now=0.0)

    assert sorted(buffer.discard()) == [11, 12]
    assert (len(buffer), buffer.astray, buffer.deadline) == (0, 0, None)
    assert buffer.counts.strays == 2


@pytest.mark.parametrize("window", [{"reach": 0}, {"reach": -5}])
def test_a_window_reaches_the_next_message(window: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="reach"):
        Window(**window)


@pytest.mark.parametrize("window", [{"messages": -1}, {"seconds": -0.1}])
def test_a_window_is_not_negative(window: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="negative"):
        Window(**window)
