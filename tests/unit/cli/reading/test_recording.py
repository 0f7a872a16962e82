"""Recorded streams: put together, and found by the names of calls."""

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.dialects.events import Dtmf, Mark, Media, Stop
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames.arrivals import Arrival
from callstream.frames.recording import StreamRecording
from callstream.frames.records import RecordEvent, Rejected
from callstream_cli.reading.recording import Clock, Collector, collect, story_of
from tests.unit.cli.reading.stories import (
    BEGAN,
    CONNECTED,
    GONE,
    arrival,
    frames,
    noise,
    record,
    start,
    story,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@given(st.randoms(use_true_random=False))
def test_recording_does_not_depend_on_the_order_of_arrival(random: Random) -> None:
    media = frames({"inbound": noise(1600, 1), "outbound": noise(1600, 2)})
    key = Dtmf(sequence=22, track="inbound", digit="1")
    events: list[RecordEvent] = [start(), *media, key, Stop(sequence=23)]
    arrivals: list[RecordEvent] = [*events, *random.sample(events, 5), CONNECTED, GONE]
    random.shuffle(arrivals)

    made = story(*arrivals)

    assert made.events == [CONNECTED, *events, GONE]
    assert (made.missing, made.repeats, made.ended) == (0, 5, True)
    assert made.frames() == {"inbound": 10, "outbound": 10}


def test_recording_finds_the_place_of_a_record_that_came_an_hour_later() -> None:
    media = frames({"inbound": noise(800, 1)})
    recording = StreamRecording()
    events: list[RecordEvent] = [start(), *media[:2], *media[3:], Stop(sequence=7)]
    for event in events:
        recording.add(record(event))
    recording.add(record(media[2]))

    assert story_of(recording).events == [start(), *media, Stop(sequence=7)]
    assert story_of(recording).missing == 0


def test_recording_puts_events_without_a_number_where_they_were_received() -> None:
    media = frames({"inbound": noise(480, 1)})
    mark = Mark(sequence=None, name="m")
    recording = StreamRecording()
    events: list[RecordEvent] = [start(), *media, Stop(sequence=5)]
    for place, event in enumerate(events):
        recording.add(record(event, at=BEGAN + place * 20, dialect="signalwire"))
    for _ in range(2):
        recording.add(record(mark, at=BEGAN + 30))
    rejected = Rejected("not_json", "", 3, b"{{{")
    recording.add(record(rejected, at=BEGAN + 70))

    made = story_of(recording)
    assert made.events == [start(), media[0], mark, *media[1:], rejected, Stop(sequence=5)]
    assert (made.repeats, made.rejected, made.missing) == (1, 1, 0)


def test_recording_starts_when_the_start_was_received() -> None:
    media = frames({"inbound": bytes(160)})

    assert story(CONNECTED, start(), *media).started_at == BEGAN + 1
    assert story(*media, at=BEGAN + 5).started_at == BEGAN + 5


def test_recording_counts_missing_messages() -> None:
    media = frames({"inbound": noise(1600, 1)})

    assert story(start(), *media[:3], *media[6:]).missing == 3
    assert story(*media[1:]).missing == 0
    assert story(CONNECTED).missing == 0


def test_recording_loses_nothing_when_the_numbering_begins_anew() -> None:
    first = frames({"inbound": noise(160 * 40, 1)})
    second = frames({"inbound": noise(160 * 40, 2)}, first=1)
    recording = StreamRecording()
    events: list[RecordEvent] = [start(), *first, *second]
    for place, event in enumerate(events):
        at = BEGAN + place * 20 + (5000 if place > len(first) else 0)
        recording.add(record(event, at=at))

    made = story_of(recording)
    heard = b"".join(event.audio for event in made.events if isinstance(event, Media))
    assert heard == noise(160 * 40, 1) + noise(160 * 40, 2)


# Finding ----------------------------------------------------------------------------------------


class Shelf:
    """What is kept on the stream; two records come with each poll."""

    def __init__(self, *arrivals: Arrival) -> None:
        self.arrivals = list(arrivals)
        self.opened = 0
        self.now = 0.0
        self.down_until = 0.0
        self.on_caught_up: Callable[[], object] = lambda: None
        self._at = 0

    def open(self) -> "Shelf":
        self.opened += 1
        self._at = 0
        return self

    @property
    def caught_up(self) -> bool:
        if self._at < len(self.arrivals):
            return False
        self.on_caught_up()
        return self._at >= len(self.arrivals)

    def poll(self) -> list[Arrival]:
        if self.down_until > self.now:
            raise Unavailable("kinesis", "ProvisionedThroughputExceededException")
        polled = self.arrivals[self._at : self._at + 2]
        self._at += len(polled)
        return polled

    def seconds_until_due(self) -> float:
        return 0.5

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def collect(self, name: str, *, follow: bool = False) -> list[str]:
        clock = Clock(lambda: self.now, self.sleep)
        self.collector = collect(self.open, name, clock, follow=follow)
        return [made.stream_id for made in self.collector.stories()]


def two_streams() -> Shelf:
    other = start(call_id="CA2", carrier_stream_id="MZ2", session_id="SESSION")
    return Shelf(
        arrival(CONNECTED),
        arrival(CONNECTED, "s2", BEGAN + 5),
        arrival(frames({"inbound": bytes(160)})[0]),
        arrival(other, "s2", BEGAN + 10),
        arrival(start(session_id="SESSION")),
        Arrival(UnreadableMessage("not_a_record", ""), "x", "a", BEGAN),
        arrival(Stop(sequence=3), "s2", BEGAN + 20),
        arrival(GONE),
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("s1", ["s1"]),
        ("CA1", ["s1"]),
        ("CA2", ["s2"]),
        ("MZ2", ["s2"]),
        ("SESSION", ["s1", "s2"]),
        ("CA3", []),
    ],
)
def test_collector_finds_streams_by_their_names(name: str, found: list[str]) -> None:
    shelf = two_streams()

    assert shelf.collect(name) == found
    assert shelf.opened == 1


