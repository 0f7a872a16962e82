"""The reorder buffer: whatever the network does inside the window, the consumer sees order."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.reordering.buffer import ReorderBuffer, Snapshot
from callstream.reordering.history import ReorderCounts
from callstream.reordering.window import Window

FOREVER = 1e9
SECOND = 50
"""Messages a second, where a test says nothing else."""

# Drawing every number of a long stream would take hypothesis minutes.
randoms = st.randoms(use_true_random=True)

type Item = tuple[int, int]
"""The numbering that it belongs to, and its number there."""


def shuffled(sequences: Sequence[int], window: int, random: Random) -> list[int]:
    """In any order in which each is overtaken by fewer than `window` of those that follow it."""
    places = {
        sequence: index + random.random() * window for index, sequence in enumerate(sequences)
    }
    return sorted(sequences, key=lambda sequence: places[sequence])


def push(buffer: ReorderBuffer[int], *sequences: int, now: float = 0.0) -> list[int]:
    """Push numbers of one numbering: the higher, the later it was received."""
    return [
        item
        for sequence in sequences
        for item in buffer.push(sequence, sequence / SECOND, sequence, now)
    ]


def run(buffer: ReorderBuffer[int], arrivals: Sequence[int]) -> list[int]:
    return push(buffer, *arrivals) + buffer.flush()


def waiting(buffer: ReorderBuffer[Item] | ReorderBuffer[int]) -> int:
    return len(buffer._waiting)


def on_probation(buffer: ReorderBuffer[Item] | ReorderBuffer[int]) -> int:
    return len(buffer._probation)


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
def test_buffer_undoes_and_counts_shuffles_losses_and_repeats_inside_the_window(
    network: Network,
) -> None:
    buffer = ReorderBuffer[int](Window(messages=network.window, seconds=FOREVER), first=1)

    assert run(buffer, network.arrivals) == sorted(set(network.arrivals))
    counts = buffer.history.counts
    assert counts.skipped == len(network.lost)
    assert counts.repeats == network.repeats
    assert counts.late == 0
    assert waiting(buffer) == 0


@given(networks())
def test_buffer_that_joins_in_the_middle_restores_order_too(network: Network) -> None:
    buffer = ReorderBuffer[int](Window(messages=network.window, seconds=FOREVER))
    released = run(buffer, network.arrivals)

    # It begins above numbers that were lost at the beginning.
    assert released == sorted(set(network.arrivals))[-len(released) :]
    if not network.lost:
        assert released == [*network.sent]


# Any disorder at any time --------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A message that arrives at a time, in seconds; it was received when it first came."""

    at: float
    sequence: int
    item: Item
    received_at: float


# Near the beginning, in a band beyond `max_dropout`, and absurd.
any_number = st.integers(0, 60) | st.integers(1000, 1100) | st.integers(0, 2**53 - 1)


@st.composite
def any_arrivals(draw: st.DrawFn) -> list[Sent]:
    """Any numbers at any time, some of them once more, long after they were received."""
    drawn = draw(
        st.lists(st.tuples(any_number, st.integers(0, 3), st.floats(0, 2)), max_size=150),
    )
    arrivals: list[Sent] = []
    now = 0.0
    for place, (number, kind, pause) in enumerate(drawn):
        now += pause
        if kind == 0 and arrivals:
            again = arrivals[number % len(arrivals)]
            arrivals.append(Sent(now, again.sequence, again.item, again.received_at))
        else:
            # Every message is another one; in some millisecond may be two.
            arrivals.append(Sent(now, number, (place, number), round(now, 3)))
    return arrivals


windows = st.builds(
    Window, messages=st.integers(0, 8), seconds=st.floats(0, 3), max_dropout=st.integers(1, 200)
)
firsts = st.none() | st.integers(0, 10)


def take(buffer: ReorderBuffer[Item], sent: Sent) -> list[Item]:
    return buffer.push(sent.sequence, sent.received_at, sent.item, sent.at)


def accounted(counts: ReorderCounts) -> int:
    return counts.released + counts.repeats + counts.late + counts.strays


