"""A stream's events in order: what the consumers of a stream can rely on."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from callstream.audio.formats import PCMU_8K
from callstream.dialects import DIALECTS
from callstream.dialects.events import Connected, Dtmf, Mark, Media, Start, Stop, Track
from callstream.frames.recording import StreamRecording
from callstream.frames.records import (
    Disconnected,
    Record,
    RecordEvent,
    Rejected,
    Returned,
    Transcript,
)
from callstream.frames.stream_counts import StreamCounts
from callstream.frames.stream_order import OrderedEvent, OrderedStream, StreamSnapshot
from callstream.reordering.window import Window

FOREVER = 1e9
EPOCH = 1_700_000_000_000

CONNECTED = Connected("Call", "1.0.0")
START = Start(1, "MZ1", "CA1", "AC1", ("inbound", "outbound"), PCMU_8K)
GONE = Disconnected(1000, "")
BAD = Rejected("not_json", "", 1, b"{")


def record(event: RecordEvent, at: float = 0.0) -> Record:
    return Record("stream-1", "acme", "genagent", "twilio", EPOCH + round(at * 1000), event)


def media(sequence: int, audio: bytes = b"\xff" * 160) -> Media:
    return Media(sequence, "inbound", sequence, sequence * 20, audio)


def line(number: int, track: Track = "inbound") -> Transcript:
    return Transcript("r1", number, track, 0, 900, "en-US", "Hello.")


def stop(sequence: int) -> Stop:
    return Stop(sequence, "CA1", "AC1")


@dataclass(frozen=True)
class Came:
    """An event that is read at a time, in seconds; it was received when it first came."""

    at: float
    event: RecordEvent
    received_at: float | None = None

    @property
    def record(self) -> Record:
        return record(self.event, self.at if self.received_at is None else self.received_at)


def story(events: Iterable[RecordEvent], since: float = 0.0) -> list[Came]:
    return [Came(since + index / 50, event) for index, event in enumerate(events)]


def plain(events: Iterable[OrderedEvent]) -> list[RecordEvent]:
    return [each.event for each in events]


def push(order: OrderedStream, record: Record, now: float) -> list[RecordEvent]:
    return plain(order.push(record, now))


def read(order: OrderedStream, arrivals: Sequence[Came]) -> list[RecordEvent]:
    """Push each record at its time, and wake at every deadline between."""
    events: list[RecordEvent] = []
    for came in arrivals:
        events += wake(order, came.at)
        events += push(order, came.record, came.at)
    return events


def wake(order: OrderedStream, until: float = FOREVER) -> list[RecordEvent]:
    events: list[RecordEvent] = []
    while (deadline := order.deadline) is not None and deadline <= until:
        before = order.snapshot()
        events += plain(order.expire(deadline))
        assert order.snapshot() != before
    return events


def accounted(counts: StreamCounts) -> int:
    return counts.released + counts.repeats + counts.late + counts.strays


# Whole streams -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """A stream, as it was sent and as its records come."""

    sent: list[RecordEvent] = field(repr=False)
    arrivals: list[Came] = field(repr=False)
    repeats: int


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Shuffled inside the window, some lost, some repeated then or much later."""
    random = draw(st.randoms(use_true_random=True))
    window = draw(st.integers(1, 25))
    lost = draw(st.sampled_from([0.0, 0.1, 0.5]))
    sent: list[RecordEvent] = [START]
    for sequence in range(2, draw(st.integers(2, 200))):
        if sequence % 50 == 0:
            sent.append(Dtmf(sequence, "inbound", "7"))
        elif random.random() >= lost:
            sent.append(media(sequence, random.choice([b"\xff" * 160, random.randbytes(160)])))
    if draw(st.booleans()):
        sent.append(stop(draw(st.sampled_from([201, 900]))))
    if not isinstance(sent[-1], Stop) or draw(st.booleans()):
        sent.append(GONE)
    arrivals: list[Came] = []
    repeats = 0
    for index, event in enumerate(sent):
        at = (index + random.random() * window) / 50
        arrivals.append(Came(at, event))
        if random.random() < 0.1:
            arrivals.append(Came(at + random.choice([0.0, 0.1, 3.0]), event, received_at=at))
            repeats += 1
    return Call(sent, sorted(arrivals, key=lambda came: came.at), repeats)


