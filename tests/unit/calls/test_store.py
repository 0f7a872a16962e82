"""The store of streams: their lives, as the Streams table enforces them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import boto3
import pytest
from moto import mock_aws
from msgspec.structs import replace

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K
from callstream.calls.call_requests import call_key
from callstream.calls.placement import part_of
from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import Started, stream_key
from callstream.calls.track_counts import TrackCounts, build_counts
from callstream.dialects.events import Start
from callstream.errors import (
    ConditionFailed,
    IllegalTransition,
    LimitReached,
    TokenRejected,
    Unavailable,
)
from callstream.identity import StreamIdentity, StreamToken
from callstream.ports import Item
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MILLISECONDS = int(NOW.timestamp() * 1000)
STREAM = StreamIdentity("stream-1", "acme", "genagent")
SECOND = StreamIdentity("stream-2", "acme", "genagent")
START = Started("twilio", Start(1, "MZ1", "CA1", "AC1", ("inbound",), PCMU_8K, {"lang": "en"}))


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))


@pytest.fixture
def store(table: DynamoTable) -> StreamStore:
    return StreamStore(table, timedelta(days=30))


def open_stream(store: StreamStore, identity: StreamIdentity = STREAM, use: Any = "many") -> None:
    token = StreamToken("token-1", "acme", "genagent", use, NOW + timedelta(minutes=5))
    store.open(identity, token, "connection-1", NOW)


def stream(table: DynamoTable, identity: StreamIdentity = STREAM) -> Item:
    item = table.get(stream_key(identity.stream_id))
    assert item is not None
    return item


def call(table: DynamoTable) -> Item:
    item = table.get(call_key("acme", "CA1"))
    assert item is not None
    return item


def test_stream_store_takes_a_stream_through_its_whole_life(
    store: StreamStore, table: DynamoTable
) -> None:
    open_stream(store)
    assert stream(table)["state"] == "connected"
    assert stream(table)["expires_at"] == int((NOW + timedelta(days=30)).timestamp())

    store.start("stream-1", START, NOW)
    assert stream(table)["state"] == "streaming"
    assert stream(table)["call_id"] == "CA1"
    assert stream(table)["encoding"] == "PCMU"
    assert call(table)["state"] == "active"
    assert call(table)["open_streams"] == {"stream-1"}

    store.stop("stream-1", NOW)
    assert stream(table)["state"] == "stopped"
    assert call(table)["state"] == "active"

    store.disconnect("stream-1", NOW)
    assert stream(table)["state"] == "closed"
    assert call(table)["state"] == "ended"
    assert "open_streams" not in call(table)
    assert stream(table)["closed_at"] == call(table)["ended_at"] == MILLISECONDS


@pytest.mark.parametrize("order", list(permutations(["start", "stop", "disconnect"])))
def test_stream_store_ends_alike_in_every_order_of_messages(
    store: StreamStore, table: DynamoTable, order: list[str]
) -> None:
    steps = {
        "start": lambda: store.start("stream-1", START, NOW),
        "stop": lambda: store.stop("stream-1", NOW),
        "disconnect": lambda: store.disconnect("stream-1", NOW),
    }
    open_stream(store)
    for name in order:
        steps[name]()

    assert stream(table)["state"] == "closed"
    assert {"started_at", "stopped_at", "closed_at", "call_id"} <= stream(table).keys()
    assert call(table)["state"] == "ended"
    assert "open_streams" not in call(table)


@pytest.mark.parametrize("before", [[], ["stop"], ["disconnect"]])
def test_start_changes_nothing_the_second_time(
    store: StreamStore, table: DynamoTable, before: list[str]
) -> None:
    open_stream(store)
    store.start("stream-1", START, NOW)
    for name in before:
        getattr(store, name)("stream-1", NOW)
    as_it_was = stream(table)

    with pytest.raises(IllegalTransition, match=as_it_was["state"]):
        store.start("stream-1", START, NOW)
    assert stream(table) == as_it_was


@pytest.mark.parametrize("name", ["stop", "disconnect"])
def test_stop_and_disconnect_are_refused_the_second_time(store: StreamStore, name: str) -> None:
    open_stream(store)
    getattr(store, name)("stream-1", NOW)

    with pytest.raises(IllegalTransition):
        getattr(store, name)("stream-1", NOW)


def test_stop_refuses_an_unknown_stream(store: StreamStore) -> None:
    with pytest.raises(IllegalTransition, match="absent"):
        store.stop("stream-1", NOW)


def test_call_is_active_as_long_as_any_of_its_streams_is_open(
    store: StreamStore, table: DynamoTable
) -> None:
    for identity in (STREAM, SECOND):
        open_stream(store, identity)
        store.start(identity.stream_id, START, NOW)
    store.disconnect("stream-1", NOW)
    assert call(table)["state"] == "active"
    assert call(table)["open_streams"] == {"stream-2"}

    store.disconnect("stream-2", NOW)
    assert call(table)["state"] == "ended"


def test_call_is_active_again_when_a_later_stream_starts(
    store: StreamStore, table: DynamoTable
) -> None:
    open_stream(store)
    store.start("stream-1", START, NOW)
    store.disconnect("stream-1", NOW)
    open_stream(store, SECOND)
    store.start("stream-2", START, NOW + timedelta(minutes=1))

    assert call(table)["state"] == "active"
    assert "ended_at" not in call(table)
    assert call(table)["started_at"] == MILLISECONDS


def test_stream_of_a_connection_is_found_while_the_stream_is_live(store: StreamStore) -> None:
    token = StreamToken("token-1", "acme", "genagent", "many", NOW + timedelta(minutes=5))
    store.open(STREAM, token, "connection-1", NOW)
    store.open(SECOND, token, "connection-2", NOW)

    found = store.of_connection("connection-2")
    assert found is not None
    assert found.stream_id == "stream-2"
    assert store.of_connection("connection-3") is None

    store.disconnect("stream-2", NOW)
    assert store.of_connection("connection-2") is None


def test_open_takes_a_one_shot_token_once(store: StreamStore, table: DynamoTable) -> None:
    open_stream(store, use="once")

    with pytest.raises(TokenRejected, match="used"):
        open_stream(store, SECOND, use="once")
    assert table.get(stream_key("stream-2")) is None


def test_open_takes_other_tokens_many_times(store: StreamStore, table: DynamoTable) -> None:
    open_stream(store)
    open_stream(store, SECOND)

    assert stream(table, SECOND)["state"] == "connected"


def test_open_refuses_a_stream_that_is_open(store: StreamStore, table: DynamoTable) -> None:
    open_stream(store)
    store.start("stream-1", START, NOW)

    with pytest.raises(TokenRejected, match="open"):
        open_stream(store)
    assert stream(table)["state"] == "streaming"


class Overtaken(DynamoTable):
    """A table on which another message of the stream comes between the first read and the write."""

    def __init__(self, name: str, between: Callable[[], None]) -> None:
        super().__init__(name)
        self._between: Callable[[], None] | None = between

    def get(self, key: Item) -> Item | None:
        item = super().get(key)
        if self._between is not None:
            between, self._between = self._between, None
            between()
        return item


def test_start_reads_again_when_another_message_comes_between(
    store: StreamStore, table: DynamoTable
) -> None:
    open_stream(store)
    overtaken = Overtaken("StreamsTable", lambda: store.disconnect("stream-1", NOW))
    StreamStore(overtaken, timedelta(days=30)).start("stream-1", START, NOW)

    # With what it read first, `start` would leave the stream streaming for ever.
    assert stream(table)["state"] == "closed"
    assert call(table)["state"] == "ended"
    assert "open_streams" not in call(table)


class Contended(DynamoTable):
    """A table on which another writer always comes between the read and the write."""

    def transact(self, operations: Sequence[Item]) -> None:
        raise ConditionFailed(len(operations) - 1)


def test_stop_gives_up_on_a_contended_table(store: StreamStore) -> None:
    open_stream(store)

    with pytest.raises(Unavailable, match="Contended"):
        StreamStore(Contended("StreamsTable"), timedelta(days=1)).stop("stream-1", NOW)


def tracks(table: DynamoTable, identity: StreamIdentity = STREAM) -> int:
    counts = TrackCounts(table).read()
    assert counts is not None
    return counts[part_of(identity.stream_id)]


@pytest.mark.parametrize(
    ("steps", "counted"),
    [
        # The authorizer has counted 1 for the handshake.
        (("start", "stop", "disconnect"), (2, 0, 0)),
        (("start", "disconnect"), (2, 0)),
        (("disconnect", "start"), (0, 0)),
        (("stop", "start", "disconnect"), (0, 0, 0)),
        (("stop", "disconnect", "start"), (0, 0, 0)),
    ],
)
def test_stream_store_counts_the_tracks_of_a_stream_until_it_stops(
    store: StreamStore, table: DynamoTable, steps: Sequence[str], counted: Sequence[int]
) -> None:
    both = Started("twilio", Start(1, "MZ1", "CA1", "AC1", ("inbound", "outbound"), PCMU_8K))
    table.put(build_counts({part_of("stream-1"): 1}))
    open_stream(store)
    assert tracks(table) == 1

    for step, expected in zip(steps, counted, strict=True):
        for _ in range(2):  # as messages and the sweep do, at times
            with suppress(IllegalTransition):
                if step == "start":
                    store.start("stream-1", both, NOW)
                else:
                    getattr(store, step)("stream-1", NOW)
        assert tracks(table) == expected


def test_stream_store_counts_a_track_for_a_start_message_that_names_none(
    store: StreamStore, table: DynamoTable
) -> None:
    table.put(build_counts({part_of("stream-1"): 1}))
    open_stream(store)
    store.start("stream-1", Started("telnyx", Start(1, "1", "v3:1", "", (), PCMU_8K)), NOW)
    assert tracks(table) == 1
    store.stop("stream-1", NOW)
    assert tracks(table) == 0


def test_stream_store_gives_back_what_was_counted_for_a_refused_stream(
    store: StreamStore, table: DynamoTable
) -> None:
    open_stream(store, use="once")
    table.put(build_counts({part_of("stream-1"): 1, part_of("stream-2"): 1}))
    token = StreamToken("token-1", "acme", "genagent", "once", NOW)
    with pytest.raises(TokenRejected, match="used"):
        store.open(SECOND, token, "connection-2", NOW)
    assert tracks(table, SECOND) == 0

    other = replace(token, token_id="token-2")
    with pytest.raises(LimitReached):
        store.open(SECOND, other, "connection-2", NOW, most=1)
    assert tracks(table, SECOND) == -1


def test_stream_store_keeps_the_count_of_a_stream_that_is_open(
    store: StreamStore, table: DynamoTable
) -> None:
    table.put(build_counts({part_of("stream-1"): 1}))
    open_stream(store)
    with pytest.raises(TokenRejected, match="open"):
        open_stream(store)

    assert tracks(table) == 1
