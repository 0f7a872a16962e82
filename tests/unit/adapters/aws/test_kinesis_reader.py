"""Following the frames stream: shards, resharding, expired iterators and outages."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from msgspec.structs import replace

from callstream.adapters.aws.kinesis_reader import FrameStreamReader, Position
from callstream.dialects.events import Connected
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames import records
from callstream.frames.arrivals import Arrival
from callstream.frames.records import Record

STREAM = "frames"
MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)
RECORD = Record("stream-1", "acme", "genagent", "twilio", 5, Connected("Call", "1.0.0"))


class Kinesis:
    """A Kinesis that answers what it is told to, in that order, and nothing else."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "kinesis", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        )
        self.stub = Stubber(self.client)
        self.now = 0.0

    def shards(self, *shard_ids: str, filtered: object = ANY) -> None:
        shards = [_shard(shard_id) for shard_id in shard_ids]
        request = {"StreamName": STREAM, "ShardFilter": filtered}
        self.stub.add_response("list_shards", {"Shards": shards}, request)

    def iterator(self, shard_id: str, iterator: str, **where: object) -> None:
        request = {"StreamName": STREAM, "ShardId": shard_id, **where}
        self.stub.add_response("get_shard_iterator", {"ShardIterator": iterator}, request)

    def records(self, iterator: str, *numbers: int, then: str = "", **more: object) -> None:
        answer: dict[str, Any] = {"Records": [_record(number) for number in numbers], **more}
        if then:
            answer["NextShardIterator"] = then
        request = {"ShardIterator": iterator, "Limit": 2000}
        self.stub.add_response("get_records", answer, request)

    def fails(self, code: str, status: int = 400, *, when: str = "get_records") -> None:
        self.stub.add_client_error(when, code, http_status_code=status)

    def reader(self, position: Position = "TRIM_HORIZON") -> FrameStreamReader:
        return FrameStreamReader(
            self.client, STREAM, position, poll_seconds=0.5, clock=lambda: self.now
        )

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def poll(self, reader: FrameStreamReader) -> list[str]:
        """Poll once, when the shards are due."""
        self.now += 0.5
        return [number_of(arrival) for arrival in reader.poll()]


def _shard(shard_id: str) -> dict[str, object]:
    return {
        "ShardId": shard_id,
        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
        "SequenceNumberRange": {"StartingSequenceNumber": "0"},
    }


def _child(shard_id: str, *parents: str) -> dict[str, object]:
    return {
        "ShardId": shard_id,
        "ParentShards": list(parents),
        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
    }


def number_of(arrival: Arrival) -> str:
    """The number of a record of `_record`."""
    assert isinstance(arrival.record, Record)
    return str(arrival.record.received_at)


def _record(number: int, data: bytes | None = None) -> dict[str, object]:
    return {
        "SequenceNumber": str(number),
        "Data": data or records.encode(replace(RECORD, received_at=number)),
        "PartitionKey": "stream-1",
        "ApproximateArrivalTimestamp": MOMENT,
    }


@pytest.fixture
def kinesis() -> Iterator[Kinesis]:
    kinesis = Kinesis()
    with kinesis.stub:
        yield kinesis
        kinesis.stub.assert_no_pending_responses()