@given(any_arrivals(), windows, firsts)
def test_buffer_is_bounded_in_time_and_number_and_accounts_for_whatever_arrives(
    arrivals: list[Sent], window: Window, first: int | None
) -> None:
    buffer = ReorderBuffer[Item](window, first=first)
    released: list[Item] = []
    for pushed, sent in enumerate(arrivals, start=1):
        restarts = buffer.history.counts.restarts
        out = take(buffer, sent)
        numbers = [number for _, number in out]
        if buffer.history.counts.restarts == restarts:
            assert numbers == sorted(numbers)
        released += out
        assert waiting(buffer) <= window.messages
        assert on_probation(buffer) <= 128
        assert buffer.deadline is None or buffer.deadline > sent.at
        held = waiting(buffer) + on_probation(buffer)
        assert accounted(buffer.history.counts) + held == pushed
        assert (buffer.deadline is None) == (held == 0)
    released += buffer.flush()

    counts = buffer.history.counts
    assert (waiting(buffer), on_probation(buffer), buffer.deadline) == (0, 0, None)
    # Nothing comes twice, not even over a new numbering.
    assert len(released) == len(set(released)) == counts.released
    assert accounted(counts) == len(arrivals)
    if not counts.restarts:
        numbers = [sequence for _, sequence in released]
        assert numbers == sorted(set(numbers))
        start = min(numbers, default=0) if first is None else first
        assert counts.skipped == max(numbers, default=start - 1) + 1 - start - len(numbers)


@given(any_arrivals(), windows, firsts)
def test_buffer_has_something_to_do_at_every_deadline(
    arrivals: list[Sent], window: Window, first: int | None
) -> None:
    buffer = ReorderBuffer[Item](window, first=first)
    now = 0.0
    for sent in arrivals:
        while (deadline := buffer.deadline) is not None and deadline <= sent.at:
            assert deadline > now
            now = deadline
            before = buffer.snapshot()
            buffer.expire(now)
            assert buffer.snapshot() != before
        now = sent.at
        take(buffer, sent)
        oldest = min((held.arrived_at for held in buffer.snapshot().probation), default=now)
        patience = window.patience if buffer.history.has_begun else 2 * window.seconds
        assert now - oldest < patience or now == oldest


@given(any_arrivals(), windows, firsts, st.integers(0, 150))
def test_buffer_goes_on_the_same_way_from_a_snapshot(
    arrivals: list[Sent], window: Window, first: int | None, handover: int
) -> None:
    one = ReorderBuffer[Item](window, first=first)
    two = ReorderBuffer[Item](window, first=first)
    for index, sent in enumerate(arrivals):
        if index == handover:
            data = msgspec.msgpack.encode(two.snapshot())
            snapshot = msgspec.msgpack.decode(data, type=Snapshot[Item])
            two = ReorderBuffer.resume(window, snapshot)
            assert two.snapshot() == snapshot
        assert one.deadline == two.deadline
        assert take(one, sent) == take(two, sent)
    assert one.flush() == two.flush()
    assert one.history.counts == two.history.counts


@given(any_arrivals(), windows, st.integers(0, 150))
def test_snapshot_may_be_used_again(arrivals: list[Sent], window: Window, handover: int) -> None:
    buffer = ReorderBuffer[Item](window, first=1)
    for sent in arrivals[:handover]:
        take(buffer, sent)
    snapshot = buffer.snapshot()
    before = msgspec.msgpack.encode(snapshot)
    for sent in arrivals[handover:]:
        take(buffer, sent)
    successor = ReorderBuffer.resume(window, snapshot)
    for sent in arrivals[handover:]:
        take(successor, sent)

    assert msgspec.msgpack.encode(snapshot) == before


# Streams in time -----------------------------------------------------------------------------


def stream(
    numbers: Sequence[int],
    numbering: int = 0,
    *,
    since: float = 0.0,
    rate: float = SECOND,
    received_since: float | None = None,
) -> list[Sent]:
    """Messages of a numbering, received as they come, or in their own order since another time."""
    return [
        Sent(
            since + index / rate,
            number,
            (numbering, number),
            since + index / rate
            if received_since is None
            else received_since + (number - min(numbers)) / SECOND,
        )
        for index, number in enumerate(numbers)
    ]


def again(sent: Sent, at: float) -> Sent:
    return Sent(at, sent.sequence, sent.item, sent.received_at)


def arrive(buffer: ReorderBuffer[Item], arrivals: Sequence[Sent]) -> list[tuple[float, Item]]:
    """Push each at its time and wake at every deadline between; when each was released."""
    released: list[tuple[float, Item]] = []
    for sent in arrivals:
        released += wake(buffer, sent.at)
        released += [(sent.at, item) for item in take(buffer, sent)]
    return released


