"""The ownership of a relay: one run at a time, and not too many in all."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.store import StreamStore
from callstream.relays.lease import RelayLease
from callstream.relays.model import CallCommand
from callstream.relays.notifier import RelayNotifier
from callstream.relays.ports import LeaseStatus
from callstream.relays.sinks.websocket import RelayForks
from callstream.relays.store import RelayStore
from callstream.relays.sweep import RelaySweep
from callstream.rounds import Allowance, Rounds
from callstream.tenants.directory import Directory, Tenant
from tests.starter import Starter
from tests.template import create_table
from tests.unit.items import call_item, started_stream
from tests.unit.relays.scenes import RELAY, Callbacks

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TENANT = Tenant(tenant_id="acme", name="Acme", project_id=UUID(int=1), callback_key_id="k")
STOP = CallCommand("acme", "CA1", NOW)
UNLIMITED = Allowance(lambda: 1)


class Scene:
    """A call with a relay that was asked for."""

    def __init__(self) -> None:
        self.now = NOW
        dynamodb = boto3.client("dynamodb")
        self.table = DynamoTable(create_table(dynamodb, "StreamsTable"))
        self.directory = Directory(DynamoTable(create_table(dynamodb, "DirectoryTable")))
        self.directory.save(TENANT)
        self.table.put(call_item())
        self.relays, self.callbacks, self.starter = RelayStore(self.table), Callbacks(), Starter()
        self.relays.start(RELAY, STOP)
        self.notifier = RelayNotifier(
            self.relays,
            StreamStore(self.table, timedelta(days=1)),
            self.callbacks,
            lambda: self.now,
        )

    def run(
        self, run_id: str, follows: str | None = None, *, gives_rest: bool = False
    ) -> RelayLease:
        return RelayLease(
            relay=RELAY,
            relays=self.relays,
            notifier=self.notifier,
            directory=self.directory,
            starter=self.starter,
            clock=lambda: self.now,
            run_id=run_id,
            follows=follows,
            gives_rest=gives_rest,
        )

    def item(self, name: str) -> object:
        return self.relays.noted(RELAY).get(name)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Scene()


def test_the_first_run_connects_once(scene: Scene) -> None:
    one, other = scene.run("one"), scene.run("other")

    assert one.acquire(b"begin")
    assert not other.acquire(b"begin")
    assert one.status() is LeaseStatus.OWNER
    assert other.status() is LeaseStatus.REPLACED
    assert scene.callbacks.sent == [("started", None)]


def test_one_of_several_rescuers_takes_over_from_the_checkpoint(scene: Scene) -> None:
    dead = scene.run("dead")
    dead.acquire(b"begin")
    dead.renew(b"here", 0)
    dead.renew(None, 3)
    rescuers = [scene.run(name, "dead") for name in "abc"]

    assert [rescuer.take_over() for rescuer in rescuers] == [b"here", None, None]
    assert rescuers[0].status() is LeaseStatus.OWNER
    # It was not dead, only slow.
    dead.renew(b"elsewhere", 0)
    assert dead.status() is LeaseStatus.REPLACED
    assert scene.item("checkpoint") == b"here"
    assert scene.item("dropped") == 3
    assert scene.callbacks.sent == [("started", None)]


def test_a_relay_whose_runs_all_die_fails_after_ten_rescues(scene: Scene) -> None:
    scene.run("0").acquire(b"here")
    taken = [scene.run(str(number), str(number - 1)).take_over() for number in range(1, 12)]

    assert taken == [b"here"] * 10 + [None]
    assert (scene.item("state"), scene.item("error")) == ("failed", "lost")
    assert scene.callbacks.sent == [("started", None), ("failed", "lost")]


def test_rescues_that_are_far_apart_do_not_add_up(scene: Scene) -> None:
    scene.run("0").acquire(b"here")
    for number in range(1, 30):
        scene.now += timedelta(minutes=11)
        assert scene.run(str(number), str(number - 1)).take_over() == b"here"

    assert scene.item("state") == "streaming"


def test_a_successor_accepts_what_the_run_before_hands_over(scene: Scene) -> None:
    first, second = scene.run("first"), scene.run("second", "first")
    late = scene.run("late", "first")
    first.acquire(b"begin")
    first.call_successor()
    assert scene.starter.asked == [("succeed", "r1", "first")]
    assert not first.successor_is_ready()
    second.report_ready()
    assert first.successor_is_ready()
    assert second.accept_hand_over() is None
    first.hand_over(b"the end")

    assert second.accept_hand_over() == b"the end"
    assert late.accept_hand_over() is None
    assert second.status() is LeaseStatus.OWNER
    assert first.status() is LeaseStatus.REPLACED
    # What was ready for the first one is not ready for the second.
    assert not second.successor_is_ready()


@pytest.mark.parametrize("died", [False, True])
def test_a_command_that_meets_a_dead_run_is_notified_once(scene: Scene, *, died: bool) -> None:
    run, rescuer = scene.run("one"), scene.run("two", "one")
    run.acquire(b"begin")
    scene.relays.stop(STOP, "telnyx")
    if not died:
        assert run.status() is LeaseStatus.STOPPED
        run.finish(None, 7)

    assert rescuer.take_over() is None
    assert scene.run("three", "one").take_over() is None
    assert scene.callbacks.sent == [("started", None), ("stopped", None)]
    assert scene.item("dropped") == (0 if died else 7)
    assert scene.item("checkpoint") is None


def test_rescue_gives_the_rest_of_a_relay_that_was_stopped_before_its_run_died(
    scene: Scene,
) -> None:
    dead = scene.run("dead")
    dead.acquire(b"begin")
    scene.relays.stop(STOP, "telnyx")
    # It does not know yet.
    dead.renew(b"here", 0)
    rescuers = [scene.run(name, "dead", gives_rest=True) for name in "abc"]

    assert list(scene.relays.live()) == [RELAY.identity]
    assert [rescuer.take_over() for rescuer in rescuers] == [b"here", None, None]
    assert rescuers[0].status() is LeaseStatus.STOPPED
    # It was not dead, only slow.
    assert dead.status() is LeaseStatus.REPLACED
    dead.renew(b"elsewhere", 0)
    dead.finish(None, 0)
    assert scene.item("checkpoint") == b"here"
    assert scene.callbacks.sent == [("started", None)]
    rescuers[0].finish(None, 3)
    assert scene.callbacks.sent == [("started", None), ("stopped", None)]
    assert (scene.item("state"), scene.item("dropped")) == ("stopped", 3)
    assert scene.item("checkpoint") is None
    assert list(scene.relays.live()) == []
    # Nothing brings it back.
    rescuers[0].renew(b"late", 0)
    assert scene.run("d", "a", gives_rest=True).take_over() is None
    assert scene.item("checkpoint") is None
    assert len(scene.callbacks.sent) == 2


def test_stopped_relay_whose_runs_all_die_is_notified_of_after_ten_rescues(scene: Scene) -> None:
    scene.run("0").acquire(b"here")
    scene.relays.stop(STOP, "telnyx")
    runs = [scene.run(str(number), str(number - 1), gives_rest=True) for number in range(1, 12)]

    assert [run.take_over() for run in runs] == [b"here"] * 10 + [None]
    assert (scene.item("state"), scene.item("error")) == ("stopped", None)
    assert scene.callbacks.sent == [("started", None), ("stopped", None)]
    assert list(scene.relays.live()) == []


def test_rescue_of_a_relay_that_an_earlier_version_stopped_notifies_the_tenant(
    scene: Scene,
) -> None:
    scene.run("one").acquire(b"begin")
    scene.relays.stop(STOP, "telnyx")
    item = scene.relays.noted(RELAY)
    del item["checkpoint"], item["live"]
    scene.table.put(item)

    assert scene.run("two", "one", gives_rest=True).take_over() is None
    assert scene.callbacks.sent == [("started", None), ("stopped", None)]


@pytest.mark.parametrize("seed", range(12))
def test_stopped_relay_ends_once_whenever_its_runs_die(scene: Scene, seed: int) -> None:
    """The sweep finds it; its last checkpoint is there until the end; the rescues are bounded."""
    random = Random(seed)  # noqa: S311  # a scene, not a secret
    gives_rest, deadly = random.random() < 0.8, random.random()
    sweep = RelaySweep(scene.notifier, scene.starter, Rounds("relay", scene.table))
    checkpoint, stopped, rescues = b"begin", False, 0
    run = scene.run("0", gives_rest=gives_rest)
    run.acquire(checkpoint)
    for step in range(60):
        stop = not stopped and random.random() < 0.3
        if stop:
            scene.relays.stop(STOP, "telnyx")
            stopped = True
        if random.random() < deadly or (stop and random.random() < 0.5):
            # The run dies.
            scene.now += timedelta(seconds=random.uniform(20, 60))
            sweep.run(scene.now, UNLIMITED)
            asked = {asked for kind, _, asked in scene.starter.asked if kind == "rescue"}
            assert asked == {run.run_id}
            scene.starter.asked.clear()
            rescue = scene.run(f"{step}-rescue", run.run_id, gives_rest=gives_rest)
            rescues += 1
            left = rescue.take_over()
            if left is None:
                break
            assert left == checkpoint
            run = rescue
        elif run.status() is LeaseStatus.STOPPED:
            assert scene.item("checkpoint") == checkpoint
            run.finish(None, 0)
            break
        else:
            scene.now += timedelta(seconds=2)
            checkpoint = b"%d" % step
            run.renew(checkpoint, 0)

    assert rescues <= 11
    assert scene.callbacks.sent[0] == ("started", None)
    [(_, reason)] = scene.callbacks.sent[1:]
    assert reason in ({None} if stopped else {"lost"})
    assert scene.item("checkpoint") is None
    assert list(scene.relays.live()) == []
    assert not any(sweep.run(scene.now + timedelta(hours=1), UNLIMITED).values())


def test_a_disabled_tenants_relay_stops(scene: Scene) -> None:
    run = scene.run("one")
    run.acquire(b"begin")
    scene.directory.save(TENANT.model_copy(update={"enabled": False}))

    assert run.status() is LeaseStatus.STOPPED
    run.finish(None, 0)
    assert scene.item("state") == "stopped"
    assert list(scene.relays.live()) == []


def test_a_relay_that_fails_after_a_command_has_stopped(scene: Scene) -> None:
    run = scene.run("one")
    run.acquire(b"begin")
    scene.relays.stop(STOP, "telnyx")
    run.finish("closed", 3)

    assert scene.item("error") is None
    assert scene.callbacks.sent[1:] == [("stopped", None)]


def test_an_active_relay_is_live(scene: Scene) -> None:
    assert list(scene.relays.live()) == [RELAY.identity]
    scene.relays.stop(STOP, "telnyx")
    assert list(scene.relays.live()) == []


def test_a_forks_start_has_what_the_carrier_and_the_commands_said(scene: Scene) -> None:
    scene.relays.start(
        RELAY.model_copy(update={"relay_id": "r2"}),
        CallCommand("acme", "CA1", NOW, client_state="c3RhdGU="),
    )
    stream = started_stream(
        encoding="PCMA",
        session_id="session",
        from_number="+13125550100",
        to_number="+13125550101",
    )
    [_, start] = (
        RelayForks(RELAY, scene.notifier.streams, scene.directory).make([stream], None).open()
    )

    assert json.loads(start)["start"] == {
        "user_id": str(TENANT.project_id),
        "call_control_id": "CA1",
        "call_session_id": "session",
        "from": "+13125550100",
        "to": "+13125550101",
        "client_state": "c3RhdGU=",
        "tags": [],
        "media_format": {"encoding": "PCMA", "sample_rate": 8000, "channels": 1},
    }


def test_a_run_that_is_not_the_owner_cannot_finish_the_relay(scene: Scene) -> None:
    slow, rescuer, late = scene.run("slow"), scene.run("rescuer", "slow"), scene.run("late")
    slow.acquire(b"begin")
    assert rescuer.take_over() == b"begin"
    # The consumer takes one connection at a time: the rescuer's.
    slow.finish(None, 1)
    late.finish("handshake", 0)

    assert rescuer.status() is LeaseStatus.OWNER
    assert scene.callbacks.sent == [("started", None)]
    rescuer.finish("closed", 2)
    assert (scene.item("state"), scene.item("dropped")) == ("failed", 2)
    assert scene.callbacks.sent[1:] == [("failed", "closed")]


def test_a_command_between_two_runs_is_notified(scene: Scene) -> None:
    first, second = scene.run("first"), scene.run("second", "first")
    first.acquire(b"begin")
    second.report_ready()
    assert first.hand_over(b"the end")
    scene.relays.stop(STOP, "telnyx")

    assert second.accept_hand_over() is None
    assert second.accept_hand_over() is None
    assert scene.callbacks.sent == [("started", None), ("stopped", None)]


def test_successor_gives_the_rest_if_a_command_comes_between_two_runs(scene: Scene) -> None:
    first, second = scene.run("first"), scene.run("second", "first", gives_rest=True)
    first.acquire(b"begin")
    second.report_ready()
    assert first.hand_over(b"the end")
    scene.relays.stop(STOP, "telnyx")

    assert second.accept_hand_over() == b"the end"
    assert second.status() is LeaseStatus.STOPPED
    second.finish(None, 0)
    assert second.accept_hand_over() is None
    assert scene.callbacks.sent == [("started", None), ("stopped", None)]


def test_a_hand_over_after_a_command_fails(scene: Scene) -> None:
    first, second = scene.run("first"), scene.run("second", "first")
    first.acquire(b"begin")
    second.report_ready()
    scene.relays.stop(STOP, "telnyx")

    assert first.hand_over(b"the end") is False
