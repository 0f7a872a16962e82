"""The lines of calls' transcripts in the Streams table."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.call_requests import call_key
from callstream.dialects.events import Track
from callstream.errors import UnreadableItem
from callstream.frames.records import Transcript, Word
from callstream.transcription.transcripts import KeptLine, TranscriptStore
from tests.template import create_table


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))


def kept(number: int, track: Track = "inbound", text: str = "Hello.") -> KeptLine:
    words = (Word("Hello", 100, 350, after=".", confidence=0.987),)
    line = Transcript("relay-1", number, track, 100, 350, "en-US", text, words, "Hello")
    return KeptLine("stream-1", line)


def test_kept_lines_come_back_whole_in_the_order_of_their_numbers(table: DynamoTable) -> None:
    store = TranscriptStore(table)
    lines = [kept(number) for number in (1, 9, 10, 99, 100, 12345)]
    for line in reversed(lines):
        assert store.keep("acme", "CA1", line, 2_000_000_000)
    store.keep("acme", "CA1", kept(7, "outbound"), 2_000_000_000)
    store.keep("acme", "CA12", kept(8), 2_000_000_000)
    store.keep("other", "CA1", kept(8), 2_000_000_000)

    assert store.lines("acme", "CA1", "inbound") == lines
    assert store.lines("acme", "CA1", "inbound", after=10) == lines[3:]
    assert store.lines("acme", "CA1", "inbound", after=12345) == []
    assert store.lines("acme", "CA1", "outbound") == [kept(7, "outbound")]


def test_kept_line_is_never_changed(table: DynamoTable) -> None:
    store = TranscriptStore(table)
    assert store.keep("acme", "CA1", kept(1), 2_000_000_000)

    assert not store.keep("acme", "CA1", kept(1, text="Something else."), 2_100_000_000)

    assert store.lines("acme", "CA1", "inbound") == [kept(1)]
    [item] = table.scan()
    assert (item["sk"], item["expires_at"]) == ("LINE#inbound#00000001", 2_000_000_000)


def test_last_line_is_that_of_the_highest_number_of_its_track(table: DynamoTable) -> None:
    store = TranscriptStore(table)
    assert store.last("acme", "CA1", "inbound") is None

    for number in (9, 10, 2):
        store.keep("acme", "CA1", kept(number), 2_000_000_000)
    store.keep("acme", "CA1", kept(11, "outbound"), 2_000_000_000)

    assert store.last("acme", "CA1", "inbound") == kept(10)
    assert store.last("acme", "CA1", "outbound") == kept(11, "outbound")


def test_line_of_another_version_is_refused_without_its_text(table: DynamoTable) -> None:
    key = call_key("acme", "CA1") | {"sk": "LINE#inbound#00000001"}
    table.put(key | {"line": '{"stream_id": "s", "line": {"text": "secret"}}'})

    with pytest.raises(UnreadableItem, match="KeptLine") as raised:
        TranscriptStore(table).lines("acme", "CA1", "inbound")

    assert "secret" not in str(raised.value)
