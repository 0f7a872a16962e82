"""What Kinesis still has of some streams."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from callstream.adapters.aws.kinesis_backlog import KinesisBacklog
from callstream.adapters.aws.kinesis_reader import FrameStreamReader
from callstream.dialects.events import Connected
from callstream.errors import Throttled, UnreadableMessage
from callstream.frames.arrivals import Arrival
from callstream.frames.records import Record

NOW = round(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)


def arrival(stream_id: str, record: Record | UnreadableMessage | None = None) -> Arrival:
    made = Record(stream_id, "acme", "genagent", "twilio", NOW, Connected("Call", "1.0.0"))
    return Arrival(record or made, stream_id, "shard-0", NOW)


class Reader:
    """A reader that gives what it is given, part by part."""

    def __init__(self, *parts: list[Arrival] | Exception) -> None:
        self.parts = [*parts]

    def poll(self) -> list[Arrival]:
        part = self.parts.pop(0)
        if isinstance(part, Exception):
            raise part
        return part

    def has_covered(self, moment: float) -> bool:
        return not self.parts and moment < 10

    def seconds_until_due(self) -> float:
        return 0.25


def backlog(*opened: Any) -> KinesisBacklog:
    answers = [*opened]

    def open_reader() -> FrameStreamReader:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("FrameStreamReader", answer)

    return KinesisBacklog(open_reader, {"s1", "s3"}, lambda: 0.0)


def test_backlog_gives_the_records_of_its_streams_part_by_part() -> None:
    foreign = arrival("s1", UnreadableMessage("not_a_record", ""))
    read = backlog(Reader([arrival("s1"), arrival("s2"), foreign], [arrival("s3")]))

    assert [each.stream_id for each in read.read()] == ["s1"]
    assert not read.has_covered(5)
    assert read.seconds_until_due() == 0.25
    assert [each.stream_id for each in read.read()] == ["s3"]
    assert read.has_covered(5)
    assert not read.has_covered(15)


def test_backlog_comes_again_after_a_random_pause_if_kinesis_refuses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        pauses.append((low, high))
        return high

    monkeypatch.setattr("random.uniform", uniform)
    refused = Throttled("kinesis", "ProvisionedThroughputExceededException")
    # The opening of the reader is refused too.
    read = backlog(*[refused] * 4, Reader(refused, [arrival("s1")], refused, [arrival("s3")]))
    due = []
    found = []
    for _ in range(8):
        found += [each.stream_id for each in read.read()]
        assert found or not read.has_covered(5)
        due.append(read.seconds_until_due())

    assert found == ["s1", "s3"]
    assert pauses == [(0, 0.5), (0, 1), (0, 2), (0, 4), (0, 4), (0, 0.5)]
    assert due == [0.5, 1, 2, 4, 4, 4, 0.5, 0.5]
    assert len(caplog.messages) == 6
