"""Commands on calls, and the relays that they make, in the Streams table."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, local
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.call_requests import call_key
from callstream.calls.lifecycle import RelayEvent, RelayState
from callstream.dialogues.model import DialogueSettings
from callstream.errors import (
    CallEnded,
    CallFull,
    ConditionFailed,
    LimitReached,
    TooLarge,
    Unavailable,
    UnknownCall,
)
from callstream.ports import Item
from callstream.relays.model import CallCommand, NameTaken, NoSuchRelay, Relay
from callstream.relays.requests import build_transition
from callstream.relays.store import RelayStore
from callstream.tenants.directory import SURFACES
from callstream.tenants.running_limits import Kind, RunningLimits, usage
from tests.relays import make_relay
from tests.tables import AtomicTable
from tests.template import create_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MILLISECONDS = int(NOW.timestamp() * 1000)
EXPIRES_AT = 1_797_854_400
MANY = RunningLimits(active_relays_of_call=None)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        table = DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))
        for tenant_id in ("acme", "other"):
            put_call(table, tenant_id, "call-1")
        put_call(table, "other", "call-of-other")
        yield table


@pytest.fixture
def store(table: DynamoTable) -> RelayStore:
    return RelayStore(table)


def put_call(table: DynamoTable, tenant_id: str, call_id: str) -> None:
    call = {"tenant_id": tenant_id, "call_id": call_id, "state": "active", "started_at": 0}
    table.put(call_key(tenant_id, call_id) | call | {"expires_at": EXPIRES_AT})


def end(table: DynamoTable) -> None:
    table.put(call(table) | {"state": "ended"})


DIALOGUE: dict[str, Any] = {
    "dialect": None,
    "url": None,
    "dialogue": DialogueSettings(connection_id="app-1"),
}


def call(table: DynamoTable, tenant_id: str = "acme") -> Item:
    item = table.get(call_key(tenant_id, "call-1"))
    assert item is not None
    return item


def command(**fields: Any) -> CallCommand:
    defaults: dict[str, Any] = {"tenant_id": "acme", "call_id": "call-1", "now": NOW}
    return CallCommand(**(defaults | fields))


def relay(relay_id: str = "relay-1", **fields: Any) -> Relay:
    defaults: dict[str, Any] = {
        "call_id": "call-1",
        "created_at": MILLISECONDS,
        "updated_at": MILLISECONDS,
    }
    return make_relay(relay_id, **(defaults | fields))


def states(store: RelayStore, call_id: str = "call-1") -> dict[str, str]:
    return {each.relay_id: str(each.state) for each in store.relays("acme", call_id)}


def advance(table: DynamoTable, store: RelayStore, relay_id: str, event: RelayEvent) -> None:
    [found] = [each for each in store.relays("acme", "call-1") if each.relay_id == relay_id]
    table.transact(build_transition(found, event, NOW))


def test_relay_is_stored_as_long_as_its_call(table: DynamoTable, store: RelayStore) -> None:
    made = relay(
        handshake_headers={"Authorization": "Bearer secret"},
        parameters={"a": "b"},
        return_audio={"encoding": "L16", "sample_rate": 16_000},
        name="main",
    )

    assert store.start(made, command())
    assert store.relays("acme", "call-1") == [made]
    item = table.get(call_key("acme", "call-1") | {"sk": "RELAY#relay-1"})
    assert item is not None
    assert item["state"] == "requested"
    assert item["expires_at"] == EXPIRES_AT


def test_repr_of_a_relay_shows_no_secrets() -> None:
    made = relay(
        handshake_headers={"Authorization": "Bearer secret"},
        parameters={"token": "secret"},
        url="wss://x/?k=secret",
    )

    assert "secret" not in repr(made)


def test_call_has_any_number_of_relays(store: RelayStore) -> None:
    for number in range(3):
        store.start(relay(f"relay-{number}"), command())

    assert set(states(store).values()) == {"requested"}
    assert len(states(store)) == 3


@pytest.mark.parametrize("call_id", ["call-2", "call-of-other", "call-1#x", "\x00"])
def test_call_of_another_tenant_is_unknown(store: RelayStore, call_id: str) -> None:
    with pytest.raises(UnknownCall):
        store.start(relay(call_id=call_id), command(call_id=call_id))
    for ended_ok in (False, True):
        with pytest.raises(UnknownCall):
            store.stop(command(call_id=call_id), "telnyx", ended_ok=ended_ok)
    assert store.relays("other", "call-of-other") == []


def test_ended_call_takes_no_commands(table: DynamoTable, store: RelayStore) -> None:
    store.start(relay(), command())
    end(table)

    with pytest.raises(CallEnded):
        store.start(relay("relay-2"), command(client_state="bGF0ZQ=="))
    with pytest.raises(CallEnded):
        store.stop(command(client_state="bGF0ZQ=="), "telnyx", ended_ok=True)
    assert states(store) == {"relay-1": "requested"}
    assert "client_state" not in call(table)


def test_client_state_is_the_latest_one(table: DynamoTable, store: RelayStore) -> None:
    store.start(relay("relay-1"), command(client_state="Zmlyc3Q="))
    assert call(table)["client_state"] == "Zmlyc3Q="

    store.start(relay("relay-2"), command())
    assert call(table)["client_state"] == "Zmlyc3Q="

    store.stop(command(client_state="bGFzdA=="), "telnyx")
    assert call(table)["client_state"] == "bGFzdA=="
    assert "client_state" not in call(table, "other")


def test_repeated_command_has_no_second_effect(table: DynamoTable, store: RelayStore) -> None:
    assert store.start(relay("relay-1"), command(command_id="c1", client_state="Zmlyc3Q="))

    assert not store.start(relay("relay-2"), command(command_id="c1", client_state="c2Vjb25k"))
    assert store.stop(command(command_id="c1"), "telnyx") == []
    assert states(store) == {"relay-1": "requested"}
    assert call(table)["client_state"] == "Zmlyc3Q="


def test_command_id_is_remembered_for_60_seconds(store: RelayStore) -> None:
    store.start(relay("relay-1"), command(command_id="c1"))
    just_before = NOW + timedelta(seconds=60, milliseconds=-1)
    after = NOW + timedelta(seconds=60)

    assert not store.start(relay("relay-2"), command(command_id="c1", now=just_before))
    assert store.start(relay("relay-3"), command(command_id="c1", now=after))
    # That was a new command, which has 60 seconds of its own.
    again = after + timedelta(seconds=60, milliseconds=-1)
    assert not store.start(relay("relay-4"), command(command_id="c1", now=again))
    assert set(states(store)) == {"relay-1", "relay-3"}


def test_command_that_failed_may_be_repeated(table: DynamoTable, store: RelayStore) -> None:
    table.delete(call_key("acme", "call-1"))
    with pytest.raises(UnknownCall):
        store.start(relay(), command(command_id="c1"))
    put_call(table, "acme", "call-1")

    assert store.start(relay(), command(command_id="c1"))


def test_command_id_counts_for_its_own_call_only(table: DynamoTable, store: RelayStore) -> None:
    put_call(table, "acme", "call-2")
    store.start(relay(), command(command_id="c1"))

    assert store.start(relay(call_id="call-2"), command(call_id="call-2", command_id="c1"))
    assert store.start(relay(tenant_id="other"), command(tenant_id="other", command_id="c1"))


def test_repeated_command_is_recognised_after_the_calls_end(
    table: DynamoTable, store: RelayStore
) -> None:
    store.start(relay(), command(command_id="c1"))
    end(table)

    assert not store.start(relay("relay-2"), command(command_id="c1"))


def test_name_is_unique_among_the_active_relays_of_a_call(
    table: DynamoTable, store: RelayStore
) -> None:
    put_call(table, "acme", "call-2")
    store.start(relay("relay-1", name="main"), command())

    with pytest.raises(NameTaken):
        store.start(relay("relay-2", name="main"), command())
    assert store.start(relay("relay-3", call_id="call-2", name="main"), command(call_id="call-2"))
    assert store.start(relay("relay-4", name="Main"), command())

    [stopped] = store.stop(command(), "telnyx", relay="main")
    assert (stopped.relay_id, stopped.state) == ("relay-1", RelayState.STOPPED)
    assert store.start(relay("relay-5", name="main"), command())


def test_repeated_command_does_not_conflict_with_its_own_name(store: RelayStore) -> None:
    store.start(relay("relay-1", name="main"), command(command_id="c1"))

    assert not store.start(relay("relay-2", name="main"), command(command_id="c1"))


def test_failed_relay_gives_up_its_name(table: DynamoTable, store: RelayStore) -> None:
    store.start(relay("relay-1", name="main"), command())
    advance(table, store, "relay-1", RelayEvent.CONNECT)
    with pytest.raises(NameTaken):
        store.start(relay("relay-2", name="main"), command())
    advance(table, store, "relay-1", RelayEvent.FAIL)

    assert store.start(relay("relay-2", name="main"), command())


def test_stop_ends_one_or_all_relays_of_a_surface(table: DynamoTable, store: RelayStore) -> None:
    for number in range(4):
        store.start(relay(f"relay-{number}"), command())
    store.start(relay("of-signalwire", surface="signalwire"), command())
    advance(table, store, "relay-2", RelayEvent.CONNECT)
    advance(table, store, "relay-3", RelayEvent.FAIL)
    later = NOW + timedelta(seconds=1)

    [one] = store.stop(command(now=later), "telnyx", relay="relay-1")
    assert one == relay("relay-1", state="stopped", updated_at=MILLISECONDS + 1000)
    assert one in store.relays("acme", "call-1")

    rest = store.stop(command(), "telnyx")
    assert {each.relay_id for each in rest} == {"relay-0", "relay-2"}
    assert states(store) == {
        "relay-0": "stopped",
        "relay-1": "stopped",
        "relay-2": "stopped",
        "relay-3": "failed",
        "of-signalwire": "requested",
    }


def test_stop_ends_more_relays_than_a_transaction_holds(
    table: DynamoTable, store: RelayStore
) -> None:
    # Each transaction of a stop takes 48. The mock gets slow with the square of their number.
    for first in (0, 34, 68):
        numbers = range(first, first + 34)
        store.start_together(
            [relay(f"relay-{n}", name=f"name-{n}") for n in numbers], command(limits=MANY)
        )

    stopped = store.stop(command(command_id="c1", client_state="QQ=="), "telnyx")

    assert {each.relay_id for each in stopped} == set(states(store))
    assert len(stopped) == 102
    assert set(states(store).values()) == {"stopped"}
    claims = table.query(call_key("acme", "call-1")["pk"], "NAME#")
    assert len(claims) == 102
    assert not any("relay_id" in claim for claim in claims)
    assert call(table)["client_state"] == "QQ=="
    assert store.stop(command(command_id="c1"), "telnyx") == []


def test_stop_without_an_active_relay_is_refused(table: DynamoTable, store: RelayStore) -> None:
    with pytest.raises(NoSuchRelay):
        store.stop(command(client_state="QQ=="), "telnyx")
    store.start(relay("of-signalwire", surface="signalwire", name="main"), command())
    store.start(relay(), command())
    store.stop(command(), "telnyx", relay="relay-1")
    for stop in (None, "relay-1", "relay-2", "of-signalwire", "main", ""):
        with pytest.raises(NoSuchRelay):
            store.stop(command(client_state="QQ=="), "telnyx", relay=stop)

    assert "client_state" not in call(table)


def test_stop_of_an_ended_relay_may_be_allowed(table: DynamoTable, store: RelayStore) -> None:
    assert store.stop(command(client_state="QQ=="), "telnyx", ended_ok=True) == []
    assert call(table)["client_state"] == "QQ=="

    store.start(relay(), command())
    store.stop(command(), "telnyx")
    assert store.stop(command(), "telnyx", relay="relay-1", ended_ok=True) == []
    for unknown in ("relay-2", ""):
        with pytest.raises(NoSuchRelay):
            store.stop(command(), "telnyx", relay=unknown, ended_ok=True)


def at_once[T](count: int, work: Callable[[int], T]) -> list[T]:
    """Do it in that many threads, from the same moment on."""
    barrier = Barrier(count)

    def run(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


class AllAtOnce(AtomicTable):
    """Lets the first transaction go only when each of so many threads has decided on its own."""

    def __init__(self, count: int) -> None:
        super().__init__("StreamsTable")
        self._barrier = Barrier(count, timeout=60)
        self._thread = local()

    def transact(self, operations: Sequence[Item]) -> None:
        if not hasattr(self._thread, "has_met"):
            self._thread.has_met = True
            self._barrier.wait()
        super().transact(operations)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("name", [None, "main"])
def test_start_takes_effect_once_for_many_equal_commands_at_once(name: str | None) -> None:
    store = RelayStore(AllAtOnce(16))

    started = at_once(
        16,
        lambda number: store.start(
            relay(f"relay-{number}", name=name),
            command(command_id="c1", client_state=f"{number:04}"),
        ),
    )

    assert Counter(started) == {True: 1, False: 15}
    [made] = store.relays("acme", "call-1")
    assert started[int(made.relay_id.removeprefix("relay-"))]
    assert call(AtomicTable("StreamsTable"))["client_state"] == f"{made.relay_id[6:]:>04}"


@pytest.mark.usefixtures("table")
def test_start_gives_a_name_to_one_of_many_relays_at_once() -> None:
    store = RelayStore(AllAtOnce(8))

    def start(number: int) -> bool:
        try:
            return store.start(relay(f"relay-{number}", name="main"), command())
        except NameTaken:
            return False

    assert Counter(at_once(8, start)) == {True: 1, False: 7}
    assert len(states(store)) == 1


@pytest.mark.usefixtures("table")
def test_stop_ends_each_relay_once_for_many_commands_at_once() -> None:
    for number in range(3):
        RelayStore(AtomicTable("StreamsTable")).start(relay(f"relay-{number}"), command())
    store = RelayStore(AllAtOnce(8))

    stopped = at_once(8, lambda _: store.stop(command(command_id="c1"), "telnyx", ended_ok=True))

    assert Counter(len(relays) for relays in stopped) == {3: 1, 0: 7}


class Meddled(DynamoTable):
    """Something else happens between the look and the write, the first time."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        super().__init__("StreamsTable")
        self._meddle = [meddle]

    def transact(self, operations: Sequence[Item]) -> None:
        if self._meddle:
            self._meddle.pop()()
        super().transact(operations)