def wake(buffer: ReorderBuffer[Item], until: float = FOREVER) -> list[tuple[float, Item]]:
    released: list[tuple[float, Item]] = []
    while (deadline := buffer.deadline) is not None and deadline <= until:
        released += [(deadline, item) for item in buffer.expire(deadline)]
    return released


def items(released: Sequence[tuple[float, Item]]) -> list[Item]:
    return [item for _, item in released]


def delays(released: Sequence[tuple[float, Item]], arrivals: Sequence[Sent]) -> list[float]:
    came = {sent.item: sent.at for sent in reversed(arrivals)}
    return [at - came[item] for at, item in released]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", ["every second", "every fifth at random", "half at random"])
def test_buffer_does_not_add_up_losses_to_a_delay(loss: str, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    share = {"every second": 0.0, "every fifth at random": 0.2, "half at random": 0.5}[loss]
    arrivals = [
        sent
        for sent in stream(range(1, 3001))
        if (random.random() > share if share else sent.sequence % 2 == 0)
    ]
    buffer = ReorderBuffer[Item](Window(), first=1)

    released = arrive(buffer, arrivals) + wake(buffer)

    assert items(released) == [sent.item for sent in arrivals]
    assert max(delays(released, arrivals)) <= 1.0 + 1e-9
    assert buffer.history.counts.skipped == arrivals[-1].sequence - len(arrivals)


@given(randoms, st.integers(1, 20), st.none() | st.just(1))
def test_buffer_keeps_order_losses_and_delay_in_time(
    random: Random, window: int, first: int | None
) -> None:
    numbers = shuffled(range(1, 301), window, random)
    arrivals = [
        sent
        for sent in stream(numbers, received_since=-1.0)
        if sent.sequence == 1 or random.random() > 0.2
    ]
    buffer = ReorderBuffer[Item](Window(), first=first)

    released = arrive(buffer, arrivals) + wake(buffer)

    expected = sorted(sent.item for sent in arrivals)
    assert items(released) == (expected if first else expected[-len(released) :])
    # Those that straggle make others wait, by as much as they straggle. Joining takes a window.
    windows = 1.0 if first else 2.0
    assert max(delays(released, arrivals)) <= windows + 2 * window / SECOND + 1e-9


@given(randoms, st.integers(1, 40), st.integers(1, 150), st.integers(0, 300))
def test_buffer_that_joins_begins_where_the_stream_is_whole(
    random: Random, window: int, joined_after: int, handover: int
) -> None:
    sent = [*stream(shuffled(range(1, 301), window, random), received_since=-1.0)]
    before, arrivals = sent[:joined_after], sent[joined_after:]
    buffer = ReorderBuffer[Item](Window())

    released = arrive(buffer, arrivals[:handover])
    buffer = ReorderBuffer[Item].resume(Window(), buffer.snapshot())
    released += arrive(buffer, arrivals[handover:]) + wake(buffer)

    # Every number above those that came before is to be had, and no lower one without a gap.
    begin = max(each.sequence for each in before) + 1
    assert [number for _, number in items(released)] == [*range(begin, 301)]


def test_buffer_keeps_a_number_ahead_until_the_stream_comes_to_it() -> None:
    arrivals = stream(range(1, 100)) + stream([900], 7, since=2.0)
    arrivals += [sent for sent in stream(range(100, 1000), since=2.1) if sent.sequence % 50]
    buffer = ReorderBuffer[Item](Window(), first=1)

    released = arrive(buffer, arrivals) + wake(buffer)

    expected = [sent.item for sent in arrivals]
    expected.remove((7, 900))
    expected.insert(expected.index((0, 899)) + 1, (7, 900))
    assert items(released) == expected
    assert buffer.history.counts.restarts == 0


def junk(numbers: Sequence[int], random: Random) -> list[Sent]:
    times = [random.uniform(0, 6) for _ in numbers]
    return [
        Sent(at, number, (7, number), at - 1.0)
        for at, number in zip(times, set(numbers), strict=False)
    ]


@given(
    st.lists(st.integers(2000, 2**53 - 1) | st.integers(2000, 2010), max_size=200),
    st.integers(1, 16),
    randoms,
)
def test_buffer_loses_and_delays_nothing_of_a_live_stream_for_absurd_numbers(
    absurd: list[int], window: int, random: Random
) -> None:
    live = stream(shuffled(range(1, 301), window, random), received_since=-1.0)
    live = [*stream(range(-100, 1), since=-3.0), *live]
    arrivals = sorted(live + junk(absurd, random), key=lambda sent: sent.at)
    plain = ReorderBuffer[Item](Window(), first=-100)
    expected = arrive(plain, live) + wake(plain, 100.0)
    buffer = ReorderBuffer[Item](Window(), first=-100)

    released = arrive(buffer, arrivals) + wake(buffer, 100.0)

    assert [pair for pair in released if pair[1][0] == 0] == expected
    assert len(expected) == len(live)
    assert buffer.history.counts.skipped == 0


@given(randoms, st.integers(1, 60))
def test_buffer_loses_nothing_of_a_stream_that_pauses_among_absurd_numbers(
    random: Random, number: int
) -> None:
    """During the pause, absurd numbers in sequence pass for a new numbering."""
    absurd = [random.choice([number, 5000, 2**50]) + step for step in range(10)]
    bad = [Sent(at, n, (7, n), at) for n in set(absurd) for at in [random.uniform(2.1, 4)]]
    live = stream(range(1, 101)) + stream(range(101, 401), since=6.0)
    arrivals = sorted(live + bad, key=lambda sent: sent.at)
    buffer = ReorderBuffer[Item](Window(), first=1)

    released = arrive(buffer, arrivals) + wake(buffer)

    assert [pair[1] for pair in released if pair[1][0] == 0] == [sent.item for sent in live]


def test_buffer_corrects_a_skip_that_was_wrong() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 101)) + stream([600], 7, since=2.0)
    # The stream pauses for longer than the window, so that 600 is believed.
    arrivals += stream(range(101, 1001), since=5.0)

    released = arrive(buffer, arrivals) + wake(buffer)

    live = [item for item in items(released) if item[0] == 0]
    assert live == [(0, number) for number in range(1, 1001)]
    counts = buffer.history.counts
    assert (counts.restarts, counts.strays, counts.late) == (1, 0, 0)
    assert max(delays(released, arrivals)) < 3.0


