"""Where new streams go: even for every number of shards that is a power of two."""

import logging
from collections import Counter
from collections.abc import Mapping
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.calls.lifecycle import StreamState
from callstream.calls.placement import (
    PARTS,
    Placement,
    emptiest,
    id_in,
    is_even,
    part_of,
    tracks_of,
)
from callstream.errors import Unavailable
from tests.unit.items import connected_stream, started_stream

ALL_COUNTS = st.lists(st.integers(-2, 30), min_size=PARTS, max_size=PARTS)
ALL_PARTS = st.integers(0, PARTS - 1)


def shares(counts: list[int], shards: int) -> list[int]:
    """The tracks of each of a number of equal shards."""
    size = PARTS // shards
    return [sum(counts[first : first + size]) for first in range(0, PARTS, size)]


def seeded(number: int = 1) -> Random:
    return Random(number)  # noqa: S311  # it must repeat


class Counts:
    """Counts in memory. With `stale`, every stream reads them as they were at first."""

    def __init__(self, counts: list[int] | None, *, stale: bool = False) -> None:
        self.counts = counts
        self._first = list(counts or ()) if stale else None
        self.updates: list[Mapping[int, int]] = []

    def read(self) -> list[int] | None:
        return list(self._first) if self._first else self.counts and list(self.counts)

    def change(self, by: Mapping[int, int]) -> list[int]:
        assert self.counts is not None
        self.updates.append(dict(by))
        for part, tracks in by.items():
            self.counts[part] += tracks
        return list(self.counts)


class Broken(Counts):
    """Counts that cannot be read, or not be changed."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__([1] * 255 + [0])
        self._reads = reads

    def read(self) -> list[int] | None:
        if not self._reads:
            raise RuntimeError("a defect")
        return super().read()

    def change(self, by: Mapping[int, int]) -> list[int]:
        assert sum(by.values()) == 1
        raise Unavailable("dynamodb", "Down")


@given(ALL_PARTS)
def test_id_belongs_to_its_part_and_is_a_uuid(part: int) -> None:
    stream_id = id_in(part)

    assert part_of(stream_id) == part
    assert str(UUID(stream_id)) == stream_id
    assert UUID(stream_id).version == 4


def test_ids_of_a_part_differ() -> None:
    assert len({id_in(7) for _ in range(50)}) == 50


@given(ALL_COUNTS, st.randoms())
def test_emptiest_is_in_the_emptier_half_at_every_size(counts: list[int], chance: Random) -> None:
    part = emptiest(counts, chance.random)

    counts = [max(0, count) for count in counts]
    for shards in (2, 4, 8, 16, 32, 64, 128, 256):
        loads, mine = shares(counts, shards), part * shards // PARTS
        assert loads[mine] <= loads[mine ^ 1]
    counts[part] += 1
    assert is_even(counts, part)


@given(ALL_COUNTS, ALL_PARTS)
def test_part_is_not_even_with_two_more_than_its_other_half(counts: list[int], part: int) -> None:
    loads = [(shares(counts, shards), part * shards // PARTS) for shards in (2, 4, 64, 256)]
    if any(those[mine] - those[mine ^ 1] > 1 for those, mine in loads):
        assert not is_even(counts, part)


def test_emptiest_is_by_chance_where_halves_are_equal() -> None:
    chance = seeded(1)
    found = Counter(emptiest([0] * PARTS, chance.random) for _ in range(2000))
    assert len(found) == PARTS
    assert max(found.values()) < 30


def test_count_below_0_draws_no_more_streams_than_0() -> None:
    chance = seeded(1)
    found = {emptiest([-50] + [0] * 255, chance.random) for _ in range(50)}
    assert len(found) > 20


@pytest.mark.parametrize("shards", [1, 2, 4, 8, 16, 32])
def test_placement_is_even_while_streams_come_and_go(shards: int) -> None:
    chance, counts = seeded(shards), Counts([0] * PARTS)
    made, live = Placement(counts, chance.random), list[str]()
    for _ in range(19 * shards):
        live.append(made.new_id())
    # Each stream that ends is replaced by another.
    for _ in range(300):
        ended = live.pop(chance.randrange(len(live)))
        counts.change({part_of(ended): -1})
        live.append(made.new_id())
        loads = Counter(part_of(each) * shards // PARTS for each in live)
        assert max(loads.values()) <= 20


def test_placement_is_even_if_all_streams_read_the_same_counts() -> None:
    chance, counts = seeded(1), Counts([1] * PARTS, stale=True)
    made = Placement(counts, chance.random)
    for _ in range(76):
        made.new_id()

    assert counts.counts is not None
    for shards in (2, 4, 8):
        loads = shares(counts.counts, shards)
        assert max(loads) - min(loads) <= 2
    # Few streams move, and those that do, seldom.
    assert len(counts.updates) < 2 * 76


def test_placement_counts_one_track_in_the_part_of_the_id() -> None:
    counts = Counts([3] * PARTS)
    stream_id = Placement(counts, seeded(1).random).new_id()

    assert counts.updates == [{part_of(stream_id): 1}]


def test_placement_without_counts_is_by_chance(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    made = Placement(Counts(None), seeded(1).random)

    assert len({part_of(made.new_id()) for _ in range(50)}) > 20
    assert {entry.message for entry in caplog.records} == {
        "stream placed by chance: nothing is counted yet"
    }


@pytest.mark.parametrize("reads", [False, True])
def test_placement_never_raises(caplog: pytest.LogCaptureFixture, *, reads: bool) -> None:
    made = Placement(Broken(reads=reads), seeded(1).random)
    ids = [made.new_id() for _ in range(20)]

    # What was read still says where to.
    assert (len({part_of(each) for each in ids}) < 2) is reads
    level = logging.WARNING if reads else logging.ERROR
    assert [entry.levelno for entry in caplog.records] == [level] * 20


@pytest.mark.parametrize(
    ("state", "tracks", "counts_for"),
    [
        (StreamState.CONNECTED, (), 1),
        (StreamState.STREAMING, ("inbound",), 1),
        (StreamState.STREAMING, ("inbound", "outbound"), 2),
        (StreamState.STREAMING, ("inbound",) * 9, 1),
        (StreamState.STOPPED, ("inbound", "outbound"), 0),
        (StreamState.CLOSED, ("inbound",), 0),
    ],
)
def test_stream_counts_for_its_tracks_until_it_stops(
    state: StreamState, tracks: tuple[str, ...], counts_for: int
) -> None:
    if tracks:
        assert tracks_of(started_stream(state=state, tracks=tracks)) == counts_for
    else:
        assert tracks_of(connected_stream(state=state)) == counts_for
