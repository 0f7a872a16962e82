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

    def __init__(self, *parts: list[Arrival]) -> None:
        self.parts = [*parts]

    def poll(self) -> list[Arrival]:
        return self.parts.pop(0)

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

    return KinesisBacklog(open_reader, {"s1", "s3"})


def test_backlog_gives_the_records_of_its_streams_part_by_part() -> None:
    foreign = arrival("s1", UnreadableMessage("not_a_record", ""))
    read = backlog(Reader([arrival("s1"), arrival("s2"), foreign], [arrival("s3")]))

    assert [each.stream_id for each in read.read()] == ["s1"]
    assert not read.has_covered(5)
    assert read.seconds_until_due() == 0.25
    assert [each.stream_id for each in read.read()] == ["s3"]
    assert read.has_covered(5)
    assert not read.has_covered(15)


def test_backlog_opens_its_reader_again_if_kinesis_refuses_that() -> None:
    read = backlog(Throttled("kinesis", "LimitExceededException"), Reader([arrival("s1")]))

    with pytest.raises(Throttled):
        read.read()
    assert not read.has_covered(5)
    assert read.seconds_until_due() == 0
    assert [each.stream_id for each in read.read()] == ["s1"]
