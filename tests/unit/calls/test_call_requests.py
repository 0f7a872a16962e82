"""Calls: their legs, several streams at once, and streams that continue others."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pydantic import TypeAdapter, ValidationError

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.audio.formats import PCMU_8K
from callstream.calls.call_requests import (
    CONNECTION_LIMIT,
    MOST_LEGS,
    MOST_STREAMS,
    call_key,
    session_key,
)
from callstream.calls.store import LIVE_INDEX, StreamStore
from callstream.calls.stream_requests import Started, stream_key
from callstream.dialects.events import Start
from callstream.errors import LimitReached
from callstream.identity import StreamIdentity, StreamToken
from callstream.ports import Item
from callstream.tenants.directory import Identifier
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RETENTION = timedelta(days=30)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))


@pytest.fixture
def store(table: DynamoTable) -> StreamStore:
    return StreamStore(table, RETENTION)


def connect(store: StreamStore, name: str, now: datetime = NOW) -> None:
    token = StreamToken("token", "acme", "genagent", "many", now + timedelta(minutes=5))
    store.open(StreamIdentity(name, "acme", "genagent"), token, f"connection-{name}", now)


def says(carrier_stream_id: str, **fields: Any) -> Started:
    given = {"call_id": "CA1", "tracks": ("inbound",), "session_id": None} | fields
    start = Start(
        sequence=1,
        carrier_stream_id=carrier_stream_id,
        account_id="AC1",
        format=PCMU_8K,
        **given,
    )
    return Started("twilio", start)


def begin(store: StreamStore, name: str, now: datetime = NOW, **fields: Any) -> None:
    """A stream that connects and starts; the carrier calls it `MZ-<name>` if not told otherwise."""
    carrier_stream_id = fields.pop("carrier_stream_id", f"MZ-{name}")
    connect(store, name, now)
    store.start(name, says(carrier_stream_id, **fields), now)


def item(table: DynamoTable, key: Item) -> Item:
    found = table.get(key)
    assert found is not None
    return found


def links(table: DynamoTable, *names: str) -> dict[str, tuple[str | None, str | None]]:
    """What each stream continues, and by what it is continued."""
    streams = {name: item(table, stream_key(name)) for name in names}
    return {
        name: (stream.get("continues"), stream.get("continued_by"))
        for name, stream in streams.items()
    }


class TestLegs:
    def test_legs_share_a_session_and_end_on_their_own(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "a", call_id="leg-a", session_id="session")
        begin(store, "b", call_id="leg-b", session_id="session")

        session = item(table, session_key("acme", "session"))
        assert session["calls"] == {"leg-a", "leg-b"}
        assert session["expires_at"] == int((NOW + RETENTION).timestamp())
        for leg, name in (("leg-a", "a"), ("leg-b", "b")):
            call = item(table, call_key("acme", leg))
            assert (call["session_id"], call["streams"]) == ("session", {name})
        assert links(table, "a", "b") == {"a": (None, None), "b": (None, None)}

        store.disconnect("a", NOW)
        assert item(table, call_key("acme", "leg-a"))["state"] == "ended"
        assert item(table, call_key("acme", "leg-b"))["state"] == "active"

    def test_call_has_no_session_if_its_carrier_has_none(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "a")

        assert "session_id" not in item(table, call_key("acme", "CA1"))
        assert not [each for each in table.scan() if each["sk"] == "SESSION"]

    def test_sessions_of_two_tenants_are_two_even_with_the_same_id(self) -> None:
        assert session_key("acme", "session") != session_key("other", "session")


class TestSeveralAtOnce:
    def test_streams_open_at_once_belong_to_one_call_and_continue_nothing(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        for name in ("a", "b", "c"):
            begin(store, name)

        call = item(table, call_key("acme", "CA1"))
        assert call["streams"] == call["open_streams"] == {"a", "b", "c"}
        assert links(table, "a", "b", "c") == dict.fromkeys("abc", (None, None))

        store.disconnect("b", NOW)
        call = item(table, call_key("acme", "CA1"))
        assert call["streams"] == {"a", "b", "c"}
        assert call["open_streams"] == {"a", "c"}


class TestContinuation:
    def test_stream_continues_a_stream_whose_connection_ended_without_a_stop(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "a")
        store.disconnect("a", NOW)
        begin(store, "b")

        assert links(table, "a", "b") == {"a": (None, "b"), "b": ("a", None)}

    def test_stream_does_not_continue_a_stream_that_the_carrier_stopped(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "a")
        store.stop("a", NOW)
        store.disconnect("a", NOW)
        begin(store, "b")

        assert links(table, "a", "b") == dict.fromkeys("ab", (None, None))

    @pytest.mark.parametrize(
        ("age", "expected"),
        [
            (CONNECTION_LIMIT, True),
            # The handshake begins a moment before we know of it.
            (CONNECTION_LIMIT - timedelta(seconds=2), True),
            (CONNECTION_LIMIT - timedelta(minutes=5), False),
        ],
    )
    def test_stream_continues_a_stream_so_old_that_its_connection_must_have_ended(
        self, store: StreamStore, table: DynamoTable, age: timedelta, *, expected: bool
    ) -> None:
        begin(store, "a", NOW - age)
        begin(store, "b")

        continued = {"a": (None, "b"), "b": ("a", None)}
        assert links(table, "a", "b") == (
            continued if expected else dict.fromkeys("ab", (None, None))
        )

    def test_stream_does_not_continue_a_stream_of_another_track(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "in")
        begin(store, "out", tracks=("outbound",))
        for name in ("in", "out"):
            store.disconnect(name, NOW)
        begin(store, "both", tracks=("inbound", "outbound"))
        begin(store, "out2", tracks=("outbound",))

        assert links(table, "in", "out", "both", "out2") == {
            "in": (None, None),
            "out": (None, "out2"),
            "both": (None, None),
            "out2": ("out", None),
        }

    def test_stream_does_not_continue_a_stream_of_another_call(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "a")
        store.disconnect("a", NOW)
        begin(store, "b", call_id="CA2", carrier_stream_id="MZ-a")

        assert links(table, "a", "b") == dict.fromkeys("ab", (None, None))

    def test_stream_continues_a_stream_with_the_same_id_of_the_carrier(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "a", carrier_stream_id="MZ", tracks=("inbound", "outbound"))
        begin(store, "b", carrier_stream_id="MZ")

        assert links(table, "a", "b") == {"a": (None, "b"), "b": ("a", None)}
        # Nobody closes the first one but its own disconnection, or the sweep.
        assert item(table, call_key("acme", "CA1"))["open_streams"] == {"a", "b"}

    def test_streams_continue_each_other_in_a_chain(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        for hours, name in enumerate("abc"):
            now = NOW + hours * CONNECTION_LIMIT
            begin(store, name, now)
            store.disconnect(name, now + CONNECTION_LIMIT)

        assert links(table, "a", "b", "c") == {
            "a": (None, "b"),
            "b": ("a", "c"),
            "c": ("b", None),
        }

    def test_stream_continues_the_latest_of_several_streams(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        for minutes, name in enumerate(("z", "a")):
            begin(store, name, NOW + timedelta(minutes=minutes))
        for name in ("z", "a"):
            store.disconnect(name, NOW)
        begin(store, "m", NOW + timedelta(minutes=5))
        begin(store, "n", NOW + timedelta(minutes=6))

        assert links(table, "m", "n") == {"m": ("a", None), "n": ("z", None)}

    def test_stream_continues_another_even_if_it_closed_before_its_start(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "a")
        store.disconnect("a", NOW)
        connect(store, "b")
        store.disconnect("b", NOW)
        store.start("b", says("MZ-b"), NOW)

        assert links(table, "a", "b") == {"a": (None, "b"), "b": ("a", None)}
        call = item(table, call_key("acme", "CA1"))
        assert (call["state"], call["streams"]) == ("ended", {"a", "b"})
        assert "open_streams" not in call

    def test_continuation_passes_over_a_stream_that_has_expired(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        """The item of the earlier stream is gone, and nothing is to be marked as continued."""
        begin(store, "a")
        table.delete(stream_key("a"))
        begin(store, "b", carrier_stream_id="MZ-a")

        assert links(table, "b") == {"b": (None, None)}


class Overtaken(DynamoTable):
    """A table on which something happens once, right before a transaction."""

    def __init__(self, between: Callable[[], None]) -> None:
        super().__init__("StreamsTable")
        self._between: Callable[[], None] | None = between

    def transact(self, operations: Sequence[Item]) -> None:
        if self._between is not None:
            between, self._between = self._between, None
            between()
        super().transact(operations)


class TestRaces:
    def test_start_reads_again_when_another_stream_of_the_call_starts(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        connect(store, "a")
        connect(store, "b")
        overtaken = Overtaken(lambda: store.start("a", says("MZ"), NOW))
        StreamStore(overtaken, RETENTION).start("b", says("MZ"), NOW)

        # Had it written what it first saw, neither would know of the other.
        assert links(table, "a", "b") == {"a": (None, "b"), "b": ("a", None)}
        assert item(table, call_key("acme", "CA1"))["open_streams"] == {"a", "b"}

    def test_only_one_stream_continues_a_stream(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "a")
        store.disconnect("a", NOW)
        connect(store, "b")
        connect(store, "c")
        overtaken = Overtaken(lambda: store.start("c", says("MZ-c"), NOW))
        StreamStore(overtaken, RETENTION).start("b", says("MZ-b"), NOW)

        assert links(table, "a", "b", "c") == {
            "a": (None, "c"),
            "b": (None, None),
            "c": ("a", None),
        }

    def test_call_stays_active_if_a_stream_joins_while_the_last_one_leaves(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "a")
        connect(store, "b")
        overtaken = Overtaken(lambda: store.start("b", says("MZ-b"), NOW))
        StreamStore(overtaken, RETENTION).disconnect("a", NOW)

        call = item(table, call_key("acme", "CA1"))
        assert (call["state"], call["open_streams"]) == ("active", {"b"})


class TestLive:
    def test_live_index_has_the_streams_that_are_not_closed(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        for name in ("a", "b", "c"):
            begin(store, name)
        connect(store, "d")
        store.stop("b", NOW)
        store.disconnect("c", NOW)

        assert [stream.stream_id for stream in store.live()] == ["a", "b", "d"]
        assert "live" not in item(table, stream_key("c"))

    def test_live_index_has_only_keys(self, store: StreamStore, table: DynamoTable) -> None:
        begin(store, "a", session_id="session")

        [found] = table.index(LIVE_INDEX, "live", "yes")
        assert found["pk"] == "STREAM#a"
        # Counting must cost no write to the index.
        assert found.keys() == {"pk", "sk", "live"}

    def test_live_leaves_out_closed_streams_that_a_stale_index_still_has(
        self, store: StreamStore, table: DynamoTable
    ) -> None:
        begin(store, "a")
        closed = item(table, stream_key("a")) | {"state": "closed"}
        table.put(closed)
        gone = stream_key("b") | {"live": "yes"}
        entries = [*table.index(LIVE_INDEX, "live", "yes"), gone]

        class Behind(DynamoTable):
            def index(
                self, name: str, key: str, value: str, *, after: Item | None = None
            ) -> Iterator[Item]:
                assert after is None
                assert (name, key, value) == (LIVE_INDEX, "live", "yes")
                return iter(entries)

        assert list(StreamStore(Behind("StreamsTable"), RETENTION).live()) == []


def had(table: DynamoTable, key: Item, name: str, count: int) -> None:
    """Let an item have so many ids in a set, and those that it has."""
    ids = {f"{name}-{number}" for number in range(count - len(item(table, key)[name]))}
    table.update(
        {
            "Key": key,
            "UpdateExpression": "ADD #name :ids",
            "ExpressionAttributeNames": {"#name": name},
            "ExpressionAttributeValues": {":ids": ids},
        }
    )


def test_call_has_no_more_streams_than_its_item_can_have(
    store: StreamStore, table: DynamoTable
) -> None:
    begin(store, "first")
    had(table, call_key("acme", "CA1"), "streams", MOST_STREAMS - 1)
    begin(store, "last")

    connect(store, "late")
    with pytest.raises(LimitReached, match="streams_of_call"):
        store.start("late", says("MZ-late"), NOW)
    assert len(item(table, call_key("acme", "CA1"))["streams"]) == MOST_STREAMS
    assert "started_at" not in item(table, stream_key("late"))
    # The connection ends as others do.
    store.disconnect("late", NOW)


def test_session_has_no_more_legs_than_its_item_can_have(
    store: StreamStore, table: DynamoTable
) -> None:
    begin(store, "first", session_id="S1")
    had(table, session_key("acme", "S1"), "calls", MOST_LEGS - 1)
    begin(store, "last", call_id="CA2", session_id="S1")

    connect(store, "late")
    with pytest.raises(LimitReached, match="legs_of_session"):
        store.start("late", says("MZ-late", call_id="CA3", session_id="S1"), NOW)
    assert table.get(call_key("acme", "CA3")) is None
    begin(store, "again", call_id="CA2", session_id="S1")
    assert len(item(table, session_key("acme", "S1"))["calls"]) == MOST_LEGS


@pytest.mark.parametrize("carriers_id", ["CA1", "#", "demo#CA1", "x#demo#CA1", "CA1#", "\x00#"])
def test_keys_of_two_tenants_differ_whatever_ids_their_carriers_give(carriers_id: str) -> None:
    # The tenant and the id can be read from the key, so that no other pair has the same key.
    for key in (call_key, session_key):
        assert key("acme", carriers_id)["pk"].split("#", 2)[1:] == ["acme", carriers_id]


def test_tenants_ids_lack_the_character_that_divides_keys() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Identifier).validate_python("acme#CA1")
