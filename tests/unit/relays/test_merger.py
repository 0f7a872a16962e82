"""The streams of a call, merged: in order, however late their records come."""

from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from callstream.dialects.events import Dtmf, Media, Stop, Vocabulary
from callstream.frames.records import (
    Disconnected,
    Halted,
    Record,
    Rejected,
    StreamEvent,
    Transcript,
)
from callstream.relays.merger import MergedEvent, StreamMerger

BEGAN_MS = 1_795_262_400_000


def frame(number: int, stream_id: str = "s1", later_ms: int = 0) -> Record:
    """Frame `number`, which was sent 20 ms after the one before it."""
    media = Media(number, "inbound", number, number * 20, bytes([number % 256]))
    at = BEGAN_MS + number * 20 + later_ms
    return Record(stream_id, "acme", "genagent", "twilio", at, media)


def numbers(events: Sequence[MergedEvent]) -> list[int]:
    return [event.sequence for _, event, _ in events if isinstance(event, Media)]


def begun() -> StreamMerger:
    """A merger that has given frame 1."""
    merger = StreamMerger()
    merger.take([frame(1)], 0.0)
    assert numbers(merger.take([], 1.01)) == [1]
    return merger


def test_a_stream_is_in_order_even_if_its_records_come_late() -> None:
    merger = begun()

    assert numbers(merger.take([frame(3)], 2.0)) == []
    assert numbers(merger.take([], 11.0)) == []
    assert numbers(merger.take([frame(2), frame(4)], 11.5)) == [2, 3, 4]


def test_a_lost_message_is_waited_for_for_a_second_of_the_carriers_time() -> None:
    merger = begun()
    said = [numbers(merger.take([frame(number)], 2.0)) for number in range(3, 150)]
    first = next(place for place, found in enumerate(said) if found)

    assert 50 <= first <= 105
    assert [number for found in said for number in found] == list(range(3, 150))


def test_a_lost_message_of_a_silent_carrier_is_not_waited_for_without_end() -> None:
    merger = begun()
    merger.take([frame(3)], 2.0)
    deadline = merger.deadline

    assert deadline is not None
    assert 12 < deadline < 14
    assert numbers(merger.take([], deadline)) == [3]


def test_the_end_comes_a_moment_after_the_disconnection() -> None:
    merger = begun()
    over = Record("s1", "acme", "genagent", "twilio", BEGAN_MS + 40, Disconnected(1005, ""))
    merger.take([over], 2.0)
    deadline = merger.deadline

    assert deadline is not None
    assert deadline < 3.5
    merger.take([], deadline)
    assert merger.over


def test_a_track_is_taken_from_one_stream_as_long_as_that_has_frames() -> None:
    merger = begun()
    merger.take([frame(1, "s2")], 2.0)
    said = [
        numbers(merger.take([frame(number), frame(number, "s2")], 2 + number / 50))
        for number in range(2, 200)
    ]

    assert said == [[number] for number in range(2, 200)]


def test_a_track_moves_to_another_stream_when_its_own_stops() -> None:
    merger = begun()
    for number in range(2, 100):
        merger.take([frame(number), frame(number, "s2")], 2 + number / 50)
    stop = Record("s1", "acme", "genagent", "twilio", BEGAN_MS + 2000, Stop(100, "CA1", "AC1"))
    said = merger.take([stop, frame(100, "s2"), frame(101, "s2")], 4.0)

    assert [(each.stream_id, number) for each in said for number in numbers([each])] == [
        ("s2", 100),
        ("s2", 101),
    ]


def test_a_track_moves_to_another_stream_when_its_own_falls_silent() -> None:
    merger = begun()
    # The connection broke, which is not known yet; the carrier connects again.
    found = [
        (number, stream_id)
        for number in range(1, 100)
        for stream_id, event, _ in merger.take([frame(number, "s2", 200)], 2 + number / 50)
        if isinstance(event, Media)
    ]

    assert {stream_id for _, stream_id in found} == {"s2"}
    assert found[0][0] <= 52
    assert [number for number, _ in found][-40:] == list(range(60, 100))
    # Frames that the first stream has after all are not wanted any more.
    assert numbers(merger.take([frame(2), frame(3)], 5.0)) == []


@given(st.randoms(use_true_random=False))
def test_frames_that_come_in_bursts_are_given_once_and_in_order(random: Random) -> None:
    merger, now, sent, said = begun(), 2.0, 2, [1]
    late: list[Record] = []
    while sent < 300:
        burst = [frame(number) for number in range(sent, sent + random.randint(1, 20))]
        sent += len(burst)
        # Of each burst, some come with the next one, less than a second behind, and some twice.
        batch = late + burst
        late = random.sample(burst, min(len(burst), 5))
        batch = [record for record in batch if record not in late]
        random.shuffle(batch)
        now += random.uniform(0, 8)
        said += numbers(merger.take(batch + batch[:3], now))
    said += numbers(merger.take(late, now + 5))

    assert said == list(range(1, sent))


