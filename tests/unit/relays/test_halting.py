"""Stopping a transcription: the cut, the end of its relay, and what the answer knows."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.calls.lifecycle import RelayEvent
from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import stream_key
from callstream.errors import NotFound, Unavailable
from callstream.frames import records
from callstream.frames.records import Halted, Record
from callstream.relays.halting import StoppedTranscription, TrackSummary, TranscriptionStop
from callstream.times import milliseconds
from tests.template import create_table
from tests.unit.items import started_stream
from tests.unit.relays.test_transcriptions import LATER, Scene

SUMMARY = {
    "inbound": {"audio_bytes": 1_438_400, "audio_ms": 89_900, "lines": 7},
    "outbound": {"audio_bytes": 1_400_000, "audio_ms": 87_500, "lines": 4},
    "seconds": 89,
}


class StopScene(Scene):
    """A transcribed call with two open streams; `in_waits` is what happens in each wait."""

    def __init__(self, table: DynamoTable) -> None:
        super().__init__(table)
        self.refused = False
        self.put: list[Record] = []
        self.waits: list[float] = []
        self.states: list[str] = []
        self.in_waits: list[Callable[[], None]] = []
        streams = StreamStore(table, timedelta(days=1))
        self.stopping = TranscriptionStop(
            self.transcriptions, self.relays, streams, _Frames(self), self._pause
        )
        for number in (1, 2):
            stream = started_stream(f"s{number}", route="autotranscribe", connected_at=number)
            item = {name: getattr(stream, name) for name in stream.__struct_fields__}
            item = {name: value for name, value in item.items() if value is not None}
            table.put(stream_key(stream.stream_id) | item)
        self.put_call(streams={"s0", "s1", "s2"}, open_streams={"s1", "s2"})

    def stop_command(self, now: datetime = LATER) -> StoppedTranscription:
        return self.stopping.stop("acme", "CA1", now)

    def run_starts(self) -> None:
        """A run becomes the owner of the last relay."""
        self.relays.advance(self.made()[-1], RelayEvent.CONNECT, LATER, {"owner_run_id": "run"})

    def run_ends(self, *, summary: bool = True, event: RelayEvent = RelayEvent.STOP) -> None:
        """The run of the last relay ends it: a command has stopped it, or it fails."""
        relay = self.made()[-1]
        last: dict[str, Any] = {"notified_at": 1}
        last |= {"summary": SUMMARY} if summary else {}
        last |= {"error": "engine"} if event is RelayEvent.FAIL else {}
        if not self.relays.advance(relay, event, LATER, last):
            self.relays.conclude(relay, last)

    def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.states.append(self.made()[-1].state)
        if len(self.waits) <= len(self.in_waits):
            self.in_waits[len(self.waits) - 1]()


class _Frames:
    def __init__(self, scene: StopScene) -> None:
        self._scene = scene

    def put(self, partition_key: str, data: bytes) -> None:
        if self._scene.refused:
            raise Unavailable("kinesis", "Down")
        record = records.decode(data)
        assert partition_key == record.stream_id
        # The command counts only once the records are there.
        assert self._scene.found().is_on
        self._scene.put.append(record)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[StopScene]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield StopScene(DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable")))


def test_stop_halts_the_relay_on_every_open_stream_and_awaits_the_summary(
    scene: StopScene,
) -> None:
    relay_id = scene.start().relay_id
    scene.run_starts()
    scene.in_waits = [scene.run_ends]
    stopped = scene.stop_command()

    assert [(each.stream_id, each.route, each.received_at) for each in scene.put] == [
        (stream_id, "autotranscribe", milliseconds(LATER)) for stream_id in ("s1", "s2")
    ]
    assert {each.event for each in scene.put} == {Halted(str(relay_id))}
    # The run is stopped by the time of the first wait.
    assert scene.states == ["stopped"]
    assert stopped.seconds == 89
    assert stopped.sides == {
        "customer": TrackSummary(1_438_400, 89_900, 7),
        "agent": TrackSummary(1_400_000, 87_500, 4),
    }
    assert (stopped.error, scene.found().is_on) == (None, False)


def test_relay_without_a_run_gets_time_to_transcribe_what_was_said(scene: StopScene) -> None:
    scene.start()
    scene.in_waits = [lambda: None, scene.run_starts, lambda: None, scene.run_ends]
    stopped = scene.stop_command()

    assert scene.states == ["requested", "requested", "stopped", "stopped"]
    assert stopped.sides["customer"].lines == 7


def test_relay_that_no_run_takes_is_stopped(scene: StopScene) -> None:
    scene.start()
    stopped = scene.stop_command()

    assert sum(scene.waits) == pytest.approx(15)
    assert scene.made()[0].state == "stopped"
    assert stopped.sides["customer"] == TrackSummary()


def test_second_stop_changes_nothing_and_answers_the_same(scene: StopScene) -> None:
    scene.start()
    scene.run_starts()
    scene.in_waits = [scene.run_ends]
    stopped = scene.stop_command()

    assert scene.stop_command(LATER + timedelta(seconds=5)) == stopped
    assert len(scene.put) == 2


def test_stop_before_the_media_cancels_the_command(scene: StopScene) -> None:
    scene.table.delete({"pk": "CALL#acme#CA1", "sk": "CALL"})
    scene.start()
    stopped = scene.stop_command()
    scene.put_call()
    scene.start_waiting()

    assert (stopped.seconds, stopped.sides, scene.put, scene.waits) == (90, {}, [], [])
    assert scene.made() == []


def test_stop_is_not_carried_out_while_kinesis_refuses(scene: StopScene) -> None:
    scene.start()
    scene.refused = True
    with pytest.raises(Unavailable):
        scene.stop_command()

    assert scene.found().is_on
    assert scene.made()[0].is_active


def test_run_that_does_not_answer_is_stopped_and_its_summary_is_known_later(
    scene: StopScene,
) -> None:
    scene.start()
    scene.run_starts()
    stopped = scene.stop_command()

    assert sum(scene.waits) == pytest.approx(8)
    assert not scene.made()[0].is_active
    assert (stopped.seconds, stopped.sides["customer"]) == (90, TrackSummary())

    scene.relays.conclude(scene.made()[0], {"summary": SUMMARY})
    assert scene.stop_command().sides["customer"].lines == 7


def test_stop_after_the_end_answers_at_once(scene: StopScene) -> None:
    scene.start()
    scene.run_ends()
    scene.put_call(state="ended", open_streams=None)
    stopped = scene.stop_command()

    assert (scene.put, scene.waits) == ([], [])
    assert stopped.sides["agent"].lines == 4


def test_failure_of_the_relay_is_in_the_answer(scene: StopScene) -> None:
    scene.start()
    scene.run_ends(summary=False, event=RelayEvent.FAIL)

    assert scene.stop_command().error == "engine"


def test_call_that_was_never_transcribed_cannot_be_stopped(scene: StopScene) -> None:
    with pytest.raises(NotFound):
        scene.stop_command()