@given(randoms, st.integers(1, 16), st.integers(950, 1005))
def test_buffer_goes_on_beyond_max_dropout_after_a_long_loss(
    random: Random, window: int, start: int
) -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    after = shuffled(range(start, 1300), window, random)
    arrivals = stream(range(1, 11)) + stream(after, since=20.0, received_since=19.0)

    released = arrive(buffer, arrivals) + wake(buffer)

    assert items(released) == sorted(sent.item for sent in arrivals)
    assert (buffer.history.counts.restarts, buffer.history.counts.skipped) == (0, start - 11)


# Numberings that begin anew ------------------------------------------------------------------


@dataclass(frozen=True)
class Restarted:
    """A stream whose numbering begins anew."""

    arrivals: list[Sent] = field(repr=False)
    expected: list[Item] = field(repr=False)
    first: int | None


@st.composite
def restarted(draw: st.DrawFn) -> Restarted:
    """A new numbering that can be told: its numbers are not those that the old stream awaits."""
    random = draw(randoms)
    window = draw(st.integers(1, 16))
    joins = draw(st.booleans())
    old = range(draw(st.integers(1, 5000)) if joins else 1, 0)
    old = range(old.start, old.start + draw(st.integers(250, 450)))
    new_start = draw(
        st.just(1) | st.integers(1, old.stop - 240) | st.integers(old.stop + 3000, 2**52)
    )
    new = range(new_start, new_start + draw(st.integers(80, 300)))
    lost = draw(st.sampled_from([0.0, 0.1, 0.3]))
    sent = [(0, number) for number in old] + [(1, number) for number in new]
    kept = [
        item
        for item in sent
        if item[1] in {old[0], old[-1], new[0], new[-1]} or random.random() >= lost
    ]
    received = {item: index for index, item in enumerate(sent)}
    places = {item: index + random.random() * window for item, index in received.items()}
    arrivals: list[Sent] = []
    for item in sorted(kept, key=lambda item: places[item]):
        one = Sent(places[item] / SECOND, item[1], item, received[item] / SECOND)
        arrivals += [one] * (2 if random.random() < 0.1 else 1)
        if random.random() < 0.02:  # one of long ago, by Kinesis or a queue
            arrivals.append(again(random.choice(arrivals), one.at))
    return Restarted(arrivals, kept, old.start if not joins else None)