def test_commands_are_refused_if_the_call_ends_meanwhile(table: DynamoTable) -> None:
    with pytest.raises(CallEnded):
        RelayStore(Meddled(lambda: end(table))).start(relay(), command(command_id="c1"))

    put_call(table, "acme", "call-1")
    store = RelayStore(table)
    assert states(store) == {}
    assert store.start(relay(), command(command_id="c1"))
    with pytest.raises(CallEnded):
        RelayStore(Meddled(lambda: end(table))).stop(command(), "telnyx")
    assert states(store) == {"relay-1": "requested"}


@pytest.mark.parametrize(
    ("event", "stopped", "state"),
    [(RelayEvent.CONNECT, 1, "stopped"), (RelayEvent.FAIL, 0, "failed")],
)
def test_stop_looks_again_if_the_relay_changes_meanwhile(
    table: DynamoTable, store: RelayStore, event: RelayEvent, stopped: int, state: str
) -> None:
    store.start(relay(), command())
    meddled = RelayStore(Meddled(lambda: advance(table, store, "relay-1", event)))

    assert len(meddled.stop(command(command_id="c1"), "telnyx", ended_ok=True)) == stopped
    assert states(store) == {"relay-1": state}


def test_stop_that_broke_off_is_completed_by_its_repetition(
    table: DynamoTable, store: RelayStore
) -> None:
    store.start_together([relay(f"relay-{number}") for number in range(60)], command(limits=MANY))
    broken = RelayStore(BreaksOff(after=1))
    with pytest.raises(Unavailable):
        broken.stop(command(command_id="c1"), "telnyx")
    assert Counter(states(store).values()) == {"stopped": 48, "requested": 12}

    assert len(store.stop(command(command_id="c1"), "telnyx")) == 12
    assert set(states(store).values()) == {"stopped"}
    assert table.get(call_key("acme", "call-1") | {"sk": "COMMAND#c1"}) is not None


