"""Commands to transcribe calls: when a call gets a relay, and which."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.call_requests import call_key
from callstream.calls.lifecycle import RelayEvent
from callstream.errors import CallEnded, ConditionFailed, Unavailable
from callstream.relays.model import CallCommand, Relay, RelaySpec
from callstream.relays.store import RelayStore
from callstream.relays.transcriptions import (
    Transcription,
    Transcriptions,
    TranscriptionStarter,
    transcription_key,
)
from callstream.tenants.running_limits import RunningLimits
from callstream.times import milliseconds
from callstream.transcription.model import Speaker, TranscriptionSettings
from tests.starter import Starter
from tests.template import create_table
from tests.unit.items import call_item

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=90)


def spec(suffix: str = "1", **settings: Any) -> RelaySpec:
    """The spec of a command whose transcripts have ids with this suffix."""
    return RelaySpec(
        surface="asapp",
        sink="transcription",
        track="both_tracks",
        transcription=TranscriptionSettings(
            speakers={
                "inbound": Speaker(transcript_id=f"c{suffix}", role="customer"),
                "outbound": Speaker(transcript_id=f"a{suffix}", role="agent"),
            },
            **settings,
        ),
    )


def command(now: datetime = NOW) -> CallCommand:
    return CallCommand("acme", "CA1", now)


class Scene:
    """A deployment's tables and starter, and what each command leaves in them."""

    def __init__(self, table: DynamoTable) -> None:
        self.table, self.relays, self.starter = table, RelayStore(table), Starter()
        self.transcriptions = Transcriptions(table)
        self.limits = RunningLimits()
        self.commands = TranscriptionStarter(
            table, self.relays, self.starter, lambda _tenant_id: self.limits
        )

    def put_call(self, **fields: Any) -> None:
        item = call_item(**fields)
        self.table.put({name: value for name, value in item.items() if value is not None})

    def start(self, suffix: str = "1", now: datetime = NOW, **settings: Any) -> Transcription:
        return self.commands.start(spec(suffix, **settings), command(now))

    def start_waiting(self, since: datetime = LATER) -> None:
        self.commands.start_waiting("acme", "CA1", milliseconds(since), LATER)

    def found(self) -> Transcription:
        found = self.transcriptions.get("acme", "CA1")
        assert found is not None
        return found

    def stop(self) -> Transcription:
        for relay in self.made():
            self.relays.advance(relay, RelayEvent.STOP, LATER)
        return self.transcriptions.stop("acme", "CA1", self.found(), LATER)

    def made(self) -> list[Relay]:
        """The relays that the call has had, in the order of their starts."""
        relays = self.relays.relays("acme", "CA1")
        return sorted(relays, key=lambda relay: relay.created_at)

    @property
    def started(self) -> list[str]:
        assert {kind for kind, _, _ in self.starter.asked} <= {"start"}
        return [relay_id for _, relay_id, _ in self.starter.asked]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Scene(DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable")))


def test_command_on_a_call_makes_and_starts_a_relay_since_the_command(scene: Scene) -> None:
    scene.put_call()
    made = scene.start()

    [relay] = scene.made()
    assert scene.started == [relay.relay_id] == [made.relay_id]
    assert (relay.sink, relay.track, relay.since) == ("transcription", "both_tracks", 1795262400000)
    assert relay.transcription == spec().transcription
    assert made.is_on
    assert made.stream_ids == {"customer": "c1", "agent": "a1"}
    assert made.expires_at == 2_000_000_000


def test_command_before_the_media_waits_and_the_media_start_it(scene: Scene) -> None:
    waiting = scene.start()
    assert waiting.relay_id is None
    assert waiting.expires_at == int((NOW + timedelta(days=1)).timestamp())
    assert scene.start("2", LATER) == waiting
    assert scene.made() == []

    scene.put_call()
    scene.start_waiting()
    scene.start_waiting()

    [relay] = scene.made()
    assert scene.started == [relay.relay_id] == [scene.found().relay_id]
    assert relay.since == milliseconds(LATER)
    assert relay.transcription == spec().transcription
    assert scene.found().expires_at == 2_000_000_000


def test_media_start_no_transcription_without_room(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.start()
    scene.put_call()
    scene.limits = RunningLimits(command_bytes=10)
    scene.start_waiting()

    assert scene.made() == []
    assert "no room for a transcription" in caplog.text


def test_media_start_nothing_without_a_waiting_command_or_on_an_ended_call(scene: Scene) -> None:
    scene.put_call()
    scene.start_waiting()
    assert scene.made() == []

    scene.table.delete(call_key("acme", "CA1"))
    scene.start()
    scene.put_call(state="ended")
    scene.start_waiting()
    assert scene.made() == []


def test_media_that_come_while_a_command_is_written_are_transcribed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    transact = scene.table.transact

    def media_come(operations: Any) -> None:
        transact(operations)
        monkeypatch.setattr(scene.table, "transact", transact)
        scene.put_call()

    monkeypatch.setattr(scene.table, "transact", media_come)
    made = scene.start()

    assert scene.started == [made.relay_id]
    assert scene.found() == made


def test_waiting_command_takes_effect_once_whoever_sees_the_call_first(scene: Scene) -> None:
    scene.start()
    scene.put_call()
    again = scene.start("2", LATER)
    scene.start_waiting()

    [relay] = scene.made()
    assert (relay.relay_id, relay.since) == (again.relay_id, milliseconds(NOW))


def test_command_changes_nothing_while_the_call_is_transcribed(scene: Scene) -> None:
    scene.put_call()
    made = scene.start()

    assert scene.start("2", LATER, language="es-US") == made
    assert scene.started == [made.relay_id]


def test_transcription_resumes_with_a_new_relay_and_the_same_transcripts(scene: Scene) -> None:
    scene.put_call()
    scene.start()
    stopped = scene.stop()
    resumed = scene.start("2", LATER, language="es-US")

    assert (stopped.is_on, stopped.seconds) == (False, 90)
    assert (resumed.is_on, resumed.seconds, resumed.stopped_at) == (True, 0, None)
    assert resumed.stream_ids == stopped.stream_ids
    first, second = scene.made()
    assert scene.started == [first.relay_id, second.relay_id]
    assert second.since == milliseconds(LATER)
    assert second.transcription == spec("1", language="es-US").transcription


def test_command_replaces_a_relay_that_has_ended_by_itself(scene: Scene) -> None:
    scene.put_call()
    scene.start()
    scene.relays.advance(scene.made()[0], RelayEvent.FAIL, LATER)

    again = scene.start("2", LATER)
    assert again.relay_id == scene.made()[1].relay_id
    assert again.stream_ids == {"customer": "c1", "agent": "a1"}


@pytest.mark.parametrize(
    ("open_streams", "relays"), [({"s1", "s2"}, ["requested"]), ({"s2"}, ["stopped", "requested"])]
)
def test_command_replaces_a_relay_whose_streams_have_all_ended(
    scene: Scene, open_streams: set[str], relays: list[str]
) -> None:
    scene.put_call()
    scene.start()
    scene.put_call(streams={"s1", "s2"}, open_streams=open_streams)

    again = scene.start("2", LATER)
    assert [relay.state for relay in scene.made()] == relays
    assert again.relay_id == scene.made()[-1].relay_id
    assert again.stream_ids == {"customer": "c1", "agent": "a1"}


def test_command_of_an_earlier_version_is_carried_out_anew(scene: Scene) -> None:
    old = {"is_on": True, "stream_ids": {"customer": "c0", "agent": "a0"}, "settings": {}}
    key = transcription_key("acme", "CA1")
    scene.table.put(key | old | {"started_at": 0, "expires_at": 2_000_000_000})
    scene.put_call()
    scene.start_waiting()
    assert scene.made() == []

    assert scene.start().stream_ids == old["stream_ids"]
    assert len(scene.made()) == 1


def test_command_on_an_ended_call_is_refused(scene: Scene) -> None:
    scene.put_call(state="ended")

    with pytest.raises(CallEnded):
        scene.start()


def test_relay_that_could_not_be_started_stays_for_the_sweep(scene: Scene) -> None:
    scene.starter.down = True
    scene.start()
    scene.put_call()
    scene.start_waiting()
    assert [relay.state for relay in scene.made()] == ["requested"]

    scene.stop()
    with pytest.raises(Unavailable):
        scene.start("2", LATER + timedelta(seconds=1))
    assert scene.made()[1].state == "requested"


def test_stop_is_refused_if_another_command_came_between(scene: Scene) -> None:
    scene.start()
    found = scene.found()
    scene.put_call()
    scene.start_waiting()

    with pytest.raises(ConditionFailed):
        scene.transcriptions.stop("acme", "CA1", found, LATER)
