"""Counters are exact, however the records come in batches, again, and to several functions."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from msgspec.structs import replace

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K
from callstream.calls.counters import Landed, StreamCounters
from callstream.calls.stream_requests import stream_key
from callstream.dialects.events import Connected, Dtmf, Mark, Media, Start, Stop, Track
from callstream.errors import ConditionFailed, Unavailable
from callstream.frames.records import Cleared, Disconnected, Record, RecordEvent, Rejected, Returned
from callstream.ports import Item
from tests.template import create_table

BEGIN = 1_700_000_000_000
START = Start(1, "MZ1", "CA1", "AC1", ("inbound",), PCMU_8K)
GONE = Disconnected(1000, "")
NONSENSE = Rejected("not_json", "at 0", 3, b"RIF")


class Kinesis:
    """Gives records the places that Kinesis gives them, 20 ms after one another."""

    def __init__(self) -> None:
        self._count = 0
        self.now_ms = BEGIN

    def land(self, *events: RecordEvent, received_at: int | None = None) -> list[Landed]:
        """Put events at the end of the shard."""
        return [self._land(event, received_at) for event in events]

    def _land(self, event: RecordEvent, received_at: int | None) -> Landed:
        self._count += 1
        self.now_ms += 20
        at = self.now_ms if received_at is None else received_at
        record = Record("stream-1", "acme", "genagent", "twilio", at, event)
        # Of different lengths, as Kinesis's are: as text they would be in another order.
        return Landed(record, str(8 + self._count), self.now_ms / 1000)

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ms += int(seconds * 1000)


@pytest.fixture
def kinesis() -> Kinesis:
    return Kinesis()


def frame(sequence: int, track: Track = "inbound", size: int = 160) -> Media:
    return Media(sequence, track, sequence, sequence * 20, sequence.to_bytes(8) * (size // 8))


def frames(*numbers: int) -> list[Media]:
    return [frame(number) for number in numbers]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        table = DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))
        table.put(stream_key("stream-1") | {"state": "streaming", "kept": "as it is"})
        yield table


NAMES = (
    "messages",
    "frames",
    "audio_bytes",
    "gaps",
    "skipped",
    "repeats",
    "late",
    "strays",
    "restarts",
    "rejected",
)


def counts(table: DynamoTable) -> dict[str, Any]:
    """What the item says, without what is 0."""
    item = table.get(stream_key("stream-1"))
    assert item is not None
    return {name: item[name] for name in NAMES if item[name]}


def count(table: DynamoTable, *batches: Sequence[Landed]) -> dict[str, Any]:
    """What one function makes of batches."""
    counters = StreamCounters(table)
    for batch in batches:
        counters.count("stream-1", batch)
    return counts(table)


WHOLE: list[RecordEvent] = [
    START,
    *frames(2, 3, 4),
    Dtmf(5, "inbound", "1"),
    frame(6, "outbound", 320),
    Stop(7),
    GONE,
]
WHOLE_COUNTS = {
    "messages": 8,
    "frames": {"inbound": 3, "outbound": 1},
    "audio_bytes": 3 * 160 + 320,
}


class TestCounts:
    def test_counters_of_a_whole_stream(self, table: DynamoTable, kinesis: Kinesis) -> None:
        assert count(table, kinesis.land(Connected("Call", "1.0.0"), *WHOLE)) == WHOLE_COUNTS | {
            "messages": 9
        }
        item = table.get(stream_key("stream-1"))
        assert item is not None
        assert (item["first_seen_at"], item["last_seen_at"]) == (BEGIN + 20, BEGIN + 180)
        assert (item["state"], item["kept"]) == ("streaming", "as it is")

    def test_counters_do_not_count_answers(self, table: DynamoTable, kinesis: Kinesis) -> None:
        answers = (Returned("r1", 1, bytes(160)), Cleared("r1", 2))
        landed = kinesis.land(Connected("Call", "1.0.0"), *WHOLE, *answers)

        assert count(table, landed) == WHOLE_COUNTS | {"messages": 9}

    def test_counters_are_all_there_from_the_first_record(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        count(table, kinesis.land(START))
        item = table.get(stream_key("stream-1"))
        assert item is not None
        assert {name: item[name] for name in NAMES} == {
            **dict.fromkeys(NAMES, 0),
            "messages": 1,
            "frames": {},
            "rejected": {},
        }

    def test_counters_have_times_of_receipt_whatever_the_order(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        batch = [
            *kinesis.land(START, received_at=BEGIN + 7),
            *kinesis.land(frame(2), received_at=BEGIN + 90),
            *kinesis.land(frame(3), received_at=BEGIN + 5),
        ]
        count(table, batch)
        item = table.get(stream_key("stream-1"))
        assert item is not None
        assert (item["first_seen_at"], item["last_seen_at"]) == (BEGIN + 5, BEGIN + 90)

    def test_counters_count_a_waiting_frame_when_its_turn_comes(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        counters = StreamCounters(table)
        counters.count("stream-1", kinesis.land(START, *frames(3, 4)))
        assert counts(table) == {"messages": 3}
        counters.count("stream-1", kinesis.land(frame(2)))
        assert counts(table) == {"messages": 4, "frames": {"inbound": 3}, "audio_bytes": 480}

    def test_counters_of_a_gap(self, table: DynamoTable, kinesis: Kinesis) -> None:
        batch = kinesis.land(START, *frames(2, 5, 6, 9), GONE)
        assert count(table, batch) == {
            "messages": 6,
            "frames": {"inbound": 4},
            "audio_bytes": 640,
            "gaps": 2,
            "skipped": 4,
        }

    def test_counters_of_a_late_frame(self, table: DynamoTable, kinesis: Kinesis) -> None:
        before = kinesis.land(START, *frames(2, 4))
        kinesis.pause(1.5)
        after = kinesis.land(*frames(5, 3, 6), GONE)
        assert count(table, before, after) == {
            "messages": 7,
            "frames": {"inbound": 4},
            "audio_bytes": 640,
            "gaps": 1,
            "skipped": 1,
            "late": 1,
        }

    def test_counters_of_repeats_in_one_batch_and_in_the_next(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        before = kinesis.land(START, *frames(2, 2, 3))
        after = kinesis.land(*frames(3, 2, 4), GONE)
        assert count(table, before, after) == {
            "messages": 8,
            "frames": {"inbound": 3},
            "audio_bytes": 480,
            "repeats": 3,
        }

    def test_counters_of_a_numbering_that_begins_anew(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        before = kinesis.land(START, *frames(*range(2, 200)))
        after = kinesis.land(*frames(*range(2, 200)), GONE)
        assert count(table, before, after) == {
            "messages": 398,
            "frames": {"inbound": 396},
            "audio_bytes": 396 * 160,
            "restarts": 1,
        }

    def test_counters_take_repeats_of_long_ago_for_repeats(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        """Such as the overflow's, of records that Kinesis took although it said it had not."""
        before = kinesis.land(START, *frames(*range(2, 101)))
        kinesis.pause(13)
        again = []
        for each in before[40:70]:
            kinesis.pause(0.04)
            again += kinesis.land(each.record.event, received_at=each.record.received_at)
        assert count(table, before, again) == {
            "messages": 130,
            "frames": {"inbound": 99},
            "audio_bytes": 99 * 160,
            "repeats": 30,
        }

    def test_counters_of_a_stray(self, table: DynamoTable, kinesis: Kinesis) -> None:
        batch = kinesis.land(START, frame(2), frame(100_000), frame(3), GONE)
        assert count(table, batch) == {
            "messages": 5,
            "frames": {"inbound": 2},
            "audio_bytes": 320,
            "strays": 1,
        }

    def test_counters_of_rejected_messages_by_reason(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        other = Rejected("not_as_documented", "media", 5, b"{}")
        batch = kinesis.land(START, NONSENSE, frame(2), other, NONSENSE, GONE)
        assert count(table, batch) == {
            "messages": 6,
            "frames": {"inbound": 1},
            "audio_bytes": 160,
            "rejected": {"not_json": 2, "not_as_documented": 1},
        }

    def test_counters_of_a_rejected_message_that_kinesis_repeats(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        before = kinesis.land(NONSENSE, NONSENSE, received_at=BEGIN)
        after = kinesis.land(NONSENSE, received_at=BEGIN)
        again = kinesis.land(NONSENSE, received_at=BEGIN + 1)
        assert count(table, before, after, again) == {
            "messages": 4,
            "repeats": 2,
            "rejected": {"not_json": 2},
        }

    def test_counters_count_an_event_without_a_number_as_a_message_only(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        assert count(table, kinesis.land(Connected("Call", "1"), Mark(None, "a"))) == {
            "messages": 2
        }


class TestEnd:
    """The socket is gone; what was on its way may still come, or come back from the overflow."""

    def test_end_counts_waiting_frames_at_once(self, table: DynamoTable, kinesis: Kinesis) -> None:
        assert count(table, kinesis.land(START, frame(5)), kinesis.land(GONE)) == {
            "messages": 3,
            "frames": {"inbound": 1},
            "audio_bytes": 160,
            "gaps": 1,
            "skipped": 3,
        }

    def test_end_leaves_a_straggler_its_turn_for_a_window(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        before, after = kinesis.land(START, *frames(2, 4), GONE), kinesis.land(frame(3))
        assert count(table, before) == {
            "messages": 4,
            "frames": {"inbound": 2},
            "audio_bytes": 320,
            "gaps": 1,
            "skipped": 1,
        }
        assert count(table, after) == {
            "messages": 5,
            "frames": {"inbound": 3},
            "audio_bytes": 480,
        }

    def test_end_lets_frames_count_for_a_window(self, table: DynamoTable, kinesis: Kinesis) -> None:
        before, after = kinesis.land(START, frame(2), GONE), kinesis.land(*frames(3, 5))
        assert count(table, before, after) == {
            "messages": 5,
            "frames": {"inbound": 3},
            "audio_bytes": 480,
            "gaps": 1,
            "skipped": 1,
        }

    def test_end_makes_later_frames_late(self, table: DynamoTable, kinesis: Kinesis) -> None:
        before = kinesis.land(START, *frames(2, 6), GONE)
        kinesis.pause(60)
        # Passed over, known, and of a number that never came.
        after = kinesis.land(*frames(3, 4, 5), frame(2), frame(7), frame(9))
        assert count(table, before, after) == {
            "messages": 10,
            "frames": {"inbound": 2},
            "audio_bytes": 320,
            "gaps": 1,
            "skipped": 3,
            "late": 5,
            "repeats": 1,
        }

    def test_end_takes_repeats_of_a_whole_stream_for_repeats(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        """Such as records that Kinesis took although it said that it had not."""
        before = kinesis.land(START, *frames(*range(2, 60)), GONE)
        kinesis.pause(10)
        after = kinesis.land(*frames(*range(2, 60)))
        assert count(table, before, after) == {
            "messages": 118,
            "frames": {"inbound": 58},
            "audio_bytes": 58 * 160,
            "repeats": 58,
        }

    def test_end_that_comes_again_is_a_repeat(self, table: DynamoTable, kinesis: Kinesis) -> None:
        before = kinesis.land(START, frame(2), GONE)
        kinesis.pause(5)
        after = kinesis.land(GONE, frame(3))
        assert count(table, before, after) == {
            "messages": 5,
            "frames": {"inbound": 1},
            "audio_bytes": 160,
            "late": 1,
            "repeats": 1,
        }

    def test_end_is_not_undone_by_a_time_that_goes_back(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        before = kinesis.land(START, frame(2), GONE)
        kinesis.pause(5)
        [late, back] = kinesis.land(frame(4), frame(3))
        back = Landed(back.record, back.position, before[-1].arrived_at)
        assert count(table, before, [late, back])["late"] == 2

    def test_end_stays_although_times_of_arrival_go_back(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        records = kinesis.land(*WHOLE)
        jumping = [
            Landed(each.record, each.position, each.arrived_at - (number % 3) * 5)
            for number, each in enumerate(records)
        ]
        assert count(table, jumping) == WHOLE_COUNTS


class TestAgain:
    def test_batch_that_comes_again_counts_once(self, table: DynamoTable, kinesis: Kinesis) -> None:
        batch = kinesis.land(*WHOLE)
        assert count(table, batch, batch) == WHOLE_COUNTS
        assert count(table, batch) == WHOLE_COUNTS  # to another function

    def test_batch_that_overlaps_counts_only_new_records(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        batch = kinesis.land(*WHOLE)
        assert count(table, batch[:5], batch[2:]) == WHOLE_COUNTS

    def test_batch_of_older_records_counts_nothing(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        batch = kinesis.land(*WHOLE)
        assert count(table, batch[:6], batch[:3], batch[1:2], batch[6:]) == WHOLE_COUNTS

    def test_batches_of_one_record_give_the_same_counts(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        assert count(table, *([each] for each in kinesis.land(*WHOLE))) == WHOLE_COUNTS

    def test_batches_to_a_function_that_remembers_nothing_give_the_same_counts(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        for each in kinesis.land(*WHOLE):
            count(table, [each])
        assert counts(table) == WHOLE_COUNTS

    def test_batches_to_functions_in_turn_give_the_same_counts(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        """What each remembers is out of date whenever it is called."""
        one, other = StreamCounters(table), StreamCounters(table)
        for number, each in enumerate(kinesis.land(*WHOLE)):
            (one if number % 2 else other).count("stream-1", [each])
        assert counts(table) == WHOLE_COUNTS


class Between(DynamoTable):
    """A table on which something comes right before a write, once."""

    def __init__(self, between: Callable[[], object]) -> None:
        super().__init__("StreamsTable")
        self._between: Callable[[], object] | None = between

    def update(self, request: Item) -> Item:
        if self._between is not None:
            between, self._between = self._between, None
            between()
        return super().update(request)


class TestAtOnce:
    def test_two_functions_count_the_same_batch_once(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        batch = kinesis.land(*WHOLE)
        slow = StreamCounters(Between(lambda: count(table, batch)))
        slow.count("stream-1", batch)
        assert counts(table) == WHOLE_COUNTS

    def test_two_functions_count_overlapping_batches_once(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        batch = kinesis.land(*WHOLE)
        count(table, batch[:2])
        slow = StreamCounters(Between(lambda: count(table, batch[2:5])))
        slow.count("stream-1", batch[2:])
        assert counts(table) == WHOLE_COUNTS

    @pytest.mark.usefixtures("table")
    def test_counting_gives_up_when_others_always_come_first(self, kinesis: Kinesis) -> None:
        class Contended(DynamoTable):
            def update(self, request: Item) -> Item:
                raise ConditionFailed(len(request["Key"]))

        with pytest.raises(Unavailable, match="Contended"):
            StreamCounters(Contended("StreamsTable")).count("stream-1", kinesis.land(START))


class Failing(DynamoTable):
    """A table that fails while `broken`; with `written`, after it has written."""

    def __init__(self) -> None:
        super().__init__("StreamsTable")
        self.broken = self.written = False
        self.reads = 0

    def get(self, key: Item) -> Item | None:
        self.reads += 1
        return super().get(key)

    def update(self, request: Item) -> Item:
        if self.written:
            super().update(request)
        if self.broken:
            raise Unavailable("dynamodb", "InternalServerError")
        return super().update(request)


class TestOutage:
    @pytest.mark.parametrize("written", [False, True])
    def test_outage_counts_nothing_twice_or_never(
        self, table: DynamoTable, kinesis: Kinesis, *, written: bool
    ) -> None:
        failing, batch = Failing(), kinesis.land(*WHOLE)
        counters = StreamCounters(failing)
        counters.count("stream-1", batch[:3])
        failing.broken, failing.written = True, written
        with pytest.raises(Unavailable):
            counters.count("stream-1", batch[3:6])
        failing.broken = failing.written = False
        counters.count("stream-1", batch[3:6])
        counters.count("stream-1", batch[6:])
        assert counts(table) == WHOLE_COUNTS

    def test_outage_of_reads_loses_nothing(self, table: DynamoTable, kinesis: Kinesis) -> None:
        class Unreadable(DynamoTable):
            def get(self, key: Item) -> Item | None:
                raise Unavailable("dynamodb", str(key))

        batch = kinesis.land(*WHOLE)
        with pytest.raises(Unavailable):
            StreamCounters(Unreadable("StreamsTable")).count("stream-1", batch)
        assert count(table, batch) == WHOLE_COUNTS

    def test_batch_costs_one_write_and_only_the_first_a_read(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        watched = Failing()
        counters = StreamCounters(watched)
        for each in kinesis.land(*WHOLE):
            counters.count("stream-1", [each])
        assert watched.reads == 1
        assert counts(table) == WHOLE_COUNTS


class TestItem:
    def test_item_that_is_not_there_is_not_made(self, table: DynamoTable, kinesis: Kinesis) -> None:
        counters = StreamCounters(table)
        counters.count("another", kinesis.land(START))
        assert table.get(stream_key("another")) is None

    def test_item_that_expires_meanwhile_does_not_come_back(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        counters = StreamCounters(table)
        counters.count("stream-1", kinesis.land(START))
        table.delete(stream_key("stream-1"))
        counters.count("stream-1", kinesis.land(frame(2)))
        assert table.get(stream_key("stream-1")) is None

    def test_item_that_expires_before_the_first_write_does_not_come_back(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        slow = StreamCounters(Between(lambda: table.delete(stream_key("stream-1"))))
        slow.count("stream-1", kinesis.land(START))
        assert table.get(stream_key("stream-1")) is None

    def test_item_with_the_state_of_another_version_begins_anew(
        self, table: DynamoTable, kinesis: Kinesis, caplog: pytest.LogCaptureFixture
    ) -> None:
        before, after = kinesis.land(START, *frames(2, 3)), kinesis.land(*frames(4, 5), GONE)
        count(table, before)
        item = table.get(stream_key("stream-1"))
        assert item is not None
        table.put(item | {"counter_state": b"of another version"})

        assert count(table, before, after) == {
            "messages": 3,
            "frames": {"inbound": 2},
            "audio_bytes": 320,
        }
        assert "counters begin anew" in caplog.text

    def test_counters_remember_only_the_latest_streams(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        counters = StreamCounters(table)
        for number in range(3):
            table.put(stream_key(f"s{number}"))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("callstream.calls.counters._REMEMBERED_STREAMS", 2)
                counters.count(f"s{number}", kinesis.land(START))
        assert list(counters._states) == ["s1", "s2"]


def state_size(table: DynamoTable) -> int:
    item = table.get(stream_key("stream-1"))
    assert item is not None
    return len(bytes(item["counter_state"]))


class TestSize:
    """DynamoDB charges a write by the size of the item."""

    def test_state_of_a_usual_stream_is_small(self, table: DynamoTable, kinesis: Kinesis) -> None:
        numbers = list(range(2, 1002))
        random = Random(1)  # noqa: S311
        numbers = [n for n in numbers if random.random() > 0.02]
        numbers.sort(key=lambda n: n + random.uniform(0, 10))
        count(table, kinesis.land(START, *frames(*numbers)))
        assert state_size(table) < 4000

    def test_state_does_not_grow_with_the_messages(
        self, table: DynamoTable, kinesis: Kinesis
    ) -> None:
        huge = [Media(n, "inbound", n, n, bytes(100_000)) for n in range(3, 50)]
        count(table, kinesis.land(START, *huge, *[NONSENSE] * 50))
        assert state_size(table) < 4000

    def test_state_is_bounded_whatever_comes(self, table: DynamoTable, kinesis: Kinesis) -> None:
        random = Random(2)  # noqa: S311
        absurd: list[RecordEvent] = [
            frame(random.randrange(2**52), random.choice(["inbound", "outbound"]), size * 8)
            for size in random.choices(range(1, 12_000), k=400)
        ]
        # More gaps than are kept; then, all at once, more than may wait and than may be astray.
        gaps = kinesis.land(*frames(*range(3, 1000, 2)))
        kinesis.pause(2)
        waits = kinesis.land(*frames(*range(1000, 1400, 2)), *absurd)
        now = waits[0].arrived_at
        at_once = [Landed(each.record, each.position, now) for each in waits]
        count(table, gaps, at_once)
        assert 2000 < state_size(table) < 8000


class MemoryTable:
    """As much of a table as the counters use, fast enough for many examples."""

    def __init__(self) -> None:
        self.item: Item = {}

    def get(self, _key: Item) -> Item:
        return dict(self.item)

    def update(self, request: Item) -> Item:
        values = request["ExpressionAttributeValues"]
        if self.item.get("counted_to") != values.get(":before"):
            raise ConditionFailed
        names = request["ExpressionAttributeNames"].values()
        self.item |= {name: values[f":{name}"] for name in names}
        return self.item


def told(table: MemoryTable) -> dict[str, Any]:
    return {name: value for name, value in table.item.items() if name != "counter_state"}


@st.composite
def stories(draw: st.DrawFn) -> list[Landed]:
    """A stream as it may come to Kinesis: overtaken, lost, repeated, refused; numbered anew."""
    kinesis = Kinesis()
    random = Random(draw(st.integers(0, 2**32)))  # noqa: S311
    loss, repeat = draw(st.sampled_from([0, 0.1])), draw(st.sampled_from([0, 0.1]))
    shuffled = draw(st.integers(0, 20))
    landed = kinesis.land(START)
    for _ in range(draw(st.integers(1, 2))):
        events: list[RecordEvent] = list(frames(*range(2, draw(st.integers(150, 300)))))
        events = [event for event in events if random.random() >= loss]
        places = [place + random.uniform(0, shuffled) for place in range(len(events))]
        events = [events[index] for index in sorted(range(len(events)), key=places.__getitem__)]
        for event in events:
            landed += kinesis.land(event)
            if random.random() < repeat:
                landed += kinesis.land(event, received_at=landed[-1].record.received_at)
            if random.random() < 0.02:
                landed += kinesis.land(NONSENSE)
    gone = kinesis.land(GONE)[0].record
    records = [each.record for each in landed]
    # Some come after it, all within the window.
    records.insert(len(records) - random.randrange(25), gone)
    return [
        Landed(record, each.position, each.arrived_at)
        for record, each in zip(records, [*landed, *kinesis.land(GONE)], strict=False)
    ]


@given(stories(), st.data())
def test_counters_are_the_same_for_any_split_into_batches(
    story: list[Landed], data: st.DataObject
) -> None:
    whole, split = MemoryTable(), MemoryTable()
    StreamCounters(whole).count("stream-1", story)  # type: ignore[arg-type]

    counters, at = StreamCounters(split), 0  # type: ignore[arg-type]
    while at < len(story):
        size = data.draw(st.integers(1, 120), label="size")
        again = data.draw(st.integers(0, 60), label="records of before that come again")
        if data.draw(st.booleans(), label="cold start"):
            counters = StreamCounters(split)  # type: ignore[arg-type]
        counters.count("stream-1", story[max(0, at - again) : at + size])
        at += size

    assert told(split) == told(whole)


def test_the_stored_state_holds_nothing_private_and_is_small(
    table: DynamoTable, kinesis: Kinesis
) -> None:
    private = replace(
        START,
        parameters={"key": "s3cret"},
        from_number="+15550100",
        extra='{"new":"' + "x" * 90_000 + '"}',
    )
    # Number 1 is missing, so all of them wait.
    count(table, kinesis.land(*(replace(private, sequence=number) for number in range(3, 11))))
    item = table.get(stream_key("stream-1")) or {}
    state = zlib.decompress(item["counter_state"])

    assert b"s3cret" not in state
    assert b"15550100" not in state
    assert len(state) < 4000