class BreaksOff(DynamoTable):
    """DynamoDB goes away after so many transactions."""

    def __init__(self, after: int) -> None:
        super().__init__("StreamsTable")
        self._left = after

    def transact(self, operations: Sequence[Item]) -> None:
        if self._left == 0:
            raise Unavailable("dynamodb", "down")
        self._left -= 1
        super().transact(operations)


class Contended(DynamoTable):
    """Every write meets another."""

    def transact(self, _operations: Sequence[Item]) -> None:
        raise ConditionFailed


@pytest.mark.usefixtures("table")
def test_commands_give_up_after_some_contention() -> None:
    store = RelayStore(Contended("StreamsTable"))

    with pytest.raises(Unavailable, match="Contended"):
        store.start(relay(), command(command_id="c1"))
    with pytest.raises(Unavailable, match="Contended"):
        store.stop(command(command_id="c1"), "telnyx", ended_ok=True)


def test_start_once_makes_no_second_relay_of_the_same_spec(
    store: RelayStore, table: DynamoTable
) -> None:
    assert store.start(relay(), command(), once=True)
    assert not store.start(relay("relay-2"), command(), once=True)
    assert store.start(relay("relay-3", url="wss://other.example.com/"), command(), once=True)
    assert store.start(relay("relay-4"), command(command_id="c"), once=True)
    advance(table, store, "relay-1", RelayEvent.STOP)
    advance(table, store, "relay-4", RelayEvent.FAIL)
    assert store.start(relay("relay-5"), command(), once=True)

    end(table)
    with pytest.raises(CallEnded):
        store.start(relay("relay-6"), command(), once=True)