def keys(events: Sequence[MergedEvent]) -> str:
    return "".join(event.digit for _, event, _ in events if isinstance(event, Dtmf))


def frames_of(stream_id: str, count: int) -> list[Record]:
    return [frame(number, stream_id) for number in range(1, count + 1)]


def merged(*found: Record) -> list[MergedEvent]:
    """The events of records that come one by one, and of what waits after them."""
    merger = StreamMerger()
    events: list[MergedEvent] = []
    for place, record in enumerate(found):
        events += merger.take([record], place * 0.02)
    return [*events, *merger.take([], 100.0)]


def test_keys_that_two_streams_report_count_once() -> None:
    """Some are pressed twice; the streams report them in one order or another."""
    digits = "112341"
    for seed in range(20):
        reports = [
            Record(
                "s1", "acme", "r", "signalwire", BEGAN_MS + 300 * place, Dtmf(place, "inbound", d)
            )
            for place, d in enumerate(digits, 1)
        ]
        late = [
            replace(each, stream_id="s2", received_at=each.received_at + 40) for each in reports
        ]
        mixed = sorted(
            [*reports, *late],
            key=lambda each: each.received_at + Random(f"{seed}{each}").random() * 30,  # noqa: S311
        )

        assert keys(merged(*mixed)) == digits


def test_keys_come_from_a_stream_that_is_not_the_one_with_the_audio() -> None:
    """Twilio reports keys on the bidirectional stream alone; the audio comes from the other one."""
    pressed = [
        Record(
            "s2",
            "acme",
            "r",
            "twilio",
            BEGAN_MS + 1210 + 200 * place,
            Dtmf(60 + place, "inbound", digit),
        )
        for place, digit in enumerate("123", 1)
    ]
    sent = [*frames_of("s1", 120), *frames_of("s2", 60), *pressed]

    assert keys(merged(*sorted(sent, key=lambda each: each.received_at))) == "123"


def test_keys_go_on_from_another_stream_when_one_has_fallen_silent() -> None:
    first = Record("s1", "acme", "r", "twilio", BEGAN_MS, Dtmf(1, "inbound", "1"))
    minute_later = replace(first, stream_id="s2", received_at=BEGAN_MS + 60_000)

    assert keys(merged(first, minute_later)) == "11"


def test_a_stream_that_comes_whole_keeps_what_is_before_a_loss() -> None:
    """Only a relay that joins in the middle begins above a hole."""
    merger = StreamMerger()
    merger.expect_whole(["s1"])
    sent = [frame(number) for number in range(1, 150) if number != 45]
    given = numbers(merger.take(sent, 0.0)) + numbers(merger.take([], 100.0))

    assert given == [*range(1, 45), *range(46, 150)]


def test_a_stopped_relay_is_named_at_once_with_the_time_of_its_command() -> None:
    merger = begun()
    halted = Record("s1", "acme", "genagent", None, BEGAN_MS + 70, Halted("r1"))

    assert merger.take([frame(3), halted], 2.0) == [("s1", Halted("r1"), BEGAN_MS + 70)]
    line = replace(halted, event=Transcript("r1", 1, "inbound", 0, 900, "en-US", "Hello."))
    assert merger.take([line], 2.0) == []


@given(st.randoms(use_true_random=True), st.integers(1, 20), st.integers(1, 150))
def test_a_relay_that_joins_a_shuffled_stream_begins_without_a_gap(
    random: Random, window: int, joined_after: int
) -> None:
    places = {number: number + random.random() * window for number in range(1, 301)}
    arrivals = sorted(places, key=lambda number: places[number])
    merger = StreamMerger()
    given: list[int] = []
    for place, number in enumerate(arrivals[joined_after:]):
        given += numbers(merger.take([frame(number)], place * 0.02))
    given += numbers(merger.take([], 60.0))

    assert given == [*range(max(arrivals[:joined_after]) + 1, 301)]


def test_a_client_that_is_answered_is_heard_after_its_stop_and_a_carrier_is_not() -> None:
    late: list[StreamEvent] = [
        Vocabulary(4, ()),
        Media(5, "inbound", 5, 60, b"late"),
        Stop(6),
        Rejected("not_json", "", 1, b"{"),
    ]
    for dialect, heard in (("asapp", [late[0], *late[2:]]), ("twilio", [])):
        merger = StreamMerger()
        merger.expect_whole(["s1"])
        records = [
            Record("s1", "acme", "autotranscribe", dialect, BEGAN_MS + place, event)
            for place, event in enumerate([Media(1, "inbound", 1, 0, b"1"), Stop(2), *late])
        ]
        merger.take(records[:2], 1.0)
        events = [each.event for each in merger.take(records[2:], 1.0)]

        assert events == heard
