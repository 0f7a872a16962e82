"""A stream put together from its records."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.formats import PCMU_8K
from callstream.dialects.events import Connected, Dtmf, Media, Start, Stop, Track
from callstream.frames.recording import StreamRecording
from callstream.frames.records import Disconnected, Record, RecordEvent, Rejected

START = Start(1, "MZ1", "CA1", "AC1", ("inbound", "outbound"), PCMU_8K)


def record(event: RecordEvent) -> Record:
    return Record("stream-1", "acme", "genagent", "twilio", 0, event)


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
def test_order_and_repeats_do_not_matter(random: Random, repeats: list[RecordEvent]) -> None:
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


def test_what_is_missing_is_counted_and_left_out() -> None:
    bad = Rejected("not_json", "", 1, b"{")
    recording = recorded([START, media(6, "inbound", b"c"), media(3, "inbound", b"a"), bad])

    assert recording.audio("inbound") == b"ac"
    assert recording.stats().missing == 3
    assert recording.stats().rejected == 1


def test_a_stream_without_its_start_counts_from_what_there_is() -> None:
    stats = recorded([media(10, "inbound", b"a"), media(12, "inbound", b"a")]).stats()

    assert stats.missing == 1


def test_a_repeat_that_differs_is_a_conflict_and_the_first_stays() -> None:
    recording = recorded([media(2, "inbound", b"a"), media(2, "inbound", b"b")])

    assert recording.audio("inbound") == b"a"
    assert (recording.stats().repeats, recording.stats().conflicts) == (1, 1)


def test_nothing_is_nothing() -> None:
    stats = StreamRecording().stats()

    assert (stats.frames, stats.missing) == ({}, 0)