def test_relays_of_one_command_are_made_together_or_not_at_all(store: RelayStore) -> None:
    fork, dialogue = relay("fork", name="main"), relay("dialogue", sink="dialogflow", **DIALOGUE)

    assert store.start_together([fork, dialogue], command(command_id="c")) == [fork, dialogue]
    assert store.start_together([fork, dialogue], command(command_id="c")) == []
    assert states(store) == {"fork": "requested", "dialogue": "requested"}

    taken = relay("taken", name="main")
    with pytest.raises(NameTaken):
        store.start_together([relay("free"), taken], command())
    assert len(states(store)) == 2
    assert [each.relay_id for each in store.stop(command(), "telnyx")] == ["dialogue", "fork"]


def test_repeated_command_makes_those_relays_anew_that_have_ended(
    store: RelayStore, table: DynamoTable
) -> None:
    def ask(suffix: str) -> list[str]:
        fork = relay(f"fork-{suffix}")
        dialogue = relay(f"dialogue-{suffix}", sink="dialogflow", **DIALOGUE)
        made = store.start_together([fork, dialogue], command(), once=True)
        return [each.relay_id for each in made]

    assert ask("1") == ["fork-1", "dialogue-1"]
    assert ask("2") == []
    advance(table, store, "dialogue-1", RelayEvent.FAIL)
    assert ask("3") == ["dialogue-3"]