@given(calls())
def test_order_gives_every_event_of_a_call_once_and_unchanged(call: Call) -> None:
    order = OrderedStream()

    events = read(order, call.arrivals) + wake(order)

    assert events == call.sent
    assert order.ended == (GONE in call.sent)
    frames = [event for event in call.sent if isinstance(event, Media)]
    counts = order.counts
    assert counts.frames == ({"inbound": len(frames)} if frames else {})
    assert counts.audio_bytes == 160 * len(frames)
    assert (counts.repeats, counts.late, counts.strays) == (call.repeats, 0, 0)
    assert counts.restarts == 0
    times = [came.record.received_at for came in call.arrivals]
    assert (counts.first_at, counts.last_at) == (min(times), max(times))


@given(calls(), st.integers(0, 250))
def test_order_goes_on_from_a_snapshot(call: Call, handover: int) -> None:
    order = OrderedStream(Window())
    events = read(order, call.arrivals[:handover])
    snapshot = order.snapshot()
    data = msgspec.msgpack.encode(snapshot)
    order = OrderedStream.resume(msgspec.msgpack.decode(data, type=StreamSnapshot), Window())

    assert order.snapshot() == snapshot
    events += read(order, call.arrivals[handover:]) + wake(order)
    assert events == call.sent
    assert accounted(order.counts) == len(call.arrivals)


numbers = st.integers(0, 30) | st.integers(990, 1040) | st.integers(0, 2**53 - 1)
any_events: st.SearchStrategy[RecordEvent] = st.one_of(
    st.sampled_from([CONNECTED, BAD, GONE, START]),
    numbers.map(media),
    st.builds(media, numbers, st.binary(max_size=2)),
    numbers.map(stop),
    st.builds(Mark, numbers, st.just("m")),
    st.builds(replace, st.just(START), sequence=numbers),
)


@given(
    arrivals=st.lists(st.tuples(any_events, st.floats(0, 2)), max_size=80),
    window=st.builds(Window, messages=st.integers(0, 8), seconds=st.floats(0, 3)),
    joins=st.booleans(),
)
def test_order_accounts_for_whatever_comes_and_ends_at_the_end(
    arrivals: list[tuple[RecordEvent, float]], window: Window, *, joins: bool
) -> None:
    order = OrderedStream(window, joins=joins)
    now = 0.0
    events: list[RecordEvent] = []
    for event, pause in arrivals:
        now += pause
        events += push(order, record(event, now), now)
        assert order.deadline is None or order.deadline > now
    events += wake(order)
    assert plain(order.flush()) == []
    assert order.deadline is None

    came = [event for event, _ in arrivals]
    assert accounted(order.counts) == len(came)
    assert order.counts.released == len(events)
    assert order.ended == (GONE in came)
    starts = [event for event in came if isinstance(event, Start)]
    # The one that came first; one with a lower number may overtake it.
    assert all(start in events for start in starts[:1])
    stops = [place for place, event in enumerate(events) if isinstance(event, Stop)]
    assert len(stops) <= 1
    if any(isinstance(event, Stop) for event in before_the_end(came)):
        assert stops
    if stops:
        assert {type(event) for event in events[stops[0] + 1 :]} <= {Start, Disconnected}
    if GONE in events:
        assert {type(event) for event in events[events.index(GONE) + 1 :]} <= {Start}


def before_the_end(events: list[RecordEvent]) -> list[RecordEvent]:
    return events[: events.index(GONE)] if GONE in events else events


# Without a number ----------------------------------------------------------------------------


def test_order_gives_events_without_a_number_at_once() -> None:
    order = OrderedStream()
    push(order, record(media(2)), 0.0)

    assert push(order, record(CONNECTED), 0.0) == [CONNECTED]
    assert push(order, record(BAD), 0.0) == [BAD]
    assert order.counts.rejected == {"not_json": 1}