@given(restarted(), st.integers(0, 800))
def test_buffer_loses_nothing_but_time_when_the_numbering_begins_anew(
    stream: Restarted, handover: int
) -> None:
    buffer = ReorderBuffer[Item](Window(), first=stream.first)

    released = arrive(buffer, stream.arrivals[:handover])
    buffer = ReorderBuffer[Item].resume(Window(), buffer.snapshot())
    released += arrive(buffer, stream.arrivals[handover:]) + wake(buffer)

    if stream.first is not None:
        assert items(released) == stream.expected
    else:  # a buffer that joins begins above numbers that were lost at the beginning
        assert items(released) == stream.expected[-len(released) :]
        assert released[0][0] <= stream.arrivals[0].at + 2.0
    counts = buffer.history.counts
    dropped = len(stream.expected) - len(released)
    assert (counts.restarts, counts.late) == (1, 0)
    assert counts.strays >= dropped
    assert stream.first is None or counts.strays == 0
    assert max(delays(released, stream.arrivals)) < 3.0
    assert accounted(counts) == len(stream.arrivals)


def test_buffer_follows_many_new_numberings_in_a_row() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = [
        sent
        for numbering in range(6)
        for sent in stream(range(1, 201), numbering, since=numbering * 4.0)
    ]

    released = arrive(buffer, arrivals) + wake(buffer)

    assert items(released) == [sent.item for sent in arrivals]
    assert buffer.history.counts.restarts == 5


@pytest.mark.parametrize("length", [1, 10, 49, 100, 101, 102, 103, 110, 200])
def test_buffer_loses_at_most_100_messages_when_a_numbering_soon_begins_anew(length: int) -> None:
    """RFC 3550 takes numbers that are not far behind for late or repeated; so do we."""
    buffer = ReorderBuffer[Item](Window(), first=1)
    old, new = stream(range(1, length + 1)), stream(range(1, 301), 1, since=length / SECOND)

    released = arrive(buffer, [*old, *new]) + wake(buffer)

    is_noticed = length > 101
    expected = new if is_noticed else new[length:]
    assert items(released) == [sent.item for sent in [*old, *expected]]
    counts = buffer.history.counts
    assert (counts.restarts, counts.repeats) == ((1, 0) if is_noticed else (0, length))


@given(st.integers(1, 40), randoms, st.sampled_from([1, 150]))
def test_buffer_takes_what_a_carrier_sends_again_for_repeats(
    window: int, random: Random, first: int
) -> None:
    """Such messages were received later than the first ones, and maybe after a hand-over."""
    live = stream(range(first, first + 300))
    repeats = [
        Sent(sent.at + d, sent.sequence, (7, sent.sequence), sent.at + d)
        for sent in live
        if random.random() < 0.3
        for d in [random.random() * window / SECOND]
    ]
    arrivals = sorted([*live, *repeats], key=lambda sent: sent.at)
    buffer = ReorderBuffer[Item](Window(), first=first)

    at = random.randrange(300)
    released = arrive(buffer, arrivals[:at])
    buffer = resumed(buffer)
    released += arrive(buffer, arrivals[at:]) + wake(buffer)

    assert items(released) == [sent.item for sent in live]
    assert buffer.history.counts == ReorderCounts(released=300, repeats=len(repeats))


def test_buffer_releases_what_waits_before_a_new_numbering() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream([1, 2, 4, 5]) + stream(range(5000, 5100), 1, since=0.1)

    released = arrive(buffer, arrivals)

    assert items(released)[:5] == [(0, 1), (0, 2), (0, 4), (0, 5), (1, 5000)]


def test_buffer_releases_at_the_end_a_new_numbering_that_has_just_begun() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 201)) + stream([3, 1, 2], 1, since=4.0)

    arrive(buffer, arrivals)

    assert buffer.flush() == [(1, 1), (1, 2), (1, 3)]
    assert buffer.history.counts.restarts == 1


def test_buffer_with_a_short_window_does_not_re_sync_sooner() -> None:
    buffer = ReorderBuffer[int](Window(seconds=0.1), first=1)
    push(buffer, 1, 5001, 5002, 5003)

    assert buffer.deadline == 1.0
    assert buffer.expire(now=0.9) == []
    assert buffer.expire(now=1.0) == [5001, 5002, 5003]


def test_buffer_takes_two_numbers_in_sequence_for_a_new_numbering() -> None:
    """RFC 3550's rule."""
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 201)) + stream([1, 2], 1, since=4.0)

    released = arrive(buffer, arrivals) + wake(buffer)

    assert items(released)[200:] == [(1, 1), (1, 2)]
    assert buffer.history.counts.restarts == 1


