"""The demo's verdict and display: missing and different data are reported."""

from dataclasses import replace

import pytest
from rich.console import Console

from callstream.audio.formats import PCMU_8K
from callstream.dialects import DIALECTS
from callstream.dialects.events import CarrierEvent, Media, Start, Stop, Track
from callstream.errors import UnreadableMessage
from callstream.frames.arrivals import Arrival
from callstream.frames.records import Record, RecordEvent, Rejected, Transcript
from callstream_cli.carrier.plan import CallPlan, Carrier
from callstream_cli.carrier.session import CallReport
from callstream_cli.demo.consumers import VENDORS, Consumer
from callstream_cli.demo.conversation import Said
from callstream_cli.demo.display import DemoView
from callstream_cli.demo.landing import Landings, percentile
from callstream_cli.demo.summary import of_a_busy_machine, of_call, of_fork, of_transcript
from callstream_cli.demo.transcript import in_words, recognised
from callstream_cli.demo.verdict import problems
from callstream_cli.listener.behaviour import Handshake
from callstream_cli.listener.fork_state import ForkState

SENT_AT = 1_767_268_800.0


class World:
    """A call that has been sent, and what is on Kinesis of it: all of it, so far."""

    def __init__(self) -> None:
        carrier = Carrier(CallPlan({"inbound": bytes(480), "outbound": bytes(range(160)) * 3}))
        self.report = CallReport(identity=carrier.identity)
        self.events: list[RecordEvent] = []
        for message in carrier.messages():
            self.report.count(message, SENT_AT)
            self.events.append(message.event)
        self.foreign = 0

    def view(self) -> DemoView:
        view = DemoView(60, self.report)
        view.landings.add(_arrival(event) for event in self.events)
        nonsense = Arrival(UnreadableMessage("not_a_record", ""), "", "", 0)
        view.landings.add([nonsense] * self.foreign)
        return view

    def problems(self) -> str:
        view = self.view()
        return "; ".join(problems(self.report, view.landing, view.landings.unreadable))


def _arrival(event: RecordEvent, stream_id: str = "stream-1") -> Arrival:
    record = Record(stream_id, "demo", "genagent", "twilio", int(SENT_AT * 1000) + 2, event)
    return Arrival(record, stream_id, "shard-0", int(SENT_AT * 1000) + 7)


@pytest.fixture
def world() -> World:
    return World()


def test_verdict_of_a_whole_call_has_no_problems(world: World) -> None:
    world.events = [*reversed(world.events), world.events[3]]

    assert world.problems() == ""
    landing = world.view().landing
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
def test_missing_records_are_reported(world: World, kind: type, problem: str) -> None:
    missing = next(event for event in world.events if isinstance(event, kind))
    world.events.remove(missing)

    assert problem in world.problems()
    landing = world.view().landing
    assert landing is None or not landing.complete


def test_different_audio_is_reported(world: World) -> None:
    *before, stop = world.events
    last = before.pop()
    assert isinstance(last, Media)
    different = Media(last.sequence, last.track, last.chunk, last.timestamp, b"?" * 160)
    world.events = [*before, different, stop]

    assert world.problems() == f"the {last.track} audio is not the audio that was sent"


def test_rejected_conflicting_and_foreign_records_are_reported(world: World) -> None:
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


def test_failed_call_is_explained(world: World) -> None:
    world.report = replace(world.report, error="the gateway has hung up")

    assert world.problems() == "the gateway has hung up"


def test_other_calls_on_the_stream_are_ignored(world: World) -> None:
    landings = Landings()
    landings.add(_arrival(event, "stream-2") for event in World().events)
    landings.add(_arrival(event, "stream-1") for event in world.events)

    landing = landings.of(world.report.identity.stream_id)
    assert landing is not None
    assert landing.stream_id == "stream-1"


def test_display_has_the_figures(world: World) -> None:
    rows = shown(world.view())

    assert "call 0.1 of 0.1 s" in rows
    assert "inbound 3 frames, 480 bytes" in rows
    assert "records 9" in rows
    assert "of which 1 connected, 1 start, 6 media, 1 stop" in rows
    assert "since sent p50 7 ms, p95 7 ms" in rows
    assert "in gateway p50 5 ms, p95 5 ms" in rows
    assert not any("rejected" in row for row in rows)


def test_line_of_a_log_has_the_figures(world: World) -> None:
    view = world.view()
    assert view.line() == (
        "0.1 of 0.1 s: sent 9, landed 9, Telnyx 0, SignalWire 0; p50 7 ms, p95 7 ms"
    )
    view.report = None
    assert view.line() == "connecting"


def test_line_of_a_log_is_never_long(world: World) -> None:
    view = world.view()
    view.landings.unreadable = 10**50

    assert len(view.line()) == 100
    assert view.line().endswith("…")


def test_display_has_faults_only_if_there_are_any(world: World) -> None:
    world.foreign = 1

    assert "unreadable 1" in shown(world.view())
    assert "unreadable 1" in world.view().line()