def test_order_gives_a_mark_without_a_number_at_once() -> None:
    order = OrderedStream()
    mark = Mark(None, "hello")  # type: ignore[arg-type, unused-ignore]

    assert push(order, record(mark), 0.0) == [mark]
    assert push(order, record(mark), 0.1) == []  # Kinesis says it again
    assert push(order, record(mark, at=0.5), 0.5) == [mark]  # the carrier says it again
    assert order.counts.repeats == 1


def test_order_remembers_only_the_latest_events_without_a_number() -> None:
    order = OrderedStream()
    for number in range(100):
        push(order, record(BAD, at=number), number)

    assert len(order.snapshot().unnumbered.latest) == 16


# Start ---------------------------------------------------------------------------------------


def test_start_comes_first_although_it_was_overtaken() -> None:
    order = OrderedStream()

    assert push(order, record(media(2)), 0.0) == []
    assert push(order, record(START), 0.5) == [START, media(2)]


def test_start_that_is_later_than_the_window_is_given_once() -> None:
    order = OrderedStream()
    read(order, story(media(number) for number in range(2, 200)))

    assert push(order, record(START), 60.0) == [START]
    assert push(order, record(START), 61.0) == []
    assert push(order, record(media(200)), 61.0) == [media(200)]
    assert (order.counts.repeats, order.counts.late) == (1, 0)


@pytest.mark.parametrize("number", [0, 1, 77, 5000])
def test_start_is_given_whatever_its_number_is(number: int) -> None:
    order = OrderedStream()
    start = replace(START, sequence=number)
    arrivals = story([START, *(media(number) for number in range(2, 100))])[1:]

    events = read(order, [*arrivals, Came(3.0, start), Came(4.0, stop(100)), Came(5.0, GONE)])

    assert events.count(start) == 1


@pytest.mark.parametrize("dialect", ["twilio", "telnyx", "signalwire"])
def test_start_without_a_number_does_not_take_the_place_of_a_frame(dialect: str) -> None:
    protocol = DIALECTS[dialect]
    message = json.loads(protocol.render(START, "MZ1"))
    del message[{"telnyx": "sequence_number"}.get(dialect, "sequenceNumber")]
    start = protocol.parse(json.dumps(message))
    arrivals = [start, media(1), media(2), stop(3)]
    order, recording = OrderedStream(), StreamRecording()
    for event in arrivals:
        recording.add(record(event))

    assert read(order, story(arrivals)) == recording.events() == arrivals
    assert order.counts.skipped == recording.stats().missing == recording.stats().conflicts == 0


@pytest.mark.parametrize("last", [stop(4), GONE])
def test_start_is_given_even_after_the_end(last: RecordEvent) -> None:
    order = OrderedStream()
    read(order, story([media(2), media(3), last]))
    wake(order)

    assert push(order, record(START), 600.0) == [START]
    assert push(order, record(START), 601.0) == []


def test_start_after_the_end_does_not_wait_for_its_turn() -> None:
    order = OrderedStream()
    read(order, [Came(0.0, GONE)])
    wake(order)
    start = replace(START, sequence=5)

    assert push(order, record(start), 60.0) == [start]
    assert order.deadline is None


def test_start_beyond_the_stop_is_given_although_other_messages_are_dropped() -> None:
    order = OrderedStream()
    start = replace(START, sequence=9)
    events = read(order, story([media(1), start, media(8), stop(3), GONE])) + wake(order)

    assert events == [media(1), start, stop(3), GONE]
    assert order.counts.strays == 1


def test_second_start_is_an_event_like_others() -> None:
    order = OrderedStream()
    second = replace(START, sequence=3, call_id="CA2")

    assert read(order, story([START, second, media(2)])) == [START, media(2), second]


def test_start_is_given_at_once_to_a_reader_that_joins() -> None:
    order = OrderedStream(joins=True)

    assert push(order, record(media(500)), 0.0) == []
    assert push(order, record(START), 0.1) == [START]
    assert wake(order) == [media(500)]
    assert order.counts.gaps == 0