@pytest.mark.parametrize("numbers", [[1], [5000], [1, 3, 100, 101, 5000, 7000]])
def test_buffer_does_not_re_sync_without_two_numbers_in_sequence(numbers: list[int]) -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 201)) + stream(numbers, 1, since=4.0)

    released = arrive(buffer, arrivals) + wake(buffer)

    assert items(released) == [(0, number) for number in range(1, 201)]
    counts = buffer.history.counts
    behind = sum(number < 201 for number in numbers)
    assert (counts.restarts, counts.repeats) == (0, behind)
    assert counts.strays == len(numbers) - behind


@pytest.mark.parametrize("rate", [SECOND, FOREVER])
@pytest.mark.parametrize("window", [Window(), Window(seconds=5.0)])
def test_buffer_that_catches_up_notices_a_new_numbering(window: Window, rate: float) -> None:
    buffer = ReorderBuffer[Item](window, first=1)
    arrivals = [
        Sent(index / rate, number, (numbering, number), index / SECOND)
        for index, (numbering, number) in enumerate(
            [*((0, n) for n in range(1, 1001)), *((1, n) for n in range(1, 901))]
        )
    ]

    released = arrive(buffer, arrivals) + wake(buffer)

    assert items(released) == [sent.item for sent in arrivals]
    assert buffer.history.counts.restarts == 1


def test_buffer_takes_another_message_with_a_number_that_waits_for_a_repeat() -> None:
    buffer = ReorderBuffer[str](Window(), first=1)
    for received_at, item in ((0.2, "b"), (0.2, "b"), (0.4, "B")):
        buffer.push(2, received_at, item, now=0.0)

    assert buffer.history.counts.repeats == 2
    assert buffer.push(1, 0.1, "a", now=0.0) == ["a", "b"]


# Repeats and late messages -------------------------------------------------------------------


def resumed(buffer: ReorderBuffer[Item]) -> ReorderBuffer[Item]:
    return ReorderBuffer[Item].resume(Window(), buffer.snapshot())


@pytest.mark.parametrize("handover", [False, True])
@pytest.mark.parametrize("pace", [16.0, 1000.0, FOREVER])
@pytest.mark.parametrize("repeated", [range(80, 101), range(1, 101), range(50, 60)])
def test_buffer_does_not_take_repeats_before_a_pause_for_a_new_numbering(
    repeated: range, pace: float, *, handover: bool
) -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    sent = stream(range(1, 101))
    released = arrive(buffer, sent)
    if handover:
        buffer = resumed(buffer)
    repeats = [again(sent[number - 1], 2.5 + place / pace) for place, number in enumerate(repeated)]
    arrivals = [*repeats, *stream(range(101, 201), since=20.0)]

    released += arrive(buffer, arrivals) + wake(buffer)

    assert items(released) == [(0, number) for number in range(1, 201)]
    assert buffer.history.counts == ReorderCounts(released=200, repeats=len(repeated))


def test_buffer_counts_repeats_of_both_numberings_after_the_second_began() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    old, new = stream(range(1, 201)), stream(range(1, 201), 1, since=4.0)
    arrivals = [*old, *new, *(again(sent, 8.0) for sent in [*old[50:], *new])]
    arrivals += stream(range(201, 301), 1, since=15.0)

    released = arrive(buffer, arrivals) + wake(buffer)

    assert items(released) == [*((0, n) for n in range(1, 201)), *((1, n) for n in range(1, 301))]
    assert (buffer.history.counts.restarts, buffer.history.counts.repeats) == (1, 350)


def test_buffer_does_not_take_a_repeat_of_the_former_numbering_for_what_is_next() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    old, new = stream(range(1, 201)), stream(range(1, 61), 1, since=4.0)
    arrivals = [*old, *new[:59], again(old[59], 5.17), *new[59:]]

    released = arrive(buffer, arrivals) + wake(buffer)

    assert items(released) == [sent.item for sent in [*old, *new]]
    assert buffer.history.counts.repeats == 1


def test_buffer_counts_repeats_of_long_ago_in_a_live_stream() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    live = stream(range(1, 3001))
    old = [again(sent, 50 + sent.sequence / 20) for sent in live[:100]]
    arrivals = sorted(live + old, key=lambda sent: sent.at)

    released = arrive(buffer, arrivals) + wake(buffer)

    assert items(released) == [sent.item for sent in live]
    assert buffer.history.counts == ReorderCounts(released=3000, repeats=100)


