"""What the notifier makes of a relay, and what its tenant gets."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.store import StreamStore
from callstream.relays.model import CallCommand
from callstream.relays.notifier import RelayNotifier
from callstream.relays.store import RelayStore
from tests.template import create_table
from tests.unit.items import call_item
from tests.unit.relays.scenes import RELAY, Callbacks

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COMMAND = CallCommand("acme", "CA1", NOW)


class Scene:
    """A call with a relay that was asked for."""

    def __init__(self) -> None:
        table = DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))
        table.put(call_item())
        self.relays, self.callbacks = RelayStore(table), Callbacks()
        self.relays.start(RELAY, COMMAND)
        streams = StreamStore(table, timedelta(days=1))
        self.notifier = RelayNotifier(self.relays, streams, self.callbacks, lambda: NOW)

    def item(self, *names: str) -> list[object]:
        item = self.relays.noted(RELAY)
        return [item.get(name) for name in names]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Scene()


def test_a_relay_that_connects_has_started_once(scene: Scene) -> None:
    assert scene.notifier.connected(RELAY, {"owner_run_id": "one"})
    assert not scene.notifier.connected(RELAY, {"owner_run_id": "two"})
    assert scene.item("state", "owner_run_id") == ["streaming", "one"]
    assert scene.callbacks.sent == [("started", None)]


def test_a_relay_that_was_stopped_by_a_command_is_notified_by_its_run(scene: Scene) -> None:
    scene.notifier.connected(RELAY, {})
    scene.relays.stop(COMMAND, "telnyx")
    assert scene.callbacks.sent == [("started", None)]
    scene.notifier.stopped(RELAY, 3)

    assert scene.item("state", "dropped") == ["stopped", 3]
    assert scene.callbacks.sent[1:] == [("stopped", None)]


def test_a_relay_that_fails_keeps_the_reason(scene: Scene) -> None:
    scene.notifier.failed(RELAY, "refused")

    assert scene.item("state", "error") == ["failed", "refused"]
    assert scene.callbacks.sent == [("failed", "refused")]


def test_a_relay_is_over_even_if_its_callback_is_lost(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.callbacks.down = True
    scene.notifier.failed(RELAY, "refused")

    assert scene.item("state") == ["failed"]
    assert "callback lost: failed" in caplog.text


def test_states_of_a_transcription_are_not_notified(scene: Scene) -> None:
    transcribing = RELAY.model_copy(update={"sink": "transcription"})
    scene.notifier.connected(transcribing, {})
    scene.notifier.failed(transcribing, "engine_refuses")

    assert scene.item("state", "error") == ["failed", "engine_refuses"]
    assert scene.callbacks.sent == []
