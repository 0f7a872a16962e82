"""A stream put together from its records."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from callstream.audio.formats import PCMU_8K
from callstream.dialects.events import Connected, Dtmf, Media, Start, Stop, Track
from callstream.frames.recording import StreamRecording
from callstream.frames.records import (
    Disconnected,
    Halted,
    Record,
    RecordEvent,
    Rejected,
    Transcript,
)

START = Start(1, "MZ1", "CA1", "AC1", ("inbound", "outbound"), PCMU_8K)


def record(event: RecordEvent, at: int = 0) -> Record:
    return Record("stream-1", "acme", "genagent", "twilio", at, event)


def media(sequence: int, track: Track, audio: bytes) -> Media:
    return Media(sequence, track, sequence, sequence * 20, audio)


STORY: list[RecordEvent] = [
    Connected("Call", "1.0.0"),
    START,
    media(2, "inbound", b"a"),
    media(3, "outbound", b"x"),
    media(4, "inbound", b"b"),
    Dtmf(5, "inbound", "7"),
    media(6, "outbound", b"y"),
    Stop(7, "CA1", "AC1"),
    Disconnected(1000, ""),
]


def recorded(events: list[RecordEvent]) -> StreamRecording:
    recording = StreamRecording()
    for event in events:
        recording.add(record(event))
    return recording


@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(STORY[1:-1])))
def test_recording_is_the_same_for_any_order_and_repeats(
    random: Random, repeats: list[RecordEvent]
) -> None:
    events = [*STORY, *repeats]
    random.shuffle(events)
    recording = recorded(events)

    assert recording.audio("inbound") == b"ab"
    assert recording.audio("outbound") == b"xy"
    assert recording.events() == STORY
    assert (recording.connected, recording.start, recording.stop, recording.disconnected) == (
        STORY[0],
        STORY[1],
        STORY[-2],
        STORY[-1],
    )
    stats = recording.stats()
    assert stats.frames == {"inbound": 2, "outbound": 2}
    assert (stats.missing, stats.repeats, stats.conflicts) == (0, len(repeats), 0)


def test_recording_counts_missing_messages_and_leaves_them_out() -> None:
    bad = Rejected("not_json", "", 1, b"{")
    recording = recorded([START, media(6, "inbound", b"c"), media(3, "inbound", b"a"), bad])

    assert recording.audio("inbound") == b"ac"
    assert recording.stats().missing == 3
    assert recording.stats().rejected == 1


def test_recording_without_a_start_counts_from_the_lowest_number() -> None:
    stats = recorded([media(10, "inbound", b"a"), media(12, "inbound", b"a")]).stats()

    assert stats.missing == 1


def test_recording_keeps_the_first_of_two_that_differ_in_one_millisecond() -> None:
    recording = recorded([media(2, "inbound", b"a"), media(2, "inbound", b"b")])

    assert recording.audio("inbound") == b"a"
    assert (recording.stats().repeats, recording.stats().conflicts) == (1, 1)


def test_recording_of_nothing_is_empty() -> None:
    stats = StreamRecording().stats()

    assert (stats.frames, stats.missing) == ({}, 0)


def numbered_anew() -> list[Record]:
    """Five frames, and ten seconds later five others with the same numbers, as bytes 0 to 9."""
    return [
        record(media(2 + place % 5, "inbound", bytes([place])), at=20 * place + place // 5 * 10_000)
        for place in range(10)
    ]


@given(st.randoms(use_true_random=False))
def test_recording_orders_by_time_when_the_numbering_begins_anew(random: Random) -> None:
    records = numbered_anew()
    repeats = random.sample(records, 3)
    recording = StreamRecording()
    shuffled = [*records, *repeats]
    random.shuffle(shuffled)
    for each in shuffled:
        recording.add(each)

    assert recording.audio("inbound") == bytes(range(10))
    stats = recording.stats()
    assert (stats.repeats, stats.conflicts, stats.missing) == (3, 5, 0)


def test_recording_counts_missing_messages_of_each_numbering() -> None:
    recording = StreamRecording()
    for place, each in enumerate(numbered_anew()):
        if place not in {2, 8}:
            recording.add(each)

    assert recording.audio("inbound") == bytes([0, 1, 3, 4, 5, 6, 7, 9])
    assert recording.stats().missing == 2


@given(st.randoms(use_true_random=False))
def test_recording_drops_a_lone_conflict_and_keeps_the_order_of_the_numbers(
    random: Random,
) -> None:
    numbers = range(2, 301)
    records = [
        record(
            media(number, "inbound", number.to_bytes(2)),
            at=20 * number + 30 * (number % 10 == 0),
        )
        for number in numbers
    ]
    strays = [record(media(number, "inbound", b"??"), at=20 * number + 3_001) for number in (5, 92)]
    shuffled = [record(START), *records, *strays]
    random.shuffle(shuffled)
    recording = StreamRecording()
    for each in shuffled:
        recording.add(each)

    assert recording.audio("inbound") == b"".join(number.to_bytes(2) for number in numbers)
    stats = recording.stats()
    assert (stats.missing, stats.conflicts) == (0, 2)


def test_recording_takes_what_a_carrier_sends_again_at_once_for_a_repeat() -> None:
    recording = StreamRecording()
    for at in (0, 2_000):
        recording.add(record(media(2, "inbound", b"a"), at=at))

    assert recording.audio("inbound") == b"a"
    assert (recording.stats().repeats, recording.stats().conflicts) == (1, 0)


def test_recording_has_the_stream_and_the_time_of_its_start() -> None:
    recording = StreamRecording()
    assert recording.started_at == 0
    recording.add(record(media(2, "inbound", b"a"), at=7))
    assert recording.started_at == 7
    recording.add(record(START, at=9))

    assert (recording.started_at, recording.records) == (9, 2)
    assert (recording.stream_id, recording.tenant_id, recording.dialect) == (
        "stream-1",
        "acme",
        "twilio",
    )
    assert not recording.has_ended


def test_start_tells_the_dialect_of_a_recording_in_whatever_order_its_records_come() -> None:
    first = record(Connected("Call", "1.0.0"))
    start = replace(record(START), dialect="telnyx")
    for records in ([first, start], [start, first]):
        recording = StreamRecording()
        for each in records:
            recording.add(each)
        assert recording.dialect == "telnyx"


def test_recording_is_of_the_call_of_its_first_start() -> None:
    recording = StreamRecording()
    recording.add(record(START, at=1))
    recording.add(record(replace(START, sequence=9, call_id="CA2"), at=2))

    assert recording.start == START


def test_recording_has_the_lines_of_the_transcript_each_once_by_their_times() -> None:
    def line(number: int, track: Track, start_ms: int) -> Transcript:
        return Transcript("r1", number, track, start_ms, start_ms + 900, "en-US", "Hello.")

    first, reply, last = line(1, "inbound", 0), line(1, "outbound", 500), line(2, "inbound", 800)
    recording = StreamRecording()
    came: list[tuple[int, RecordEvent]] = [(1, START), (9, Disconnected(1000, "")), (4, first)]
    for at, event in [*came, (3, reply), (11, last), (5, Halted("r1")), (12, last)]:
        recording.add(record(event, at))

    assert recording.transcript == [first, reply, last]
    assert recording.events() == [
        START,
        reply,
        first,
        Halted("r1"),
        last,
        Disconnected(1000, ""),
    ]