@pytest.mark.parametrize("pace", [SECOND, 10, 1000])
@pytest.mark.parametrize("handover", [False, True])
def test_buffer_takes_nothing_that_is_late_for_a_new_numbering(
    pace: float, *, handover: bool
) -> None:
    """Such as what comes back from the overflow queue, while nothing else comes."""
    buffer = ReorderBuffer[Item](Window(), first=1)
    sent = stream(range(1, 301))
    released = arrive(buffer, [*sent[:100], *sent[199:260]]) + wake(buffer, 12.0)
    if handover:
        buffer = resumed(buffer)
    late = [again(each, 13.0 + place / pace) for place, each in enumerate(sent[100:199])]
    rest = [again(each, 30.0) for each in sent[260:]]

    released += arrive(buffer, [*late, *rest]) + wake(buffer)

    live = [*range(1, 101), *range(200, 301)]
    assert items(released) == [(0, number) for number in live]
    assert buffer.history.counts == ReorderCounts(released=len(live), gaps=1, skipped=99, late=99)


def test_buffer_drops_messages_on_probation_when_the_stream_goes_on() -> None:
    # A carrier that says three things once more, in other words, and goes on.
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrivals = stream(range(1, 301)) + stream([5, 6, 7], 7, since=6.0) + stream([301], since=6.1)

    released = arrive(buffer, arrivals)

    assert on_probation(buffer) == 0
    assert items(released) == [(0, number) for number in range(1, 302)]
    assert (buffer.history.counts.restarts, buffer.history.counts.repeats) == (0, 3)


# Bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [-7, 2, 1001, 2**30])
def test_buffer_is_bounded_whatever_comes(step: int) -> None:
    buffer = ReorderBuffer[int](Window(seconds=FOREVER), first=10**6)
    for number in range(2500):
        sequence = (10**6 + number * step) % 2**53
        buffer.push(sequence, number, sequence, now=0.0)
        assert waiting(buffer) <= 100
        assert on_probation(buffer) <= 128

    history = buffer.history
    assert len(history.numbering.gaps) <= 1024
    assert len(buffer.snapshot().history.numbering.gaps) <= 64


@pytest.mark.parametrize("most", [2**53, 100_000])
def test_buffer_handles_an_absurd_number_in_few_steps(most: int) -> None:
    """Counted, since a clock depends on what else the machine does."""
    random = Random(1)  # noqa: S311 - no secret
    buffer = ReorderBuffer[Item](Window(), first=1)
    absurd = [random.randrange(2000, most) for _ in range(3000)]

    def push_all() -> None:
        for index, number in enumerate(absurd):
            buffer.push(number, index, (0, number), now=index / 1000)

    # Each takes the place of another one on probation, which is not sorted for that. Measured: 26.
    assert calls_of(push_all) < 50 * len(absurd)


def test_buffer_handles_a_message_in_turn_in_two_steps() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)

    def push_all() -> None:
        for number in range(1, 3001):
            buffer.push(number, number, (0, number), now=number / SECOND)

    assert calls_of(push_all) <= 4 * 3000 + 10


