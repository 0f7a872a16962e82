"""The counts of tracks in the table, and what a failure does to them: nothing else."""

import logging
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.placement import PARTS, part_of
from callstream.calls.track_counts import TrackCounts, build_counts
from callstream.errors import Unavailable
from callstream.ports import Item
from tests.template import create_table

NONE = [0] * PARTS


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))


def test_track_counts_are_none_before_the_sweep_makes_them(table: DynamoTable) -> None:
    counts = TrackCounts(table)
    counts.add("stream-1", 1)

    assert counts.read() is None


def test_track_counts_add_and_give_back(table: DynamoTable) -> None:
    table.put(build_counts({5: 2}))
    counts, part = TrackCounts(table), part_of("stream-1")
    counts.add("stream-1", 2)
    assert counts.read() == [{5: 2, part: 2}.get(each, 0) for each in range(PARTS)]

    counts.add("stream-1", -2)
    assert counts.read() == [{5: 2}.get(each, 0) for each in range(PARTS)]
    assert counts.change({5: -2}) == NONE


def test_track_counts_change_many_parts_at_once(table: DynamoTable) -> None:
    table.put(build_counts({}))
    assert TrackCounts(table).change(dict.fromkeys(range(100), 1)) == [1] * 100 + [0] * 156


@pytest.mark.parametrize(
    ("error", "level"),
    [(Unavailable("dynamodb", "Down"), logging.WARNING), (RuntimeError("a defect"), logging.ERROR)],
)
def test_track_counts_never_raise_for_a_stream(
    caplog: pytest.LogCaptureFixture, error: Exception, level: int
) -> None:
    class Down:
        def get(self, *_: Item) -> Item | None:
            raise error

        def update(self, *_: Item) -> Item:
            raise error

    TrackCounts(Down()).add("stream-1", 1)

    [entry] = caplog.records
    assert entry.levelno == level
    assert entry.message.startswith("tracks not counted")
