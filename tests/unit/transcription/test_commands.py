"""Commands to transcribe calls."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.call_requests import call_key
from callstream.errors import CallEnded, NotFound
from callstream.transcription.commands import Transcriptions, transcription_key
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))


def put_call(table: DynamoTable, state: str) -> None:
    call = {"tenant_id": "acme", "call_id": "CA1", "state": state, "account_id": "AC1"}
    times = {"started_at": 0, "expires_at": 2_000_000_000}
    table.put(call_key("acme", "CA1") | call | times)


def test_transcription_may_be_requested_before_its_call(table: DynamoTable) -> None:
    made = Transcriptions(table).start("acme", "CA1", {"customer_id": "c"}, NOW)

    assert made.is_on
    assert made.settings == {"customer_id": "c"}
    assert made.stream_ids.keys() == {"customer", "agent"}
    item = table.get(transcription_key("acme", "CA1"))
    assert item is not None
    assert item["expires_at"] == int((NOW + timedelta(days=1)).timestamp())


def test_transcription_that_is_on_is_not_changed_by_another_start(table: DynamoTable) -> None:
    store = Transcriptions(table)
    made = store.start("acme", "CA1", {"customer_id": "c"}, NOW)

    assert store.start("acme", "CA1", {"customer_id": "other"}, LATER) == made


def test_transcription_keeps_its_streams_when_it_resumes(table: DynamoTable) -> None:
    store = Transcriptions(table)
    made = store.start("acme", "CA1", {}, NOW)
    stopped = store.stop("acme", "CA1", LATER)
    resumed = store.start("acme", "CA1", {"customer_id": "c"}, LATER)

    assert (stopped.is_on, stopped.seconds) == (False, 90)
    assert store.stop("acme", "CA1", LATER).stream_ids == made.stream_ids
    assert (resumed.is_on, resumed.seconds, resumed.stopped_at) == (True, 0, None)
    assert resumed.settings == {"customer_id": "c"}


def test_transcription_that_was_stopped_is_not_changed_by_another_stop(table: DynamoTable) -> None:
    store = Transcriptions(table)
    store.start("acme", "CA1", {}, NOW)
    stopped = store.stop("acme", "CA1", LATER)

    assert store.stop("acme", "CA1", LATER + timedelta(seconds=5)) == stopped


def test_call_that_was_never_transcribed_cannot_be_stopped(table: DynamoTable) -> None:
    with pytest.raises(NotFound):
        Transcriptions(table).stop("acme", "CA1", NOW)


def test_transcription_starts_on_an_active_call_and_not_on_an_ended_one(table: DynamoTable) -> None:
    put_call(table, "active")
    assert Transcriptions(table).start("acme", "CA1", {}, NOW).is_on

    put_call(table, "ended")
    with pytest.raises(CallEnded):
        Transcriptions(table).start("acme", "CA1", {}, NOW)
