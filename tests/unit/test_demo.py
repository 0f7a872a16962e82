"""The demo's verdict: it says so if anything is missing or different."""

from dataclasses import replace

import pytest

from callstream.adapters.kinesis_reader import Arrival
from callstream.dialects.events import Media, Start, Stop
from callstream.errors import UnreadableMessage
from callstream.records import Record, RecordEvent, Rejected
from callstream_cli.carrier.plan import CallPlan, Carrier
from callstream_cli.carrier.session import CallReport
from callstream_cli.demo.display import Scene
from callstream_cli.demo.landing import Landings, percentile
from callstream_cli.demo.verdict import problems

SENT_AT = 1_767_268_800.0


class World:
    """A call that has been sent, and what is on Kinesis of it: all of it, so far."""

    def __init__(self) -> None:
        carrier = Carrier(CallPlan({"inbound": bytes(480), "outbound": bytes(range(160)) * 3}))
        self.report = CallReport(carrier.identity)
        self.events: list[RecordEvent] = []
        for message in carrier.messages():
            self.report.count(message, SENT_AT)
            self.events.append(message.event)
        self.foreign = 0

    def scene(self) -> Scene:
        scene = Scene(60, self.report)
        scene.landings.add(_arrival(event) for event in self.events)
        nonsense = Arrival(UnreadableMessage("not_a_record", ""), "", "", "", 0)
        scene.landings.add([nonsense] * self.foreign)
        return scene

    def problems(self) -> str:
        scene = self.scene()
        return "; ".join(problems(self.report, scene.landing, scene.landings.unreadable))


def _arrival(event: RecordEvent, stream_id: str = "stream-1") -> Arrival:
    record = Record(stream_id, "demo", "genagent", "twilio", int(SENT_AT * 1000) + 2, event)
    return Arrival(record, stream_id, "shard-0", "1", int(SENT_AT * 1000) + 7)


@pytest.fixture
def world() -> World:
    return World()


def test_all_is_well_if_all_is_there(world: World) -> None:
    world.events = [*reversed(world.events), world.events[3]]

    assert world.problems() == ""
    landing = world.scene().landing
    assert landing is not None
    assert landing.complete


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (Start, "no start of this call has come to Kinesis"),
        (Media, "1 sequence numbers are missing; the inbound audio is not the audio"),
        (Stop, "no stop has come to Kinesis"),
    ],
)
def test_what_is_missing_is_named(world: World, kind: type, problem: str) -> None:
    missing = next(event for event in world.events if isinstance(event, kind))
    world.events.remove(missing)

    assert problem in world.problems()
    landing = world.scene().landing
    assert landing is None or not landing.complete


def test_different_audio_is_named(world: World) -> None:
    *before, stop = world.events
    last = before.pop()
    assert isinstance(last, Media)
    different = Media(last.sequence, last.track, last.chunk, last.timestamp, b"?" * 160)
    world.events = [*before, different, stop]

    assert world.problems() == f"the {last.track} audio is not the audio that was sent"


def test_rejected_conflicting_and_foreign_records_are_named(world: World) -> None:
    first = world.events[2]
    assert isinstance(first, Media)
    world.events += [
        Rejected("not_json", "cut", 1, b"{"),
        Media(first.sequence, first.track, first.chunk, first.timestamp, b"!"),
    ]
    world.foreign = 2

    found = world.problems()
    assert "1 messages were rejected; not_json: cut" in found
    assert "1 repeated records differ from the first" in found
    assert "2 records on the stream cannot be read" in found


def test_a_call_that_failed_says_why(world: World) -> None:
    world.report = replace(world.report, error="the gateway has hung up")

    assert world.problems() == "the gateway has hung up"


def test_other_calls_on_the_stream_do_not_matter(world: World) -> None:
    landings = Landings()
    landings.add(_arrival(event, "stream-2") for event in World().events)
    landings.add(_arrival(event, "stream-1") for event in world.events)

    landing = landings.of(world.report.identity.stream_id)
    assert landing is not None
    assert landing.stream_id == "stream-1"


def test_the_display_has_the_figures(world: World) -> None:
    line = world.scene().line()

    assert "call 0.1 of 0.1 s" in line
    assert "inbound 3 frames, 480 bytes" in line
    assert "records 9, of which 1 connected, 1 start, 6 media, 1 stop" in line
    assert "since sent p50 7 ms, p95 7 ms, in gateway p50 5 ms, p95 5 ms" in line
    assert "rejected" not in line


def test_odd_things_are_displayed_if_there_are_any(world: World) -> None:
    world.foreign = 1

    assert "unreadable 1" in world.scene().line()


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 5), (95, 10), (100, 10)])
def test_percentiles_are_values_that_occurred(percent: float, value: int) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == value