def test_close_stops_a_relay_of_an_ended_call(store: RelayStore, table: DynamoTable) -> None:
    store.start(relay(name="main"), command())
    end(table)

    [closed] = store.close(command(), "telnyx", relay="main")
    assert closed.state == RelayState.STOPPED
    assert states(store) == {"relay-1": "stopped"}
    assert store.close(command(), "telnyx", relay="main") == []
    with pytest.raises(NoSuchRelay):
        store.close(command(), "telnyx", relay="other")


def cancelled(*reasons: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "ResponseMetadata": {"HTTPStatusCode": 400},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    return ClientError(answer, "TransactWriteItems")


@pytest.mark.parametrize("conflicts", [1, 7, 8])
def test_transaction_conflicts_are_retried_a_bounded_number_of_times(
    table: DynamoTable, monkeypatch: pytest.MonkeyPatch, conflicts: int
) -> None:
    waits: list[float] = []
    transact = table._table.meta.client.transact_write_items

    def meet(**request: Any) -> Any:
        if len(waits) < conflicts:
            raise cancelled("None", "TransactionConflict")
        return transact(**request)

    monkeypatch.setattr(table._table.meta.client, "transact_write_items", meet)
    monkeypatch.setattr("time.sleep", waits.append)
    if conflicts == 8:
        with pytest.raises(Unavailable, match="TransactionConflict"):
            RelayStore(table).start(relay(), command())
    else:
        assert RelayStore(table).start(relay(), command())
    assert len(waits) == conflicts
    assert sum(waits) < 10


@pytest.mark.parametrize("conflicts", [1, 7, 8])
def test_update_conflicts_are_retried_a_bounded_number_of_times(
    table: DynamoTable, monkeypatch: pytest.MonkeyPatch, conflicts: int
) -> None:
    waits: list[float] = []
    update = table._table.update_item
    answer: Any = {
        "Error": {"Code": "TransactionConflictException", "Message": ""},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }

    def meet(**request: Any) -> Any:
        if len(waits) < conflicts:
            raise ClientError(answer, "UpdateItem")
        return update(**request)

    request = {
        "Key": call_key("acme", "CA1"),
        "UpdateExpression": "SET seen = :yes",
        "ExpressionAttributeValues": {":yes": True},
    }
    monkeypatch.setattr(table._table, "update_item", meet)
    monkeypatch.setattr("time.sleep", waits.append)
    if conflicts == 8:
        with pytest.raises(Unavailable, match="TransactionConflict"):
            table.update(request)
    else:
        assert table.update(request)["seen"] is True
    assert len(waits) == conflicts


def counting_call(table: DynamoTable, **fields: Any) -> None:
    """Let the call count its relays, as every call of this version does."""
    table.put(call(table) | {"relays_made": 0} | fields)


class CountsReads(DynamoTable):
    """Counts the relays that are read."""

    reads = 0

    def get(self, key: Item) -> Item | None:
        self.reads += key["sk"].startswith("RELAY#")
        return super().get(key)

    def query(self, _partition: str, _prefix: str) -> list[Item]:
        raise AssertionError("reads all relays of the call")


def test_commands_read_no_relays_that_have_ended(table: DynamoTable, store: RelayStore) -> None:
    counting_call(table)
    for number in range(10):
        store.start(relay(f"old-{number}", name="main"), command())
        store.stop(command(), "telnyx")
    counted = CountsReads("StreamsTable")
    quick = RelayStore(counted)

    quick.start(relay("relay-1", name="main"), command(), once=True)
    assert not quick.start(relay("relay-2", name="main"), command(), once=True)
    assert counted.reads == 1
    assert [each.relay_id for each in quick.stop(command(), "telnyx")] == ["relay-1"]
    assert counted.reads == 2
    assert [each.relay_id for each in quick.find("acme", "call-1", "telnyx", "old-3")] == ["old-3"]
    # Several relays had the name, one after the other: the last is meant.
    assert [each.relay_id for each in quick.find("acme", "call-1", "telnyx", "main")] == ["relay-1"]
    for unknown in ("nobody", "", "x" * 2000):
        assert quick.find("acme", "call-1", "telnyx", unknown) == []
    assert quick.find("acme", "call-1", "signalwire", "main") == []
    assert quick.find("acme", "call-1", "signalwire", "old-3") == []


def test_name_means_the_last_relay_of_the_surface(table: DynamoTable, store: RelayStore) -> None:
    counting_call(table)
    for surface in SURFACES[3:]:
        store.start(relay(f"of-{surface}", surface=surface, name="main"), command())
        store.stop(command(), surface)

    for surface in SURFACES[3:]:
        [found] = store.find("acme", "call-1", surface, "main")
        assert found.relay_id == f"of-{surface}"


def test_call_has_no_more_active_relays_than_its_limit(
    table: DynamoTable, store: RelayStore
) -> None:
    counting_call(table)
    limits = RunningLimits(active_relays_of_call=2)
    for number in range(2):
        store.start(relay(f"relay-{number}"), command(limits=limits))

    with pytest.raises(LimitReached, match="active_relays_of_call: 2") as reached:
        store.start(relay("relay-2"), command(limits=limits))
    assert type(reached.value) is LimitReached
    store.stop(command(), "telnyx", relay="relay-0")
    store.start(relay("relay-2"), command(limits=limits))
    assert call(table)["live_relays"] == {"relay-1", "relay-2"}


def test_call_gets_no_more_relays_than_its_limit(table: DynamoTable, store: RelayStore) -> None:
    counting_call(table)
    limits = RunningLimits(relays_of_call=2)
    for number in range(2):
        store.start(relay(f"relay-{number}"), command(limits=limits))
    store.stop(command(), "telnyx")

    with pytest.raises(CallFull, match="relays_of_call: 2"):
        store.start(relay("relay-2"), command(limits=limits))
    assert len(states(store)) == 2


def test_command_that_makes_two_relays_needs_room_for_both(
    table: DynamoTable, store: RelayStore
) -> None:
    counting_call(table)
    both = [relay("fork"), relay("agent", sink="dialogflow", **DIALOGUE)]
    for limits in (
        RunningLimits(active_relays=1),
        RunningLimits(active_relays_of_call=1),
        RunningLimits(relays_of_call=1),
    ):
        with pytest.raises(LimitReached):
            store.start_together(both, command(limits=limits))
    assert states(store) == {}
    assert usage(table, "acme")[Kind.RELAYS] == 0

    assert store.start_together(both, command(limits=RunningLimits(active_relays=2)))
    assert usage(table, "acme")[Kind.RELAYS] == 2


@pytest.mark.usefixtures("table")
def test_command_stores_no_more_than_its_limit(store: RelayStore) -> None:
    large = relay(parameters={"a": "b" * 2000})
    with pytest.raises(TooLarge):
        store.start(large, command(limits=RunningLimits(command_bytes=2000)))
    assert states(store) == {}

    assert store.start(large, command(limits=RunningLimits(command_bytes=None)))


@pytest.mark.usefixtures("table")
def test_tenant_has_no_more_active_relays_than_its_limit(store: RelayStore) -> None:
    limits = RunningLimits(active_relays=1)
    store.start(relay(), command(limits=limits))

    with pytest.raises(LimitReached, match="active_relays: 1"):
        store.start(relay("relay-2"), command(limits=limits))
    store.stop(command(), "telnyx")
    assert store.start(relay("relay-2"), command(limits=limits))


def test_relay_that_a_command_stops_is_counted_until_its_run_is_done(
    table: DynamoTable, store: RelayStore
) -> None:
    counting_call(table)
    made = relay()
    store.start(made, command())
    store.advance(made, RelayEvent.CONNECT, NOW, {"owner_run_id": "run"})
    store.stop(command(), "telnyx")
    assert usage(table, "acme")[Kind.RELAYS] == 1
    assert call(table)["live_relays"] == {"relay-1"}

    for _ in range(2):
        store.conclude(made, {"notified_at": 1}, done_at=NOW)
    assert usage(table, "acme")[Kind.RELAYS] == 0
    assert "live_relays" not in call(table)
