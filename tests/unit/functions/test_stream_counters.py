"""The counters' function: what one stream does to the others of its batch."""

import importlib.util
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from callstream.calls.counters import StreamCounters
from callstream.calls.stream_requests import stream_key
from callstream.dialects.events import Media
from callstream.errors import Unavailable
from callstream.frames import records
from callstream.frames.records import Record
from callstream.ports import Item
from tests import template


class Table:
    """A table that has every stream, and fails for some."""

    def __init__(self, **fails: Exception) -> None:
        self._fails = {stream_key(stream_id)["pk"]: error for stream_id, error in fails.items()}
        self.tried: list[str] = []

    def get(self, key: Item) -> Item:
        return dict(key)

    def update(self, request: Item) -> Item:
        pk = request["Key"]["pk"]
        self.tried.append(pk.removeprefix("STREAM#"))
        if pk in self._fails:
            raise self._fails[pk]
        return {}


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Callable[[Table, str], list[str]]:
    """What the function asks for again of a batch of records, each given by its stream."""
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "CALLSTREAM_STREAMS_TABLE": "streams",
    }.items():
        monkeypatch.setenv(name, value)
    path = template.ROOT / "functions" / "stream_counters" / "app.py"
    spec = importlib.util.spec_from_file_location("stream_counters", path)
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)

    def run(table: Table, streams: str) -> list[str]:
        monkeypatch.setattr(app, "_counters", StreamCounters(table))  # type: ignore[arg-type]
        entries = [entry(stream_id, place) for place, stream_id in enumerate(streams, start=1)]
        answer = app.handler({"Records": entries}, None)
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    return run


def entry(stream_id: str, place: int) -> dict[str, Any]:
    media = Media(place, "inbound", place, place * 20, b"\xff" * 160)
    record = Record(stream_id, "acme", "genagent", "twilio", place * 20, media)
    return {
        "kinesis": {
            "data": b64encode(records.encode(record)).decode(),
            "partitionKey": stream_id,
            "sequenceNumber": str(place),
            "approximateArrivalTimestamp": 1.0,
        }
    }


TOO_LARGE = ClientError(
    {"Error": {"Code": "ValidationException", "Message": "Item size has exceeded"}}, "UpdateItem"
)


@pytest.mark.parametrize("error", [TOO_LARGE, ValueError("a bug")])
def test_function_counts_other_streams_when_one_cannot_be_counted(
    handle: Callable[[Table, str], list[str]], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    table = Table(b=error)

    assert handle(table, "abcb") == []
    assert table.tried == ["a", "b", "c"]
    [logged] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert logged.__dict__["stream_id"] == "b"
    assert logged.exc_info is not None


def test_function_leaves_the_rest_of_the_batch_for_later_in_an_outage(
    handle: Callable[[Table, str], list[str]],
) -> None:
    """Each try takes seconds; were all of them made, the function would never come to answer."""
    table = Table(b=Unavailable("dynamodb", "InternalServerError"))

    assert handle(table, "aabcba") == ["3"]
    assert table.tried == ["a", "b"]