# The end -------------------------------------------------------------------------------------


def test_stop_waits_for_the_last_frames() -> None:
    order = OrderedStream()

    assert read(order, story([START, stop(4), media(3), media(2)]))[1:] == [
        media(2),
        media(3),
        stop(4),
    ]


def test_stop_waits_for_the_window_and_comes_after_waiting_messages() -> None:
    order = OrderedStream()
    read(order, story([START, media(2)]))
    push(order, record(stop(9)), 1.0)
    push(order, record(media(7)), 1.5)

    assert order.deadline == 2.5
    assert plain(order.expire(2.5)) == [media(7), stop(9)]
    assert push(order, record(media(3)), 2.6) == []
    assert push(order, record(media(7)), 2.7) == []
    assert (order.counts.late, order.counts.repeats) == (1, 1)


def test_stop_is_followed_by_no_higher_number() -> None:
    order = OrderedStream()

    events = read(order, story([START, media(4), stop(3), BAD, media(2), media(5), BAD]))

    assert events == [START, BAD, media(2), stop(3)]
    assert (order.counts.strays, order.counts.late, order.counts.repeats) == (1, 2, 0)
    assert order.deadline is None


@pytest.mark.parametrize("number", [0, 2, 5000, 2**53 - 1])
def test_stop_ends_the_stream_whatever_its_number_is(number: int) -> None:
    order = OrderedStream()
    read(order, story([START, *(media(number) for number in range(2, 12)), media(13)]))
    push(order, record(stop(number)), 1.0)

    assert wake(order, 1.9) == [media(13)]
    assert wake(order) == [stop(number)]
    assert push(order, record(media(14)), 3.0) == []


def test_stop_without_a_number_ends_the_stream_after_the_window() -> None:
    order = OrderedStream()
    last = Stop(None, "CA1", "AC1")  # type: ignore[arg-type, unused-ignore]
    read(order, story([START, media(3)]))
    push(order, record(last), 0.5)
    push(order, record(replace(last, call_id="CA2")), 0.7)

    assert order.deadline == 1.02
    assert wake(order) == [media(3), last]
    assert order.counts.repeats == 1


def test_stop_that_is_due_first_is_the_end() -> None:
    order = OrderedStream()
    events = read(order, story([START, stop(5000), stop(2), GONE])) + wake(order)

    assert events == [START, stop(2), GONE]
    assert order.counts.late == 1


def test_disconnected_waits_for_late_frames_and_comes_last() -> None:
    order = OrderedStream()
    events = read(order, story([START, media(3), GONE, media(4)]))

    assert (events, order.ended) == ([START], False)
    push(order, record(media(5)), 0.9)
    assert wake(order, 1.03) == [media(3), media(4), media(5)]
    assert (order.deadline, order.ended) == (1.04, False)
    assert plain(order.expire(1.04)) == [GONE]
    assert (order.deadline, order.ended) == (None, True)
    assert push(order, record(media(6)), 1.1) == []
    assert push(order, record(GONE), 1.1) == []
    assert (order.counts.late, order.counts.repeats) == (1, 1)


def test_stop_after_disconnected_ends_the_stream_at_once() -> None:
    order = OrderedStream()

    assert read(order, story([START, GONE, stop(2)])) == [START, stop(2), GONE]
    assert order.ended


def test_disconnected_after_stop_ends_the_stream_at_once() -> None:
    order = OrderedStream()

    assert read(order, story([START, stop(2), GONE])) == [START, stop(2), GONE]
    assert order.ended


def test_flush_gives_what_is_there() -> None:
    order = OrderedStream()
    read(order, story([START, media(3)]))
    assert plain(order.flush()) == [media(3)]
    assert not order.ended

    order = OrderedStream()
    read(order, story([START, stop(9), media(3), GONE]))
    assert plain(order.flush()) == [media(3), stop(9), GONE]
    assert order.ended
    assert plain(order.flush()) == []


