"""The sweep of relays: which relay needs what, and what comes of it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.lifecycle import RelayEvent, RelayState
from callstream.calls.store import StreamStore
from callstream.errors import Unavailable
from callstream.identity import RelayIdentity
from callstream.relays.model import CallCommand, Relay
from callstream.relays.notifier import RelayNotifier
from callstream.relays.store import RelayStore
from callstream.relays.sweep import RelayStep, RelaySweep, next_step
from callstream.rounds import Allowance, Rounds
from callstream.times import milliseconds
from tests.starter import Starter
from tests.template import create_table
from tests.unit.items import call_item
from tests.unit.relays.scenes import RELAY, Callbacks

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def relay(state: RelayState, seconds: float, **attributes: Any) -> Relay:
    """A relay that was created, and last had a heartbeat, so many seconds ago."""
    at = milliseconds(NOW - timedelta(seconds=seconds))
    heartbeat_at = None if state is RelayState.REQUESTED else at
    update = {"state": state, "created_at": at, "updated_at": at, "heartbeat_at": heartbeat_at}
    return RELAY.model_copy(update=update | attributes)


@pytest.mark.parametrize(
    ("state", "seconds", "step"),
    [
        (RelayState.REQUESTED, 74, RelayStep.LEAVE),
        (RelayState.REQUESTED, 75, RelayStep.START),
        (RelayState.REQUESTED, 599, RelayStep.START),
        (RelayState.REQUESTED, 600, RelayStep.GIVE_UP),
        (RelayState.STREAMING, 19, RelayStep.LEAVE),
        (RelayState.STREAMING, 20, RelayStep.RESCUE),
        (RelayState.STREAMING, 599, RelayStep.RESCUE),
        (RelayState.STREAMING, 600, RelayStep.GIVE_UP),
        (RelayState.STOPPED, 19, RelayStep.LEAVE),
        (RelayState.STOPPED, 20, RelayStep.RESCUE),
        (RelayState.STOPPED, 599, RelayStep.RESCUE),
        (RelayState.STOPPED, 600, RelayStep.GIVE_UP),
    ],
)
def test_next_step_depends_on_how_long_a_relay_has_had_no_owner(
    state: RelayState, seconds: float, step: RelayStep
) -> None:
    assert next_step(relay(state, seconds), NOW) is step


def test_next_step_counts_from_the_last_change_without_a_heartbeat() -> None:
    streaming = relay(RelayState.STREAMING, 30, heartbeat_at=None)

    assert next_step(streaming, NOW) is RelayStep.RESCUE


class Scene:
    def __init__(self) -> None:
        self.table = DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))
        self.table.put(call_item())
        self.relays, self.callbacks, self.starter = RelayStore(self.table), Callbacks(), Starter()
        streams = StreamStore(self.table, timedelta(days=1))
        notifier = RelayNotifier(self.relays, streams, self.callbacks, lambda: NOW)
        self.sweep = RelaySweep(notifier, self.starter, Rounds("relay", self.table))

    def add(self, relay_id: str, seconds: float, owner: str | None = None) -> Relay:
        """Ask for a relay so many seconds ago; with an owner, its last heartbeat was then."""
        at = NOW - timedelta(seconds=seconds)
        added = relay(RelayState.REQUESTED, seconds, relay_id=relay_id)
        self.relays.start(added, CallCommand("acme", "CA1", at))
        if owner is not None:
            lease = {"owner_run_id": owner, "heartbeat_at": milliseconds(at)}
            self.relays.advance(added, RelayEvent.CONNECT, at, lease)
        return added

    def run(self) -> dict[RelayStep, int]:
        return self.sweep.run(NOW, Allowance(lambda: 1))

    def state(self, relay_id: str) -> tuple[RelayState, str | None]:
        found = self.relays.get("acme", "CA1", relay_id)
        assert found is not None
        return found.state, found.error


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Scene()


def test_the_sweep_starts_and_rescues_what_has_no_owner(scene: Scene) -> None:
    scene.add("requested", 80)
    scene.add("orphaned", 30, owner="run-1")
    scene.add("healthy", 3, owner="run-2")

    counts = {RelayStep.LEAVE: 1, RelayStep.START: 1, RelayStep.RESCUE: 1, RelayStep.GIVE_UP: 0}
    assert scene.run() == counts
    assert sorted(scene.starter.asked) == [
        ("rescue", "orphaned", "run-1"),
        ("start", "requested", None),
    ]
    assert scene.callbacks.sent == []


def test_the_sweep_fails_hopeless_relays_and_notifies_their_tenants(scene: Scene) -> None:
    scene.add("requested", 700)
    scene.add("orphaned", 700, owner="run-1")

    assert scene.run()[RelayStep.GIVE_UP] == 2
    assert scene.state("requested") == (RelayState.FAILED, "not_started")
    assert scene.state("orphaned") == (RelayState.FAILED, "lost")
    assert sorted(scene.callbacks.sent) == [("failed", "lost"), ("failed", "not_started")]
    assert scene.starter.asked == []


def test_sweep_sees_stopped_relays_to_their_end(scene: Scene) -> None:
    scene.add("orphaned", 30, owner="run-1")
    scene.add("hopeless", 700, owner="run-2")
    scene.add("ending", 3, owner="run-3")
    scene.add("done", 30, owner="run-4")
    scene.relays.stop(CallCommand("acme", "CA1", NOW), "telnyx")
    [done] = scene.relays.find("acme", "CA1", "telnyx", "done")
    scene.sweep.notifier.stopped(done, 0)
    scene.callbacks.sent.clear()

    counts = {RelayStep.LEAVE: 1, RelayStep.START: 0, RelayStep.RESCUE: 1, RelayStep.GIVE_UP: 1}
    assert scene.run() == counts
    assert scene.starter.asked == [("rescue", "orphaned", "run-1")]
    assert scene.callbacks.sent == [("stopped", None)]
    assert scene.state("hopeless") == (RelayState.STOPPED, None)
    assert {each.relay_id for each in scene.relays.live()} == {"orphaned", "ending"}


def test_the_sweep_leaves_relays_that_are_over(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.add("stopped", 700)
    # The index may lag behind the table.
    stale = [*scene.relays.live()]
    monkeypatch.setattr(scene.relays, "live", lambda _: iter(stale))
    scene.relays.stop(CallCommand("acme", "CA1", NOW), "telnyx")

    assert len(stale) == 1
    assert not any(scene.run().values())


def test_an_unreachable_starter_does_not_stop_the_sweep(scene: Scene) -> None:
    scene.add("one", 80)
    scene.add("two", 80)
    scene.starter.down = True

    assert not any(scene.run().values())
    assert scene.starter.tries == 2


def test_the_sweep_stops_when_its_time_is_up(scene: Scene) -> None:
    scene.add("one", 80)
    scene.add("two", 80)
    one = Allowance(lambda: 1 - len(scene.starter.asked))

    assert scene.sweep.run(NOW, one)[RelayStep.START] == 1
    assert len(scene.starter.asked) == 1


def test_the_sweep_reads_on_in_the_next_round_where_it_stopped(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callstream.relays.sweep.READ_AT_ONCE", 2)
    for relay_id in "abc":
        scene.add(relay_id, 80)

    assert [scene.run()[RelayStep.START] for _ in range(3)] == [2, 1, 2]
    assert [relay_id for _, relay_id, _ in scene.starter.asked] == [*"abcab"]


class Model:
    """Relays in memory, in the order of the index; a read takes 6 ms, and a start 20 ms."""

    def __init__(self, relays: Sequence[Relay]) -> None:
        self._relays = {each.relay_id: each for each in relays}
        self.seconds = 0.0
        self.asked: list[str] = []

    def live(self, _after: RelayIdentity | None) -> Iterator[RelayIdentity]:
        return (each.identity for each in self._relays.values())

    def get(self, _tenant_id: str, _call_id: str, relay_id: str) -> Relay:
        self.seconds += 0.006
        return self._relays[relay_id]

    def start(self, relay: RelayIdentity) -> None:
        self.seconds += 0.020
        self.asked.append(relay.relay_id)

    def rescue(self, relay: RelayIdentity, _run_id: str) -> None:
        self.start(relay)


def test_sweep_rescues_a_relay_in_the_first_round_beside_thousands_of_another_tenant(
    scene: Scene,
) -> None:
    evil = [
        relay(RelayState.REQUESTED, 80, tenant_id="evil", relay_id=f"e{number:04}")
        for number in range(6_000)
    ]
    dead = relay(RelayState.STREAMING, 30, tenant_id="zebra", relay_id="dead", owner_run_id="run")
    model: Any = Model([*evil, dead])
    sweep = RelaySweep(SimpleNamespace(relays=model), model, scene.sweep.rounds)  # type: ignore[arg-type]
    for rounds in (1, 2):
        model.seconds = 0
        sweep.run(NOW, Allowance(lambda: 20 - model.seconds))
        assert model.seconds < 20.1
        assert model.asked.count("dead") == rounds

    others = [each for each in model.asked if each != "dead"]
    assert len(others) == len(set(others)) > 1_500


def test_the_sweep_fails_if_the_relays_cannot_be_read(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Unavailable("dynamodb", "Down")

    monkeypatch.setattr(scene.table, "index", fail)
    with pytest.raises(Unavailable):
        scene.run()
