"""The streams of a call, merged: in order, however late their records come."""

from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from callstream.dialects.events import Dtmf, Media, Stop
from callstream.frames.records import Disconnected, Record
from callstream.relays.merger import StreamMerger

BEGAN_MS = 1_795_262_400_000


def frame(number: int, stream_id: str = "s1", later_ms: int = 0) -> Record:
    """Frame `number`, which was sent 20 ms after the one before it."""
    media = Media(number, "inbound", number, number * 20, bytes([number % 256]))
    at = BEGAN_MS + number * 20 + later_ms
    return Record(stream_id, "acme", "genagent", "twilio", at, media)


def numbers(events: Sequence[tuple[str, object]]) -> list[int]:
    return [event.sequence for _, event in events if isinstance(event, Media)]


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

    assert [
        (stream, number) for stream, event in said for number in numbers([(stream, event)])
    ] == [
        ("s2", 100),
        ("s2", 101),
    ]


def test_a_track_moves_to_another_stream_when_its_own_falls_silent() -> None:
    merger = begun()
    # The connection broke, which is not known yet; the carrier connects again.
    found = [
        (number, stream_id)
        for number in range(1, 100)
        for stream_id, event in merger.take([frame(number, "s2", 200)], 2 + number / 50)
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


def key(number: int, digit: str, stream_id: str) -> Record:
    """A key that a carrier reports at the time of frame `number`."""
    at = BEGAN_MS + number * 20
    event = Dtmf(number, "inbound", digit)
    return Record(stream_id, "acme", "genagent", "signalwire", at, event)


def keys(events: Sequence[tuple[str, object]]) -> str:
    return "".join(event.digit for _, event in events if isinstance(event, Dtmf))


def test_a_key_that_two_streams_report_counts_once_from_the_stream_with_its_track() -> None:
    merger = begun()
    outbound = Record(
        "s2", "acme", "genagent", "signalwire", BEGAN_MS + 20, Media(1, "outbound", 1, 20, b"x")
    )
    merger.take([outbound], 1.02)
    merger.take([], 3.0)
    found: list[tuple[str, object]] = []
    for place, digit in enumerate("1234", 2):
        found += merger.take([key(place, digit, "s2"), key(place, digit, "s1")], 3.0 + place)

    assert keys(found) == "1234"
    assert {stream_id for stream_id, event in found if isinstance(event, Dtmf)} == {"s1"}


def test_keys_of_two_streams_without_audio_count_once_and_go_on_when_one_ends() -> None:
    merger = StreamMerger()
    found: list[tuple[str, object]] = []
    for place, digit in enumerate("12", 1):
        found += merger.take([key(place, digit, "s1"), key(place, digit, "s2")], float(place))
    found += merger.take([], 20.0)
    ended = Record("s1", "acme", "genagent", "signalwire", BEGAN_MS + 60, Disconnected(1000, ""))
    found += merger.take([ended], 20.1)
    found += merger.take([], 40.0)
    found += merger.take([key(3, "3", "s2")], 40.1)

    assert keys(found) == "123"


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