def test_repeat_after_the_stop_is_a_repeat_for_a_successor_too() -> None:
    order = OrderedStream()
    sent = story([START, media(2), media(4), stop(5)])
    read(order, sent)
    wake(order)
    order = OrderedStream.resume(order.snapshot())

    assert read(order, [Came(3.0, came.event, came.at) for came in sent]) == []
    assert (order.counts.repeats, order.counts.late) == (4, 0)
    # One that never came, and one that cannot be.
    assert read(order, [Came(3.0, media(3), 0.05), Came(3.0, media(9), 0.07)]) == []
    assert (order.counts.repeats, order.counts.late) == (4, 2)


# Restarts ------------------------------------------------------------------------------------


@given(st.integers(110, 300), st.integers(60, 300), st.floats(0, 5))
def test_order_loses_nothing_but_time_when_the_numbering_begins_anew(
    old: int, new: int, pause: float
) -> None:
    # Silence on both sides: only the times tell a frame from its namesake.
    sent: list[RecordEvent] = [START, *(media(number) for number in range(2, old))]
    second: list[RecordEvent] = [media(number) for number in range(1, new)]
    order = OrderedStream()
    arrivals = story(sent) + story([*second, stop(new)], since=old / 50 + pause)
    events = read(order, [*arrivals, Came(100.0, GONE)]) + wake(order)

    assert events == [*sent, *second, stop(new), GONE]
    assert order.counts.restarts == 1


def test_frames_from_the_overflow_are_late_although_nothing_else_comes() -> None:
    order = OrderedStream()
    sent = story([START, *(media(number) for number in range(2, 300))])
    live = [*sent[:100], *sent[199:260]]
    overflow = [Came(15.0 + came.at, came.event, came.at) for came in sent[100:199]]
    rest = [Came(20.0 + came.at, came.event, came.at) for came in sent[260:]]

    events = read(order, [*live, *overflow, *rest]) + wake(order)

    assert events == [came.event for came in [*live, *rest]]
    assert (order.counts.restarts, order.counts.late) == (0, 99)


def test_order_gives_events_with_the_time_of_receipt() -> None:
    order = OrderedStream()
    order.push(record(media(2), at=1.0), 5.0)

    assert order.push(record(START, at=0.5), 5.1) == [
        OrderedEvent(EPOCH + 500, START),
        OrderedEvent(EPOCH + 1000, media(2)),
    ]


def test_message_after_the_end_was_due_is_late_without_a_call_of_expire() -> None:
    order = OrderedStream()
    read(order, story([START, media(2), GONE]))

    assert push(order, record(media(3), at=60.0), 60.0) == [GONE]
    assert (order.ended, order.counts.late) == (True, 1)


def test_counts_are_a_copy() -> None:
    order = OrderedStream()
    read(order, story([START, media(2)]))
    counts = order.counts
    read(order, story([media(3)], since=1.0))

    assert (counts.frames, counts.released) == ({"inbound": 1}, 2)


# Transcripts ---------------------------------------------------------------------------------


def test_line_that_comes_again_is_a_repeat_whenever_it_was_received() -> None:
    order = OrderedStream()
    read(order, story([CONNECTED, START]))
    answers = [Returned("r1", number, b"a") for number in range(30)]
    events: list[RecordEvent] = [line(1), *answers, line(1, "outbound")]

    for now, event in enumerate(events, 1):
        assert push(order, record(event, now), now) == [event]

    order = OrderedStream.resume(order.snapshot())
    assert push(order, record(line(1), 40), 40) == []
    assert push(order, record(line(2), 41), 41) == [line(2)]
    assert order.counts.repeats == 1


def test_last_lines_are_given_although_the_stream_has_ended() -> None:
    order = OrderedStream()
    read(order, story([CONNECTED, START, media(2), stop(3), GONE]))
    assert order.ended

    assert push(order, record(line(1), 2), 2) == [line(1)]
    assert push(order, record(line(1), 3), 3) == []
    assert push(order, record(Returned("r1", 1, b"a"), 4), 4) == []

    assert (order.counts.repeats, order.counts.late) == (1, 1)
