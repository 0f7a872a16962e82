"""How the sweep corrects the counts of tracks."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K
from callstream.calls.placement import PARTS, part_of
from callstream.calls.placement_sweep import SETTLED, PlacementSweep, both_found
from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import Started
from callstream.calls.track_counts import TrackCounts, build_counts
from callstream.dialects.events import Start
from callstream.identity import StreamIdentity, StreamToken
from callstream.rounds import Allowance
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
UNLIMITED = Allowance(lambda: 60)


class World:
    """Live streams, and counts that may be wrong."""

    def __init__(self, table: DynamoTable) -> None:
        self.table = table
        self.streams = StreamStore(table, timedelta(days=30))
        self.slept: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def open(self, stream_id: str, *tracks: str) -> None:
        """Connect a stream, as a carrier does, and start it if there are tracks."""
        token = StreamToken("token", "acme", "genagent", "many", NOW)
        self.streams.open(StreamIdentity(stream_id, "acme", "genagent"), token, stream_id, NOW)
        if tracks:
            start = Start(1, f"MZ{stream_id}", f"CA{stream_id}", "AC", tracks, PCMU_8K)  # type: ignore[arg-type]
            self.streams.start(stream_id, Started("twilio", start), NOW)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.meanwhile()

    def run(self, allowance: Allowance = UNLIMITED) -> dict[str, int]:
        return PlacementSweep(self.table, self.streams, self.sleep).run(allowance)

    def counted(self) -> Counter[int]:
        counts = TrackCounts(self.table).read()
        assert counts is not None
        return Counter({part: count for part, count in enumerate(counts) if count})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield World(DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable")))


def parts(*stream_ids: str) -> Counter[int]:
    """The right counts, with an id for each track."""
    return Counter(map(part_of, stream_ids))


def test_placement_sweep_makes_the_counts(world: World) -> None:
    world.open("a")
    world.open("b", "inbound")
    world.open("c", "inbound", "outbound")
    world.open("d", "inbound")
    world.streams.stop("d", NOW)
    world.open("e", "inbound")
    world.streams.disconnect("e", NOW)

    assert world.run() == {}
    assert world.counted() == parts("a", "b", "c", "c")
    assert not world.slept


def test_placement_sweep_leaves_right_counts_without_a_second_look(world: World) -> None:
    world.open("a")
    world.run()

    assert world.run() == {}
    assert not world.slept


@pytest.mark.parametrize("wrong", [{7: 3}, {7: -2}, {}, dict.fromkeys(range(90), 1)])
def test_placement_sweep_corrects_wrong_counts(world: World, wrong: dict[int, int]) -> None:
    world.open("a")
    world.open("b", "inbound", "outbound")
    world.table.put(build_counts(wrong))
    right = parts("a", "b", "b")
    different = {part for part in range(PARTS) if wrong.get(part, 0) != right[part]}

    assert world.run() == {"correct": len(different)}
    assert world.counted() == right
    assert world.slept == [SETTLED]


def test_placement_sweep_corrects_very_many_counts_in_some_rounds(world: World) -> None:
    world.table.put(build_counts(dict.fromkeys(range(PARTS), 2)))

    assert [world.run() for _ in range(4)] == [{"correct": each} for each in (100, 100, 56)] + [{}]
    assert not world.counted()


def test_placement_sweep_leaves_a_stream_that_is_still_being_connected(world: World) -> None:
    world.run()
    TrackCounts(world.table).change({part_of("new"): 1})
    world.meanwhile = lambda: world.open("new")

    assert world.run() == {}
    assert world.counted() == parts("new")


def test_placement_sweep_leaves_a_stream_that_ends_meanwhile(world: World) -> None:
    world.open("a")
    world.run()
    # As if its end were seen before its count is given back.
    world.table.put(build_counts(parts("a", "ending")))
    world.meanwhile = lambda: TrackCounts(world.table).add("ending", -1)

    assert world.run() == {}
    assert world.counted() == parts("a")


@pytest.mark.parametrize("seconds", [0, 1.5 * SETTLED])
def test_placement_sweep_corrects_nothing_without_time(world: World, seconds: float) -> None:
    world.open("a")
    world.table.put(build_counts({7: 3}))

    assert world.run(Allowance(lambda: seconds)) == {}
    assert world.counted() == {7: 3}


@given(
    st.dictionaries(st.integers(0, 9), st.integers(-5, 5)),
    st.dictionaries(st.integers(0, 9), st.integers(-5, 5)),
)
def test_correction_never_goes_beyond_either_look(
    first: dict[int, int], second: dict[int, int]
) -> None:
    wrong = both_found(first, second)

    for part in range(10):
        one, other, by = first.get(part, 0), second.get(part, 0), wrong.get(part, 0)
        assert abs(by) == (min(abs(one), abs(other)) if one * other > 0 else 0)
        assert by * one >= 0