def shown(view: DemoView) -> list[str]:
    """The rows of the display, each with single spaces; those of two panels apart."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(view.picture())
    cells = capture.get().replace("│", "\n").splitlines()
    return [" ".join(cell.split()) for cell in cells]


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 5), (95, 10), (100, 10)])
def test_percentile_is_a_value_that_occurred(percent: float, value: int) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == value


# ── forks ────────────────────────────────────────────────────────────────────────────────────────

JOINED = 2
LATE = 0.03


class Forked:
    """A call with speech behind silence, and a fork that has joined it and got all since."""

    def __init__(self, dialect: str = "telnyx", silent: int = 1) -> None:
        speech = bytes(range(160)) + bytes(range(90, 250)) + bytes(range(40, 200))
        audio: dict[Track, bytes] = {
            "inbound": b"\xff" * 160 * silent + speech,
            "outbound": b"\xff" * 160 * silent + speech[::-1],
        }
        carrier = Carrier(CallPlan(audio))
        self.report = CallReport(identity=carrier.identity)
        self.dialect = dialect
        self.events: list[CarrierEvent] = [
            Start(1, "fork", "call", "AC", ("inbound", "outbound"), PCMU_8K)
        ]
        self.received_at = [SENT_AT]
        for number, message in enumerate(carrier.messages()):
            sent_at = SENT_AT + number * 0.02
            self.report.count(message, sent_at)
            match message.event:
                case Media(chunk=chunk) as media if chunk > JOINED:
                    own = len(self.events) + 1
                    self.events.append(Media(own, media.track, chunk - JOINED, 0, media.audio))
                    self.received_at.append(sent_at + LATE)
        self.events.append(Stop(len(self.events) + 1, "call", "AC"))
        self.received_at.append(SENT_AT + 60)

    def consumer(self) -> Consumer:
        consumer = Consumer(VENDORS[0])
        state = ForkState(1, Handshake("/", {}))
        for event, at in zip(self.events, self.received_at, strict=False):
            text = DIALECTS[self.dialect].render(event, "fork")
            consumer.take(state, state.take(text, at), at)
        return consumer

    def problems(self) -> str:
        return "; ".join(self.consumer().problems(self.report))


def test_fork_that_is_whole_since_it_joined_has_no_problems() -> None:
    assert Forked().problems() == ""


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        (1, "Telnyx: 1 chunks missing"),
        (3, "Telnyx: the inbound audio is not the call's from where it joined to the end"),
        (-2, "Telnyx: the outbound audio is not the call's from where it joined to the end"),
        (-1, "Telnyx: the fork has ended without a stop"),
    ],
)
def test_missing_parts_of_a_fork_are_reported(place: int, problem: str) -> None:
    forked = Forked()
    del forked.events[place]

    assert problem in forked.problems()


def test_fork_with_different_audio_is_reported() -> None:
    forked = Forked()
    last = forked.events[-2]
    assert isinstance(last, Media)
    forked.events[-2] = Media(last.sequence, last.track, last.chunk, 0, b"?" * 160)

    assert forked.problems() == (
        f"Telnyx: the {last.track} audio is not the call's from where it joined to the end"
    )


def test_fork_in_another_dialect_is_reported() -> None:
    assert Forked(dialect="signalwire").problems() == "Telnyx: the fork is in signalwire"


def test_fork_without_audio_is_reported() -> None:
    forked = Forked()
    forked.events = [forked.events[0], Stop(2, "call", "AC")]

    assert forked.problems() == (
        "Telnyx: no inbound audio has come; Telnyx: no outbound audio has come"
    )


def test_fork_that_never_came_is_reported(world: World) -> None:
    view = world.view()
    failed = Consumer(VENDORS[1], error="refused")

    found = problems(world.report, view.landing, 0, [Consumer(VENDORS[0]), failed])

    assert found == ["Telnyx: no fork has come", "SignalWire: refused"]
    assert not view.complete


def test_latencies_are_measured_from_the_carrier_to_the_consumer() -> None:
    forked = Forked()
    consumer = forked.consumer()

    assert consumer.joined(forked.report, "inbound") == JOINED
    assert consumer.joined_seconds(forked.report) == pytest.approx(0.04)
    latencies = consumer.latencies(forked.report)
    assert latencies == pytest.approx([LATE * 1000] * len(latencies))
    assert len(latencies) == 2 * 2
    assert len(consumer.latencies(forked.report, begin_seconds=0.02)) == 2
    assert len(consumer.latencies(forked.report, end_seconds=0.02)) == 2


def test_silent_fork_has_no_known_place_until_it_ends() -> None:
    forked = Forked(silent=5)
    forked.events = forked.events[:3]
    unsure = forked.consumer()

    assert unsure.has_audio
    assert unsure.joined(forked.report, "inbound") is None
    assert unsure.latencies(forked.report) == []
    assert Forked(silent=5).consumer().joined(forked.report, "inbound") == JOINED


def test_silent_call_is_placed_by_its_end() -> None:
    forked = Forked()
    silence: dict[Track, bytes] = {"inbound": b"\xff" * 800}
    carrier = Carrier(CallPlan(silence))
    report = CallReport(identity=carrier.identity)
    for message in carrier.messages():
        report.count(message, SENT_AT)
    frames = [Media(number, "inbound", number - 1, 0, b"\xff" * 160) for number in (2, 3)]
    forked.events = [forked.events[0], *frames, Stop(4, "call", "AC")]

    assert forked.consumer().joined(report, "inbound") == 3


def test_display_has_the_forks() -> None:
    forked = Forked()
    view = DemoView(60, forked.report, consumers=[forked.consumer(), Consumer(VENDORS[1])])

    rows = shown(view)
    assert any("fork in Telnyx's dialect" in row for row in rows)
    assert {"inbound 2 frames", "outbound 2 frames"} <= set(rows)
    assert "joined at 0.0 s" in rows
    assert "since sent p50 30 ms, p95 30 ms" in rows
    assert "fork none yet" in rows
    assert "Telnyx 4, SignalWire 0" in view.line()


def test_summary_of_a_fork_tells_its_first_second_apart() -> None:
    forked = Forked()
    consumer = forked.consumer()
    summary = list(of_fork(forked.report, consumer))

    assert summary == [
        "Forked   in Telnyx's dialect, joined at 0.0 s: 2 inbound and 2 outbound frames",
        "Latency  p95 30 ms in its first 1 s, which waits for order",
    ]
    assert list(of_fork(forked.report, Consumer(VENDORS[1]))) == []


@pytest.mark.parametrize(("seconds", "lines"), [(0, 0), (0.04, 0), (0.7, 1)])
def test_busy_machine_is_named_when_frames_wait_for_the_emulator(
    world: World, seconds: float, lines: int
) -> None:
    landing = world.view().landing
    assert landing is not None
    landing.arrived_at = {
        number: at + round(seconds * 1000) for number, at in landing.arrived_at.items()
    }
    found = list(of_a_busy_machine(world.report, landing))

    assert len(found) == lines
    for line in found:
        assert "this machine is busy: frames waited 702 ms for the emulator" in line
        assert len(line) <= 100


def test_summary_of_a_call_fits_a_log(world: World) -> None:
    landing = world.view().landing
    assert landing is not None
    summary = list(of_call(world.report, landing))

    assert [line.split()[0] for line in summary] == ["Sent", "Landed", "Latency"]
    assert summary[2] == "Latency  since sent p50 7 ms, p95 7 ms; in gateway p50 5 ms, p95 5 ms"
    assert max(map(len, summary)) <= 100


SAID = (
    Said("inbound", 0, "My water has been off since this morning, and it is cold."),
    Said("outbound", 0, "I am sorry."),
)
WORDS = SAID[0].text


def line(number: int, text: str, track: Track = "inbound") -> Transcript:
    return Transcript("r1", number, track, 0, 40, "en-US", text)


@pytest.mark.parametrize(
    ("heard", "right", "is_good"),
    [
        (["My water has been off since this morning", "and it is cold."], 12, True),
        (["my WATER has been off since this morning, and it is gold"], 11, True),
        (["My water has been off since this morning."], 8, False),
        ([f"{WORDS} Yes, yes, yes."], 12, False),
        (["And it is cold. My water has been off since this morning."], 8, False),
        ([], 0, False),
    ],
)
def test_words_are_compared_in_their_order(heard: list[str], right: int, *, is_good: bool) -> None:
    transcript = [line(number, text) for number, text in enumerate(heard, 1)]

    found = recognised(SAID, transcript)["inbound"]

    assert (found.expected, found.right, found.is_good) == (12, right, is_good)


def test_verdict_has_the_words_that_were_not_recognised(world: World) -> None:
    world.events.append(line(1, "I am story.", "outbound"))
    view = world.view()

    assert problems(world.report, view.landing, 0, (), SAID) == [
        "the transcript has 0 of the caller's 12 words right, among 0",
        "the transcript has 2 of the agent's 3 words right, among 3",
    ]


def test_call_is_complete_with_its_last_words(world: World) -> None:
    view = world.view()
    view.consumers, view.said = (), SAID
    assert not view.complete

    view.landings.add([_arrival(line(1, WORDS)), _arrival(line(1, "I am story", "outbound"))])

    assert view.complete


def test_lines_are_shown_once_as_they_come(world: World) -> None:
    view = world.view()
    assert view.new_lines() == []

    view.landings.add([_arrival(line(1, "One."))])
    assert [*map(in_words, view.new_lines())] == ["  0.0 s  caller  One."]

    view.landings.add([_arrival(line(1, "One.")), _arrival(line(1, "Two.", "outbound"))])
    assert [*map(in_words, view.new_lines())] == ["  0.0 s  agent   Two."]


def test_summary_has_the_time_from_the_last_word_to_its_line(world: World) -> None:
    view = world.view()
    assert view.landing is not None
    assert [*of_transcript(world.report, view.landing)] == []

    view.landings.add([_arrival(line(1, "One."))])

    assert "transcript" not in "".join(of_call(world.report, view.landing))
    assert [*of_transcript(world.report, view.landing)] == [
        "Heard    1 lines, p50 7 ms, p95 7 ms after their last words were sent"
    ]