def calls_of(action: Callable[[], None]) -> int:
    """How many functions written in Python an action calls."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    previous = sys.getprofile()
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(previous)
    return calls


def test_snapshot_of_an_idle_buffer_is_small() -> None:
    buffer = ReorderBuffer[Item](Window(), first=1)
    arrive(buffer, [sent for sent in stream(range(1, 5000)) if sent.sequence % 7])
    wake(buffer)

    assert len(msgspec.msgpack.encode(buffer.snapshot())) < 1024


# Examples ------------------------------------------------------------------------------------


def test_buffer_releases_a_message_in_turn_at_once() -> None:
    buffer = ReorderBuffer[str](Window(), first=1)

    assert buffer.push(1, 0.1, "a", now=0.0) == ["a"]
    assert buffer.deadline is None


def test_buffer_keeps_a_message_out_of_turn_until_its_predecessor_comes() -> None:
    buffer = ReorderBuffer[int](Window(), first=1)

    assert push(buffer, 2, now=0.0) == []
    assert push(buffer, 3, now=0.1) == []
    assert push(buffer, 1, now=0.2) == [1, 2, 3]
    assert buffer.history.counts.gaps == 0


def test_buffer_lets_nothing_wait_longer_than_the_window() -> None:
    buffer = ReorderBuffer[int](Window(seconds=0.5), first=1)
    push(buffer, 2, now=0.0)
    push(buffer, 5, now=0.1)

    assert buffer.deadline == 0.5
    assert buffer.expire(now=0.4) == []
    assert buffer.expire(now=0.5) == [2]
    assert buffer.deadline == 0.6
    assert push(buffer, 7, now=0.6) == [5]
    assert (buffer.history.counts.gaps, buffer.history.counts.skipped) == (2, 3)


def test_buffer_takes_a_message_that_fills_its_gap_at_the_last_moment() -> None:
    buffer = ReorderBuffer[int](Window(seconds=0.5), first=1)
    push(buffer, 2, now=0.0)

    assert push(buffer, 1, now=9.0) == [1, 2]
    assert buffer.history.counts.skipped == 0


def test_buffer_with_a_full_window_gives_up_on_the_first_gap_only() -> None:
    buffer = ReorderBuffer[int](Window(messages=2, seconds=FOREVER), first=1)

    assert [push(buffer, number) for number in (2, 4, 6, 3, 5)] == [[], [], [2], [3, 4], [5, 6]]
    assert buffer.history.counts.skipped == 1


def test_buffer_tells_late_messages_from_repeats_and_releases_neither() -> None:
    buffer = ReorderBuffer[int](Window(messages=0), first=1)
    push(buffer, 1, 5)

    assert push(buffer, 3, 3, 1, 5, 2) == []
    counts = buffer.history.counts
    assert (counts.late, counts.repeats) == (2, 3)
    assert counts.skipped - counts.late == 1
    assert buffer.deadline is None


def test_buffer_counts_a_message_from_before_the_beginning_as_a_stray() -> None:
    buffer = ReorderBuffer[int](Window(messages=0))
    push(buffer, 10, 9)

    counts = buffer.history.counts
    assert (counts.strays, counts.late, counts.repeats) == (1, 0, 0)


def test_buffer_that_joins_is_not_misled_by_a_stray() -> None:
    buffer = ReorderBuffer[int](Window())
    assert push(buffer, 7, 2**50, 500, 502, 501) == []

    assert buffer.deadline == 1.0
    assert buffer.expire(now=1.0) == [500, 501, 502]
    buffer.flush()
    assert buffer.history.counts.strays == 2


def test_buffer_that_joins_counts_two_strays_of_one_number() -> None:
    buffer = ReorderBuffer[str](Window())
    for place, (number, item) in enumerate(((0, "a"), (0, "b"), (5000, "c"), (5001, "d"))):
        buffer.push(number, place, item, now=0.0)

    assert buffer.flush() == ["c", "d"]
    assert buffer.history.counts == ReorderCounts(released=2, repeats=1, strays=1)


def test_buffer_that_joins_waits_for_the_window_of_the_first_message() -> None:
    buffer = ReorderBuffer[int](Window())
    push(buffer, 8, now=0.0)
    push(buffer, 7, now=0.9)

    assert buffer.deadline == 1.0
    assert buffer.expire(now=1.0) == [7, 8]


def test_buffer_that_joins_expects_nothing_before_the_beginning_is_known() -> None:
    assert not ReorderBuffer[int](Window()).expects(1, 0.0)


def test_buffer_needs_neither_time_nor_memory_for_a_huge_gap() -> None:
    buffer = ReorderBuffer[int](Window(messages=0, max_dropout=2**53), first=1)

    assert push(buffer, 2**53 - 1) == [2**53 - 1]
    assert buffer.history.counts.skipped == 2**53 - 2
    push(buffer, 2**40)
    assert buffer.history.counts.late == 1


def test_buffer_expects_what_it_would_release() -> None:
    buffer = ReorderBuffer[int](Window(), first=10)
    push(buffer, 12)

    expected = [n for n in (0, 9, 10, 11, 12, 13, 1009, 1010) if buffer.expects(n, n / SECOND)]
    assert expected == [10, 11, 13, 1009]


def test_buffer_gives_back_what_is_discarded_and_counts_what_is_on_probation() -> None:
    buffer = ReorderBuffer[int](Window(), first=10)
    push(buffer, 12, 11, 5000, 2)

    assert buffer.discard() == [11, 12]
    assert (waiting(buffer), on_probation(buffer), buffer.deadline) == (0, 0, None)
    assert buffer.history.counts.strays == 2