def test_collector_finds_a_stream_by_its_stop_without_a_start() -> None:
    media = frames({"inbound": bytes(800)})
    shelf = Shelf(*map(arrival, media), arrival(Stop(sequence=9, call_id="CA1")))

    assert shelf.collect("CA1") == ["s1"]
    assert shelf.collector.recordings["s1"].records == 6


def test_collector_keeps_records_before_a_late_start() -> None:
    shelf = two_streams()
    shelf.collect("CA1")

    assert shelf.collector.recordings["s1"].records == 4


def test_collector_reads_again_after_a_very_late_start() -> None:
    media = frames({"inbound": bytes(160 * 700)})
    shelf = Shelf(*map(arrival, media), arrival(start()))

    assert shelf.collect("CA1") == ["s1"]
    assert shelf.opened == 2
    assert shelf.collector.recordings["s1"].records == 701


def test_collector_reads_again_after_a_start_behind_the_end() -> None:
    shelf = Shelf(arrival(CONNECTED), arrival(GONE), arrival(start()))

    assert shelf.collect("CA1") == ["s1"]
    assert shelf.collector.recordings["s1"].records == 3


def test_collector_keeps_no_records_of_other_calls() -> None:
    shelf = two_streams()
    collector = Collector("CA1")
    for one in (*shelf.arrivals, *[arrival(start(call_id="CA9"), "s9")] * 9):
        collector.add(one)

    assert not collector._undecided


def test_collector_follows_until_the_stream_has_ended_and_is_quiet() -> None:
    shelf = Shelf(arrival(start()))
    shelf.on_caught_up = lambda: (
        shelf.arrivals.append(arrival(Stop(sequence=2)))
        if shelf.now >= 10 and len(shelf.arrivals) == 1
        else None
    )

    shelf.collect("CA1", follow=True)

    assert [made.ended for made in shelf.collector.stories()] == [True]
    assert 12 < shelf.now < 15


def test_collector_waits_for_a_call_that_has_not_begun() -> None:
    shelf = Shelf()
    shelf.on_caught_up = lambda: (
        shelf.arrivals.extend([arrival(start()), arrival(GONE)])
        if shelf.now >= 10 and not shelf.arrivals
        else None
    )

    assert shelf.collect("CA1", follow=True) == ["s1"]


def test_collector_waits_a_minute_for_an_outage() -> None:
    shelf = two_streams()
    shelf.down_until = 50
    assert shelf.collect("CA1") == ["s1"]

    shelf.now, shelf.down_until = 0, 100
    with pytest.raises(Unavailable):
        shelf.collect("CA1")


def test_ctrl_c_ends_the_following_but_not_the_command() -> None:
    shelf = Shelf(arrival(start()))

    def interrupt() -> None:
        if shelf.now > 5:
            raise KeyboardInterrupt

    shelf.on_caught_up = interrupt

    assert shelf.collect("CA1", follow=True) == ["s1"]
    assert shelf.collector.interrupted
