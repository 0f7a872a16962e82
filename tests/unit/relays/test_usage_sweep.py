"""The counts of what runs equal what runs, whatever happens; and the sweep corrects them."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random

import boto3
import pytest
from moto import mock_aws

from callstream.audio.formats import PCMU_8K
from callstream.calls.lifecycle import RelayEvent
from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import Started, stream_key
from callstream.dialects.events import Start
from callstream.errors import (
    CallError,
    IllegalTransition,
    LimitReached,
    TokenRejected,
    Unavailable,
)
from callstream.identity import StreamIdentity, StreamToken
from callstream.ports import Item
from callstream.relays.model import CallCommand, NameTaken, NoSuchRelay
from callstream.relays.notifier import RelayNotifier
from callstream.relays.requests import key_of
from callstream.relays.store import RelayStore
from callstream.relays.usage_sweep import SETTLED, UsageSweep
from callstream.rounds import Allowance
from callstream.tenants.running_limits import Kind, RunningLimits, usage, usage_key
from tests.relays import make_relay
from tests.tables import AtomicTable
from tests.template import create_table
from tests.unit.relays.scenes import Callbacks

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIMITS = RunningLimits(
    open_streams=4, active_relays=4, active_relays_of_call=3, relays_of_call=20, command_bytes=2_000
)
_REFUSALS = (CallError, IllegalTransition, LimitReached, NameTaken, NoSuchRelay, TokenRejected)


class World:
    """A tenant's calls, whose streams and relays come and go."""

    def __init__(self) -> None:
        self.table = AtomicTable(create_table(boto3.client("dynamodb"), "StreamsTable"))
        self.streams = StreamStore(self.table, timedelta(days=30))
        self.relays = RelayStore(self.table)
        self.now = NOW
        self.notifier = RelayNotifier(self.relays, self.streams, Callbacks(), lambda: self.now)

    def open(self, stream_id: str) -> None:
        identity = StreamIdentity(stream_id, "acme", "genagent")
        token = StreamToken("t", "acme", "genagent", "many", NOW, {})
        self.streams.open(identity, token, f"c-{stream_id}", self.now, most=LIMITS.open_streams)

    def start(self, stream_id: str, call_id: str) -> None:
        start = Start(1, f"MZ-{stream_id}", call_id, "AC1", ("inbound",), PCMU_8K)
        self.streams.start(stream_id, Started("twilio", start), self.now)

    def relay(self, call_id: str, *relay_ids: str, name: str | None = None) -> None:
        made = [make_relay(each, call_id=call_id, name=name) for each in relay_ids]
        self.relays.start_together(made, self.command(call_id))

    def command(self, call_id: str) -> CallCommand:
        return CallCommand("acme", call_id, self.now, limits=LIMITS)

    def truth(self) -> dict[Kind, int]:
        live = Counter(item["sk"].partition("#")[0] for item in self.table.scan() if _is_live(item))
        return {Kind.STREAMS: live["STREAM"], Kind.RELAYS: live["RELAY"]}

    def usage(self) -> dict[Kind, int]:
        return usage(self.table, "acme")

    def sweep(self, at: datetime | None = None, left: Callable[[], float] = lambda: 1) -> int:
        """Sweep, by default when the index knows everything; return how many counts were wrong."""
        at = at or max(self.now, NOW) + SETTLED
        corrections = UsageSweep(self.table).run(at, Allowance(left))
        return sum(corrections.values())


