"""Streams and calls as classes: they have every attribute that their items can have."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import msgspec
import pytest
from moto import mock_aws
from msgspec.structs import fields

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.calls.call_requests import call_key
from callstream.calls.counters import Landed, StreamCounters
from callstream.calls.lifecycle import CallState, StreamState
from callstream.calls.model import Call, MediaStream, StartedStream, media_stream
from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import Started, stream_key
from callstream.dialects.events import Media, Start
from callstream.errors import UnreadableItem
from callstream.frames.records import Record
from callstream.identity import StreamIdentity, StreamToken
from callstream.ports import Item
from callstream.relays.model import CallCommand
from callstream.relays.store import RelayStore
from callstream.times import milliseconds
from tests.relays import make_relay
from tests.template import create_table
from tests.unit.items import active_call, connected_stream, started_stream

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRIVATE: Item = {
    "attributes": {"customer": "Jane"},
    "from_number": "+13125550100",
    "to_number": "+13125550101",
}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))


def start(store: StreamStore, name: str) -> None:
    """A stream that connects and starts, with all that a carrier can say."""
    token = StreamToken("token", "acme", "genagent", "many", NOW, attributes={"customer": "Jane"})
    store.open(StreamIdentity(name, "acme", "genagent"), token, f"connection-{name}", NOW)
    start = Start(
        sequence=1,
        carrier_stream_id="MZ",
        call_id="CA1",
        account_id="AC1",
        tracks=("inbound", "outbound"),
        format=PCMU_8K,
        session_id="session",
        from_number="+13125550100",
        to_number="+13125550101",
    )
    store.start(name, Started("telnyx", start), NOW)


def live_through_everything(table: DynamoTable) -> None:
    """Two streams, the second of which continues the first, with all that can happen to them."""
    store = StreamStore(table, timedelta(days=30))
    start(store, "first")
    start(store, "second")
    media = Media(1, "inbound", 1, 0, b"\xff" * 160)
    record = Record("first", "acme", "genagent", "telnyx", milliseconds(NOW), media)
    StreamCounters(table).count(
        "first", [Landed(record, "49590338271490256608559692538361571095", 0.0)]
    )
    command = CallCommand("acme", "CA1", NOW, client_state="c3RhdGU=")
    RelayStore(table).start(make_relay(), command)
    for name in ("first", "second"):
        store.record_keep_alive(name, NOW)
        store.stop(name, NOW)
        store.disconnect(name, NOW)


def attributes(kind: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in fields(kind)}


def test_media_stream_has_every_attribute_that_anything_writes(table: DynamoTable) -> None:
    live_through_everything(table)
    first, second = (table.get(stream_key(name)) or {} for name in ("first", "second"))

    written = (first.keys() | second.keys()) - {"pk", "sk"}
    # A closed stream is not in the index.
    assert written == attributes(MediaStream) - {"live"} == attributes(StartedStream) - {"live"}


def test_media_stream_reads_what_the_table_has(table: DynamoTable) -> None:
    live_through_everything(table)
    stream = media_stream(table.get(stream_key("first")) or {})

    assert isinstance(stream, StartedStream)
    assert (stream.state, stream.route, stream.dialect) == ("closed", "genagent", "telnyx")
    assert (stream.tracks, stream.continued_by) == (("inbound", "outbound"), "second")
    assert stream.connected_at == stream.started_at == stream.closed_at == milliseconds(NOW)
    assert (stream.frames, stream.audio_bytes) == ({"inbound": 1}, 160)
    assert isinstance(stream.counter_state, bytes)


def test_call_has_every_attribute_that_anything_writes(table: DynamoTable) -> None:
    live_through_everything(table)
    item = table.get(call_key("acme", "CA1")) or {}

    # DynamoDB has no empty sets.
    assert item.keys() - {"pk", "sk"} == attributes(Call) - {"open_streams"}
    call = Call.from_item(item)
    assert (call.state, call.is_active) == (CallState.ENDED, False)
    assert (set(call.streams), set(call.open_streams)) == ({"first", "second"}, set())
    assert (call.client_state, call.ended_at) == ("c3RhdGU=", milliseconds(NOW))


def test_an_item_with_an_attribute_of_a_newer_version_is_read() -> None:
    assert started_stream(of_a_newer_version=1) == started_stream()
    assert active_call(of_a_newer_version=1) == active_call()


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"state": "asleep"}, "a MediaStream that is stored: state: Invalid enum value 'asleep'"),
        ({"connected_at": "noon"}, "a MediaStream that is stored: connected_at: Expected `int`"),
    ],
)
def test_an_item_that_cannot_be_read_is_refused(changes: Item, detail: str) -> None:
    with pytest.raises(UnreadableItem, match=detail):
        connected_stream(**changes)


def test_started_stream_is_refused_without_what_its_start_says() -> None:
    with pytest.raises(
        UnreadableItem, match="a StartedStream that is stored: dialect: Expected `str`"
    ):
        StartedStream.from_item(msgspec.to_builtins(connected_stream()))


def test_media_stream_is_a_started_stream_only_once_it_has_started() -> None:
    connected = msgspec.to_builtins(connected_stream())
    del connected["started_at"]

    assert type(media_stream(connected)) is MediaStream
    assert type(media_stream(msgspec.to_builtins(started_stream()))) is StartedStream


def test_streams_and_calls_do_not_show_what_is_private() -> None:
    assert repr(started_stream(**PRIVATE)) == "StartedStream('s1', streaming)"
    assert repr(active_call(client_state="Jane")) == "Call('CA1', active)"


def test_started_stream_says_the_format_of_its_audio() -> None:
    stream = started_stream(encoding="L16", sample_rate=16000, channels=2)
    assert stream.format == AudioFormat("L16", 16000, 2)


@pytest.mark.parametrize("state", StreamState)
def test_media_stream_is_open_until_it_is_closed(state: StreamState) -> None:
    assert connected_stream(state=state).is_open is (state is not StreamState.CLOSED)


def test_media_stream_was_seen_when_it_connected_or_when_its_last_message_came() -> None:
    assert connected_stream(connected_at=5).seen_at == 5
    assert connected_stream(connected_at=5, last_seen_at=7).seen_at == 7
    # The clocks of API Gateway and of the function are not the same.
    assert connected_stream(connected_at=5, last_seen_at=3).seen_at == 5
