"""The sweep of relays: which relay needs what, and what comes of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.lifecycle import RelayEvent, RelayState
from callstream.calls.store import StreamStore
from callstream.errors import Unavailable
from callstream.relays.model import CallCommand, Relay
from callstream.relays.notifier import RelayNotifier
from callstream.relays.store import RelayStore
from callstream.relays.sweep import RelayStep, RelaySweep, next_step
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
        self.sweep = RelaySweep(notifier, self.starter)

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
        return self.sweep.run(NOW, lambda: True)

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
    monkeypatch.setattr(scene.relays, "live", lambda: iter(stale))
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
    answers = iter([True, False])

    assert scene.sweep.run(NOW, lambda: next(answers))[RelayStep.START] == 1
    assert len(scene.starter.asked) == 1


def test_the_sweep_fails_if_the_relays_cannot_be_read(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("dynamodb", "Down")

    monkeypatch.setattr(scene.table, "index", fail)
    with pytest.raises(Unavailable):
        scene.run()