def _is_live(item: Item) -> bool:
    return "live" in item and item["sk"].partition("#")[0] in {"STREAM", "RELAY"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield World()


class Chance:
    """What happens to a tenant by chance: starts, stops, commands, ends of runs, deaths."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = Random(seed)  # noqa: S311  # the same things happen each time
        self.number = 0
        self.open: list[str] = []
        self.made: list[tuple[str, str]] = []
        things = (self.connect, self.join, self.disconnect, self.command, self.stop, self.end)
        self.things = self.random.choices(things, weights=(1, 3, 2, 9, 1, 4), k=60)

    def happen(self) -> None:
        self.number += 1
        self.things[self.number - 1]()

    def connect(self) -> None:
        self.world.open(f"s{self.number}")
        self.open.append(f"s{self.number}")

    def join(self) -> None:
        self.connect()
        self.world.start(self.open[-1], self.call())

    def disconnect(self) -> None:
        # A disconnection may be notified again.
        if self.open:
            self.world.streams.disconnect(self.random.choice(self.open[-6:]), self.world.now)

    def command(self) -> None:
        call_id = self.call()
        ids = [f"{kind}{self.number}" for kind in self.random.choice(("r", "r", "rq"))]
        name = "n" if len(ids) == 1 and self.random.random() < 0.5 else None
        self.world.relay(call_id, *ids, name=name)
        self.made += [(call_id, relay_id) for relay_id in ids]

    def stop(self) -> None:
        command = self.world.command(self.call())
        self.world.relays.stop(command, "telnyx", ended_ok=True)

    def end(self) -> None:
        if not self.made:
            return
        relay = self.world.relays.get("acme", *self.random.choice(self.made[-6:]))
        assert relay is not None
        notifier = self.world.notifier
        match self.random.choice(("connect", "connect", "lose", "end", "stop")):
            case "connect":
                notifier.connected(relay, {"owner_run_id": "run"})
            case "lose":
                notifier.failed(relay, "lost")
            case "end":
                notifier.stopped(relay, 0)
            case "stop":
                self.world.relays.advance(relay, RelayEvent.STOP, self.world.now)

    def call(self) -> str:
        return self.random.choice(("CA1", "CA2"))


def test_counts_equal_what_runs_whatever_happens(world: World) -> None:
    chance, refused, most = Chance(world, seed=4), 0, Counter[Kind]()
    for number in range(len(chance.things)):
        world.now = NOW + timedelta(seconds=number)
        try:
            chance.happen()
        except _REFUSALS as error:
            refused += isinstance(error, LimitReached)
        truth = world.truth()
        assert world.usage() == truth
        most |= Counter(truth)
    assert most == {Kind.STREAMS: 4, Kind.RELAYS: 4}
    assert refused
    for call_id in ("CA1", "CA2"):
        call = world.streams.call("acme", call_id)
        relays = world.relays.relays("acme", call_id)
        assert call is not None
        assert call.live_relays == {each.relay_id for each in relays if not each.is_done}
        assert call.relays_made == len(relays)
    assert world.sweep() == 0


def at_once(count: int, work: Callable[[int], None]) -> int:
    """Do the work in that many threads; return how often the work was refused."""

    def attempt(number: int) -> bool:
        # The answer to a client is then 503.
        with suppress(Unavailable):
            try:
                work(number)
            except LimitReached:
                return True
        return False

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(attempt, range(count)))


def test_commands_at_once_make_no_more_relays_than_the_limits_allow(world: World) -> None:
    for number in (1, 2):
        world.open(f"s{number}")
        world.start(f"s{number}", f"CA{number}")

    at_once(12, lambda number: world.relay(f"CA{number % 2 + 1}", f"r{number}"))

    assert world.usage() == world.truth()
    assert world.usage()[Kind.RELAYS] == 4
    for call_id in ("CA1", "CA2"):
        assert len(world.relays.relays("acme", call_id)) <= 3


def test_connections_at_once_open_no_more_streams_than_the_limit_allows(world: World) -> None:
    refused = at_once(10, lambda number: world.open(f"s{number}"))

    assert refused == 6
    assert world.usage()[Kind.STREAMS] == world.truth()[Kind.STREAMS] == 4


def test_connections_at_once_use_a_one_shot_token_once(world: World) -> None:
    token = StreamToken("stolen", "acme", "genagent", "once", NOW, {})
    opened: list[str] = []

    def attempt(number: int) -> None:
        identity = StreamIdentity(f"s{number}", "acme", "genagent")
        with suppress(TokenRejected):
            world.streams.open(identity, token, f"c{number}", NOW)
            opened.append(identity.stream_id)

    at_once(12, attempt)

    assert len(opened) == 1
    assert world.usage()[Kind.STREAMS] == world.truth()[Kind.STREAMS] == 1


def lose(world: World) -> None:
    """Lose a stream and a relay that run, as if somebody had deleted them by hand."""
    for number in (1, 2):
        world.open(f"s{number}")
    world.start("s1", "CA1")
    world.relay("CA1", "r1", "r2")
    world.table.delete(key_of(make_relay("r1")))
    world.table.delete(stream_key("s2"))


def test_sweep_corrects_counts_of_lost_items(world: World) -> None:
    lose(world)
    assert world.usage() == {Kind.STREAMS: 2, Kind.RELAYS: 2}

    assert world.sweep() == 2
    assert world.usage() == {Kind.STREAMS: 1, Kind.RELAYS: 1}
    assert world.sweep() == 0


def test_sweep_leaves_counts_that_have_just_changed(world: World) -> None:
    lose(world)

    soon = NOW + SETTLED - timedelta(milliseconds=1)
    assert world.sweep(soon) == 0
    assert world.sweep(NOW + SETTLED) == 2


def test_sweep_leaves_counts_that_change_meanwhile(world: World) -> None:
    lose(world)

    def change() -> float:
        world.table.update(
            {
                "Key": usage_key("acme", Kind.RELAYS),
                "UpdateExpression": "ADD running :one, changes :one",
                "ExpressionAttributeValues": {":one": 1},
            }
        )
        return 1

    assert world.sweep(NOW + SETTLED, change) == 1
    assert world.usage()[Kind.STREAMS] == 1


def test_sweep_without_time_corrects_nothing(world: World) -> None:
    lose(world)

    assert world.sweep(NOW + SETTLED, lambda: 0) == 0


def test_things_of_earlier_versions_are_not_counted(world: World) -> None:
    world.open("s1")
    world.start("s1", "CA1")
    world.relay("CA1", "r1")
    for key in (stream_key("s1"), key_of(make_relay("r1"))):
        item = world.table.get(key)
        assert item is not None
        del item["counted"]
        world.table.put(item)
    for kind in Kind:
        world.table.delete(usage_key("acme", kind))

    assert world.sweep() == 0
    world.notifier.failed(make_relay("r1"), "lost")
    [relay] = world.relays.relays("acme", "CA1")
    assert relay.is_done
    world.streams.disconnect("s1", NOW)
    assert world.usage() == {Kind.STREAMS: 0, Kind.RELAYS: 0}