def test_kinesis_reader_yields_records_with_how_they_came(kinesis: Kinesis) -> None:
    kinesis.shards("shard-0")
    kinesis.iterator("shard-0", "i0", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i0", 7, then="i1")

    assert kinesis.reader().poll() == [
        Arrival(replace(RECORD, received_at=7), "stream-1", "shard-0", arrived_at=1_767_268_800_000)
    ]


@pytest.mark.parametrize(
    ("position", "filtered", "where"),
    [
        ("TRIM_HORIZON", {"Type": "AT_TRIM_HORIZON"}, {"ShardIteratorType": "TRIM_HORIZON"}),
        ("LATEST", {"Type": "AT_LATEST"}, {"ShardIteratorType": "LATEST"}),
        (
            MOMENT,
            {"Type": "AT_TIMESTAMP", "Timestamp": MOMENT},
            {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": MOMENT},
        ),
    ],
)
def test_kinesis_reader_begins_at_the_position(
    kinesis: Kinesis, position: Position, filtered: object, where: dict[str, object]
) -> None:
    kinesis.shards("shard-0", filtered=filtered)
    kinesis.iterator("shard-0", "i0", **where)
    kinesis.records("i0", 1, then="i1")

    # The stub of the client asserts what it is asked for.
    kinesis.reader(position).poll()


def test_kinesis_reader_reads_only_the_shards_of_some_partition_keys(kinesis: Kinesis) -> None:
    middle = 1 << 127
    ranges = {"low": (0, middle - 1), "high": (middle, 2 * middle - 1)}
    shards = [
        _shard(shard_id)
        | {"HashKeyRange": {"StartingHashKey": str(first), "EndingHashKey": str(last)}}
        for shard_id, (first, last) in ranges.items()
    ]
    kinesis.stub.add_response("list_shards", {"Shards": shards})
    kinesis.iterator("high", "i1", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i1", 1, then="i2")
    # The MD5 of "stream-5" begins with bb, that of "stream-7" with b4.
    reader = FrameStreamReader(
        kinesis.client, STREAM, "TRIM_HORIZON", partition_keys=["stream-5", "stream-7"]
    )

    assert [number_of(arrival) for arrival in reader.poll()] == ["1"]


def test_kinesis_reader_follows_only_the_child_with_its_partition_keys(kinesis: Kinesis) -> None:
    middle = 1 << 127
    halves = [
        _child(shard_id, "old")
        | {"HashKeyRange": {"StartingHashKey": str(first), "EndingHashKey": str(last)}}
        for shard_id, first, last in (("low", 0, middle - 1), ("high", middle, 2 * middle - 1))
    ]
    whole = {"StartingHashKey": "0", "EndingHashKey": str(2 * middle - 1)}
    shards = [_shard("old") | {"HashKeyRange": whole}]
    kinesis.stub.add_response("list_shards", {"Shards": shards})
    kinesis.iterator("old", "i0", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i0", 1, ChildShards=halves)
    kinesis.iterator("high", "i1", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i1", 2, then="i2")
    reader = FrameStreamReader(
        kinesis.client, STREAM, "TRIM_HORIZON", partition_keys=["stream-5"], clock=lambda: 0
    )

    read = [number_of(arrival) for arrival in (*reader.poll(), *reader.poll())]
    assert read == ["1", "2"]
    assert reader.seconds_behind("old") == 0


def test_kinesis_reader_reads_a_shard_when_it_is_admitted(kinesis: Kinesis) -> None:
    kinesis.shards("shard-0")
    kinesis.iterator("shard-0", "i0", ShardIteratorType="AT_TIMESTAMP", Timestamp=MOMENT)
    request = {"ShardIterator": "i0", "Limit": 10}
    answer = {"Records": [_record(1)], "NextShardIterator": "i1"}
    kinesis.stub.add_response("get_records", answer, request)
    asked: list[str] = []

    def admit(shard_id: str) -> float:
        asked.append(shard_id)
        return 1.5

    reader = FrameStreamReader(
        kinesis.client,
        STREAM,
        MOMENT,
        poll_seconds=0.0,
        most_records=10,
        admit=admit,
        clock=lambda: kinesis.now,
    )
    assert reader.poll() == []
    assert reader.seconds_until_due() == 1.5
    kinesis.now = 1.0
    assert reader.poll() == []
    kinesis.now = 1.5
    assert [number_of(arrival) for arrival in reader.poll()] == ["1"]
    assert asked == ["shard-0"]
    # Each read needs a turn of its own.
    assert reader.poll() == []
    assert asked == ["shard-0"] * 2


def test_kinesis_reader_knows_until_when_it_has_covered_all(kinesis: Kinesis) -> None:
    kinesis.shards("a")
    kinesis.iterator("a", "i0", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i0", 1, then="i1", MillisBehindLatest=2000)
    kinesis.records("i1", 2, then="i2", MillisBehindLatest=100)
    kinesis.records("i2", ChildShards=[_child("b", "a")], MillisBehindLatest=0)
    reader = kinesis.reader()
    covered = [reader.has_covered(-10)]
    kinesis.now = 100
    for moment in (98, 100.4, 0):
        kinesis.poll(reader)
        covered += [reader.has_covered(moment), reader.has_covered(moment + 1)]

    # At the last poll, 100.5 s is over; of a child that was not read yet nothing is known.
    assert covered == [False, True, False, True, False, False, False]


def test_kinesis_reader_reads_all_pages_of_shards(kinesis: Kinesis) -> None:
    kinesis.stub.add_response("list_shards", {"Shards": [_shard("a")], "NextToken": "more"})
    kinesis.stub.add_response("list_shards", {"Shards": [_shard("b")]}, {"NextToken": "more"})
    for shard_id in "ab":
        kinesis.iterator(shard_id, f"i-{shard_id}", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-a", 1, then="next")
    kinesis.records("i-b", 2, then="next")

    assert kinesis.poll(kinesis.reader()) == ["1", "2"]


def test_kinesis_reader_keeps_the_least_time_between_reads_of_a_shard(kinesis: Kinesis) -> None:
    kinesis.shards("shard-0")
    kinesis.iterator("shard-0", "i0", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i0", 1, then="i1")
    reader = kinesis.reader()
    reader.poll()

    kinesis.now = 0.25
    assert reader.poll() == []
    assert reader.seconds_until_due() == 0.25
    kinesis.now = 0.75
    assert reader.seconds_until_due() == 0.0


def test_kinesis_reader_knows_when_it_has_caught_up(kinesis: Kinesis) -> None:
    kinesis.shards("a", "b")
    kinesis.iterator("a", "i-a", ShardIteratorType="TRIM_HORIZON")
    kinesis.iterator("b", "i-b", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-a", 1, then="i-a2", MillisBehindLatest=0)
    kinesis.records("i-b", then="i-b2", MillisBehindLatest=5000)
    kinesis.records("i-a2", then="i-a3", MillisBehindLatest=0)
    kinesis.records("i-b2", 2, ChildShards=[_child("c", "b")], MillisBehindLatest=0)
    kinesis.records("i-a3", then="i-a4", MillisBehindLatest=0)
    kinesis.iterator("c", "i-c", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-c", then="i-c2", MillisBehindLatest=0)
    reader = kinesis.reader()
    caught_up = [reader.caught_up]
    for _ in range(3):
        kinesis.poll(reader)
        caught_up.append(reader.caught_up)

    # A child shard that has not been read yet may hold anything.
    assert caught_up == [False, False, False, True]


def test_following_sleeps_between_polls(kinesis: Kinesis) -> None:
    kinesis.shards("shard-0")
    kinesis.iterator("shard-0", "i0", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i0", 1, then="i1")
    kinesis.records("i1", then="i2")
    kinesis.records("i2", 2, then="i3")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        kinesis.now += seconds

    arrivals = kinesis.reader().follow(sleep)

    assert [number_of(next(arrivals)) for _ in range(2)] == ["1", "2"]
    assert slept == [0.5, 0.5]


def test_kinesis_reader_replaces_an_expired_iterator_after_the_last_record(
    kinesis: Kinesis,
) -> None:
    kinesis.shards("shard-0")
    kinesis.iterator("shard-0", "i0", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i0", 1, 2, then="i1")
    kinesis.fails("ExpiredIteratorException")
    kinesis.iterator(
        "shard-0",
        "fresh",
        ShardIteratorType="AFTER_SEQUENCE_NUMBER",
        StartingSequenceNumber="2",
    )
    kinesis.records("fresh", 3, then="i2")
    reader = kinesis.reader()

    assert kinesis.poll(reader) == ["1", "2"]
    assert kinesis.poll(reader) == ["3"]


def test_kinesis_reader_skips_nothing_when_the_first_iterator_expires(kinesis: Kinesis) -> None:
    kinesis.shards("shard-0")
    kinesis.iterator("shard-0", "i0", ShardIteratorType="LATEST")
    kinesis.fails("ExpiredIteratorException")
    kinesis.iterator("shard-0", "fresh", ShardIteratorType="AT_TIMESTAMP", Timestamp=ANY)
    kinesis.records("fresh", 1, then="i1")

    assert kinesis.poll(kinesis.reader("LATEST")) == ["1"]


def test_kinesis_reader_reads_the_children_of_a_split_shard_after_it(kinesis: Kinesis) -> None:
    kinesis.shards("old")
    kinesis.iterator("old", "i-old", ShardIteratorType="LATEST")
    children = [_child("left", "old"), _child("right", "old")]
    kinesis.records("i-old", 1, ChildShards=children)
    kinesis.iterator("left", "i-left", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-left", 2, then="x")
    kinesis.iterator("right", "i-right", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-right", 3, then="y")
    reader = kinesis.reader("LATEST")

    assert kinesis.poll(reader) == ["1"]
    assert kinesis.poll(reader) == ["2", "3"]


def test_kinesis_reader_reads_the_child_of_a_merge_after_both_parents(kinesis: Kinesis) -> None:
    kinesis.shards("a", "b")
    kinesis.iterator("a", "i-a", ShardIteratorType="TRIM_HORIZON")
    kinesis.iterator("b", "i-b", ShardIteratorType="TRIM_HORIZON")
    child = [_child("ab", "a", "b")]
    kinesis.records("i-a", 1, ChildShards=child)
    kinesis.records("i-b", 2, then="i-b2")
    kinesis.records("i-b2", 3, ChildShards=child)
    kinesis.iterator("ab", "i-ab", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-ab", 4, then="x")
    reader = kinesis.reader()

    assert [kinesis.poll(reader) for _ in range(3)] == [["1", "2"], ["3"], ["4"]]


def test_kinesis_reader_loses_nothing_in_an_outage_when_a_shard_ends(
    kinesis: Kinesis,
) -> None:
    kinesis.shards("old")
    kinesis.iterator("old", "i-old", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-old", 1, ChildShards=[_child("new", "old")])
    kinesis.fails("ProvisionedThroughputExceededException", when="get_shard_iterator")
    kinesis.iterator("new", "i-new", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-new", 2, then="x")
    reader = kinesis.reader()

    assert kinesis.poll(reader) == ["1"]
    with pytest.raises(Unavailable):
        kinesis.poll(reader)
    assert not reader.caught_up
    assert kinesis.poll(reader) == ["2"]


def test_kinesis_reader_knows_until_when_a_shard_has_been_read(kinesis: Kinesis) -> None:
    kinesis.shards("a", "b")
    kinesis.iterator("a", "i-a", ShardIteratorType="TRIM_HORIZON")
    kinesis.iterator("b", "i-b", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-a", 1, then="i-a2")
    kinesis.records("i-b", 2, then="i-b2", MillisBehindLatest=5000)
    kinesis.records("i-a2", 3, then="i-a3")
    kinesis.fails("ProvisionedThroughputExceededException")
    kinesis.records("i-a3", 4, then="i-a4", MillisBehindLatest=1)
    kinesis.records("i-b2", 5, then="i-b3")
    reader = kinesis.reader()
    behind = []
    for _ in range(3):
        kinesis.poll(reader)
        behind.append((reader.seconds_behind("a"), reader.seconds_behind("b")))
    kinesis.now += 0.25
    reader.poll()  # nothing is due
    behind.append((reader.seconds_behind("a"), reader.seconds_behind("b")))

    assert behind == [(0, math.inf), (0, math.inf), (0.5, 0), (0.75, 0.25)]
    assert reader.seconds_behind("unheard-of") == math.inf


def test_kinesis_reader_counts_the_children_for_a_shard_that_has_ended(kinesis: Kinesis) -> None:
    """Two shards are merged, and that is split: a stream of theirs may go on on either half."""
    kinesis.shards("a", "b")
    kinesis.iterator("a", "i-a", ShardIteratorType="TRIM_HORIZON")
    kinesis.iterator("b", "i-b", ShardIteratorType="TRIM_HORIZON")
    merged, halves = [_child("ab", "a", "b")], [_child("l", "ab"), _child("r", "ab")]
    kinesis.records("i-a", 1, ChildShards=merged)
    kinesis.records("i-b", 2, then="i-b2", MillisBehindLatest=5000)
    kinesis.records("i-b2", 3, ChildShards=merged)
    kinesis.iterator("ab", "i-ab", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-ab", 4, then="i-ab2")
    kinesis.records("i-ab2", 5, ChildShards=halves)
    kinesis.iterator("l", "i-l", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-l", 6, then="i-l2")
    kinesis.iterator("r", "i-r", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-r", 7, then="i-r2")
    kinesis.records("i-l2", 8, then="i-l3")
    kinesis.fails("ProvisionedThroughputExceededException")
    reader = kinesis.reader()
    behind = []
    for _ in range(6):
        kinesis.poll(reader)
        behind.append(reader.seconds_behind("a"))

    assert behind == [math.inf, math.inf, 0, math.inf, 0, 0.5]


def test_kinesis_reader_has_read_all_of_a_shard_that_ends_without_children(
    kinesis: Kinesis,
) -> None:
    kinesis.shards("shard-0")
    kinesis.iterator("shard-0", "i0", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i0", 1)
    reader = kinesis.reader()
    kinesis.poll(reader)
    kinesis.now += 5

    assert reader.seconds_behind("shard-0") == 0


def test_kinesis_reader_raises_in_an_outage_and_loses_nothing(kinesis: Kinesis) -> None:
    kinesis.shards("shard-0")
    kinesis.iterator("shard-0", "i0", ShardIteratorType="TRIM_HORIZON")
    kinesis.fails("ProvisionedThroughputExceededException")
    kinesis.records("i0", 1, then="i1")
    reader = kinesis.reader()

    with pytest.raises(Unavailable):
        kinesis.poll(reader)
    assert kinesis.poll(reader) == ["1"]


def test_kinesis_reader_keeps_records_of_one_shard_in_an_outage_of_another(
    kinesis: Kinesis,
) -> None:
    kinesis.shards("a", "b")
    kinesis.iterator("a", "i-a", ShardIteratorType="TRIM_HORIZON")
    kinesis.iterator("b", "i-b", ShardIteratorType="TRIM_HORIZON")
    kinesis.records("i-a", 1, then="i-a2")
    kinesis.fails("InternalFailure", 500)
    kinesis.records("i-a2", then="i-a3")
    kinesis.records("i-b", 2, then="i-b2")
    reader = kinesis.reader()

    assert [kinesis.poll(reader) for _ in range(2)] == [["1"], ["2"]]


def test_kinesis_reader_passes_on_foreign_records_as_such(kinesis: Kinesis) -> None:
    kinesis.shards("shard-0")
    kinesis.iterator("shard-0", "i0", ShardIteratorType="TRIM_HORIZON")
    foreign = {"Records": [_record(1, b"something else")], "NextShardIterator": "i1"}
    kinesis.stub.add_response("get_records", foreign)

    [arrival] = kinesis.reader().poll()
    assert isinstance(arrival.record, UnreadableMessage)
