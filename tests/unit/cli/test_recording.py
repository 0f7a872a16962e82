"""Recorded streams: put together, as stereo files with silence for what is lost, and as messages
to play again.
"""

import io
import json
import re
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, get_args

import audioop
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from callstream.audio.formats import AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import Connected, Dtmf, Error, Mark, Media, Start, Stop, Track
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames.arrivals import Arrival
from callstream.frames.recording import StreamRecording
from callstream.frames.records import Disconnected, Record, RecordEvent, Rejected
from callstream_cli import audio
from callstream_cli.reading import raw
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.recording import Clock, Collector, Story, collect, story_of
from callstream_cli.reading.replay import DialectName
from callstream_cli.reading.script import Script, carrier_stream_id, script
from callstream_cli.reading.stereo import combine, samples

BEGAN = 1_767_268_800_000
TRACKS: tuple[Track, ...] = ("inbound", "outbound")
CONNECTED = Connected(protocol="Call", version="1.0.0")
GONE = Disconnected(1000, "")


def start(**fields: Any) -> Start:
    given: dict[str, Any] = {
        "sequence": 1,
        "carrier_stream_id": "MZ1",
        "call_id": "CA1",
        "account_id": "AC1",
        "tracks": TRACKS,
        "format": AudioFormat(encoding="PCMU", sample_rate=8000, channels=1),
        "parameters": {"agent": "7"},
    }
    return Start(**given | fields)


def frames(said: dict[Track, bytes], size: int = 160, ms: int = 20, first: int = 2) -> list[Media]:
    """Both tracks' frames by turns, as a carrier sends them."""
    media: list[Media] = []
    longest = max(map(len, said.values()))
    for index, at in enumerate(range(0, longest, size)):
        for track, content in said.items():
            if piece := content[at : at + size]:
                number = first + len(media)
                media.append(
                    Media(
                        sequence=number,
                        track=track,
                        chunk=index + 1,
                        timestamp=index * ms,
                        audio=piece,
                    )
                )
    return media


def noise(size: int, seed: int) -> bytes:
    return Random(seed).randbytes(size)  # noqa: S311


def record(
    event: RecordEvent, stream: str = "s1", at: int = BEGAN, dialect: str = "twilio"
) -> Record:
    return Record(stream, "acme", "genagent", dialect, at, event)


def arrival(event: RecordEvent, stream: str = "s1", at: int = BEGAN) -> Arrival:
    return Arrival(record(event, stream, at), stream, "a", at)


def story(
    *events: RecordEvent, at: int = BEGAN, dialect: str = "twilio", stream: str = "s1"
) -> Story:
    recording = StreamRecording()
    for offset, event in enumerate(events):
        recording.add(record(event, stream, at + offset, dialect))
    return story_of(recording)


def channels(wav: bytes) -> tuple[int, list[np.ndarray[Any, Any]]]:
    with wave.open(io.BytesIO(wav)) as reader:
        assert reader.getsampwidth() == 2
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
        return reader.getframerate(), [samples[at :: reader.getnchannels()] for at in range(2)]


# Putting together ------------------------------------------------------------------------------


@given(st.randoms(use_true_random=False))
def test_the_order_of_arrival_and_repeats_do_not_matter(random: Random) -> None:
    media = frames({"inbound": noise(1600, 1), "outbound": noise(1600, 2)})
    key = Dtmf(sequence=22, track="inbound", digit="1")
    events: list[RecordEvent] = [start(), *media, key, Stop(sequence=23)]
    arrivals: list[RecordEvent] = [*events, *random.sample(events, 5), CONNECTED, GONE]
    random.shuffle(arrivals)

    made = story(*arrivals)

    assert made.events == [CONNECTED, *events, GONE]
    assert (made.missing, made.repeats, made.ended) == (0, 5, True)
    assert made.frames() == {"inbound": 10, "outbound": 10}


def test_a_record_that_was_put_back_an_hour_later_finds_its_place() -> None:
    media = frames({"inbound": noise(800, 1)})
    recording = StreamRecording()
    events: list[RecordEvent] = [start(), *media[:2], *media[3:], Stop(sequence=7)]
    for event in events:
        recording.add(record(event))
    recording.add(record(media[2]))

    assert story_of(recording).events == [start(), *media, Stop(sequence=7)]
    assert story_of(recording).missing == 0


def test_what_has_no_number_stands_where_it_was_received() -> None:
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


def test_a_stream_has_started_when_its_start_was_received() -> None:
    media = frames({"inbound": bytes(160)})

    assert story(CONNECTED, start(), *media).started_at == BEGAN + 1
    assert story(*media, at=BEGAN + 5).started_at == BEGAN + 5


def test_missing_messages_are_counted() -> None:
    media = frames({"inbound": noise(1600, 1)})

    assert story(start(), *media[:3], *media[6:]).missing == 3
    assert story(*media[1:]).missing == 0
    assert story(CONNECTED).missing == 0


def test_a_carrier_that_numbers_anew_loses_nothing() -> None:
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


# Finding ---------------------------------------------------------------------------------------


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
def test_streams_are_found_by_their_names(name: str, found: list[str]) -> None:
    shelf = two_streams()

    assert shelf.collect(name) == found
    assert shelf.opened == 1


def test_a_stream_whose_start_is_no_longer_kept_is_found_by_its_stop() -> None:
    media = frames({"inbound": bytes(800)})
    shelf = Shelf(*map(arrival, media), arrival(Stop(sequence=9, call_id="CA1")))

    assert shelf.collect("CA1") == ["s1"]
    assert shelf.collector.recordings["s1"].records == 6


def test_what_came_before_a_late_start_belongs_to_it() -> None:
    shelf = two_streams()
    shelf.collect("CA1")

    assert shelf.collector.recordings["s1"].records == 4


def test_a_start_that_is_very_late_makes_it_read_again() -> None:
    media = frames({"inbound": bytes(160 * 700)})
    shelf = Shelf(*map(arrival, media), arrival(start()))

    assert shelf.collect("CA1") == ["s1"]
    assert shelf.opened == 2
    assert shelf.collector.recordings["s1"].records == 701


def test_a_start_after_the_end_makes_it_read_again() -> None:
    shelf = Shelf(arrival(CONNECTED), arrival(GONE), arrival(start()))

    assert shelf.collect("CA1") == ["s1"]
    assert shelf.collector.recordings["s1"].records == 3


def test_records_of_other_calls_are_not_kept() -> None:
    shelf = two_streams()
    collector = Collector("CA1")
    for one in (*shelf.arrivals, *[arrival(start(call_id="CA9"), "s9")] * 9):
        collector.add(one)

    assert not collector._undecided


def test_following_goes_on_until_the_stream_has_ended_and_nothing_comes() -> None:
    shelf = Shelf(arrival(start()))
    shelf.on_caught_up = lambda: (
        shelf.arrivals.append(arrival(Stop(sequence=2)))
        if shelf.now >= 10 and len(shelf.arrivals) == 1
        else None
    )

    shelf.collect("CA1", follow=True)

    assert [made.ended for made in shelf.collector.stories()] == [True]
    assert 12 < shelf.now < 15


def test_following_waits_for_a_call_that_has_not_begun() -> None:
    shelf = Shelf()
    shelf.on_caught_up = lambda: (
        shelf.arrivals.extend([arrival(start()), arrival(GONE)])
        if shelf.now >= 10 and not shelf.arrivals
        else None
    )

    assert shelf.collect("CA1", follow=True) == ["s1"]


def test_an_outage_is_waited_for_a_minute() -> None:
    shelf = two_streams()
    shelf.down_until = 50
    assert shelf.collect("CA1") == ["s1"]

    shelf.now, shelf.down_until = 0, 100
    with pytest.raises(Unavailable):
        shelf.collect("CA1")


def test_ctrl_c_ends_the_following_only() -> None:
    shelf = Shelf(arrival(start()))

    def interrupt() -> None:
        if shelf.now > 5:
            raise KeyboardInterrupt

    shelf.on_caught_up = interrupt

    assert shelf.collect("CA1", follow=True) == ["s1"]
    assert shelf.collector.interrupted


# Stereo ----------------------------------------------------------------------------------------

CODECS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "PCMU": (1, lambda data: audioop.ulaw2lin(data, 2)),
    "PCMA": (1, lambda data: audioop.alaw2lin(data, 2)),
    "L16": (2, lambda data: audioop.byteswap(data, 2)),
}


@given(
    codec=st.sampled_from(sorted(CODECS)),
    rate=st.sampled_from([8000, 16_000, 24_000]),
    count=st.integers(1, 30),
    random=st.randoms(use_true_random=False),
)
def test_every_frame_is_where_it_belongs_and_the_rest_is_silent(
    codec: str, rate: int, count: int, random: Random
) -> None:
    width, linear = CODECS[codec]
    size = rate // 50 * width
    said: dict[Track, bytes] = {track: random.randbytes(size * count) for track in TRACKS}
    media = frames(said, size)
    kept = [frame for frame in media if random.random() < 0.7]
    assume(kept)
    format_ = AudioFormat(encoding=codec, sample_rate=rate, channels=1)
    events: list[RecordEvent] = [start(format=format_), *kept]
    random.shuffle(events)

    made = combine([story(*events)])

    expected_rate, columns = channels(made.wav())
    assert expected_rate == rate
    length = (max(frame.timestamp for frame in kept) // 20 + 1) * size // width
    for track, column in zip(TRACKS, columns, strict=True):
        expected = np.zeros(length, np.int16)
        for frame in kept:
            if frame.track == track:
                at = frame.timestamp * rate // 1000
                samples = np.frombuffer(linear(frame.audio), np.int16)
                expected[at : at + len(samples)] = samples
        assert np.array_equal(column, expected)
    assert not made.mixed


@pytest.mark.parametrize(
    ("codec", "encoding", "silence"), [("PCMU", "mulaw", b"\xff"), ("PCMA", "alaw", b"\xd5")]
)
def test_native_keeps_every_byte(codec: str, encoding: str, silence: bytes) -> None:
    said: dict[Track, bytes] = {"inbound": noise(800, 1), "outbound": noise(480, 2)}
    media = frames(said)
    lost = next(frame for frame in media if frame.track == "inbound" and frame.timestamp == 40)
    media.remove(lost)
    format_ = AudioFormat(encoding=codec, sample_rate=8000, channels=1)

    made = combine([story(start(format=format_), *media)], native=True)

    assert made.encoding == encoding
    assert made.data[::2] == said["inbound"][:320] + silence * 160 + said["inbound"][480:]
    assert made.data[1::2] == said["outbound"] + silence * 320
    assert made.wav()[20:22] == bytes([{"mulaw": 7, "alaw": 6}[encoding], 0])


def test_a_recording_in_mulaw_is_read_by_the_simulator_bit_for_bit(tmp_path: Path) -> None:
    said: dict[Track, bytes] = {"inbound": noise(800, 1), "outbound": noise(800, 2)}
    file = tmp_path / "call.wav"
    file.write_bytes(combine([story(start(), *frames(said))], native=True).wav())

    assert audio.load(file) == said


def test_what_is_lost_is_reported() -> None:
    media = frames({"inbound": noise(1600, 1)})
    [placed] = combine([story(start(), *media[:2], *media[5:])]).streams

    assert placed.tracks["inbound"].lost_ms == 60
    assert placed.tracks["inbound"].frames == 7
    assert placed.story.missing == 3


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=40))
def test_jitter_of_timestamps_makes_no_holes(jitter: list[int]) -> None:
    said = noise(160 * len(jitter), 1)
    media = [
        Media(
            sequence=place + 2,
            track="inbound",
            chunk=place,
            timestamp=100 + place * 20 + off,
            audio=said[place * 160 : place * 160 + 160],
        )
        # The first is where it is; the others are off from there by less than half a frame.
        for place, off in enumerate([0, *jitter[1:]])
    ]

    made = combine([story(start(), *media)], native=True)

    assert made.data[::2] == b"\xff" * 800 + said
    assert made.streams[0].tracks["inbound"].lost_ms == 0


def test_overlapping_frames_are_not_written_over_each_other() -> None:
    media = frames({"inbound": noise(480, 1)})
    late = [
        Media(sequence=5 + n, track="inbound", chunk=4, timestamp=40, audio=noise(160, n))
        for n in range(2)
    ]

    made = combine([story(start(), *media, *late)], native=True)

    assert made.data[::2] == noise(480, 1) + noise(160, 0) + noise(160, 1)


def test_a_timestamp_that_makes_no_sense_does_not_make_a_huge_file() -> None:
    media = frames({"inbound": noise(480, 1)})
    odd = Media(sequence=5, track="inbound", chunk=4, timestamp=2**53 - 1, audio=noise(160, 5))

    made = combine([story(start(), *media, odd)], native=True)

    assert made.data[::2] == noise(480, 1) + noise(160, 5)
    assert made.streams[0].tracks["inbound"].misplaced == 1


def test_streams_of_one_call_stand_where_their_time_puts_them() -> None:
    first = story(start(), *frames({"inbound": noise(160, 1)}), at=BEGAN)
    second = story(
        start(carrier_stream_id="MZ2"), *frames({"inbound": noise(160, 2)}), at=BEGAN + 50
    )

    made = combine([first, second], native=True)

    assert made.data[::2] == noise(160, 1) + b"\xff" * 240 + noise(160, 2)
    assert [placed.offset_ms for placed in made.streams] == [0, 50]


def test_the_same_track_at_the_same_time_is_mixed() -> None:
    legs = [
        story(start(), *frames({"inbound": noise(320, number)}), at=BEGAN + number * 20)
        for number in range(2)
    ]

    made = combine(legs)

    a, b = (samples(noise(320, number), "PCMU", "big").astype(np.int32) for number in range(2))
    expected = np.concatenate([a, np.zeros(160, np.int32)])
    expected[160:] += b
    _, [left, right] = channels(made.wav())
    assert made.mixed
    assert np.array_equal(left, expected.clip(-32_768, 32_767))
    assert not right.any()
    with pytest.raises(ConsumerError, match="one by one"):
        combine(legs, native=True)


@pytest.mark.parametrize(("byte_order", "value"), [("big", 0x0102), ("little", 0x0201)])
def test_l16_has_a_byte_order(byte_order: Any, value: int) -> None:
    format_ = AudioFormat(encoding="L16", sample_rate=16_000, channels=1)
    made = combine(
        [story(start(format=format_), *frames({"inbound": b"\x01\x02" * 320}, 640))],
        byte_order=byte_order,
    )

    rate, [left, _] = channels(made.wav())
    assert (rate, len(left), set(left)) == (16_000, 320, {value})


@pytest.mark.parametrize("codec", ["G722", "OPUS", "AMR-WB", "audio/x-new"])
def test_other_codecs_are_refused_by_name(codec: str) -> None:
    format_ = AudioFormat(encoding=codec, sample_rate=8000, channels=1)

    with pytest.raises(ConsumerError, match=f"is in {codec}.*--raw"):
        combine([story(start(format=format_))])


def test_what_does_not_fit_into_one_file_is_refused() -> None:
    wide = AudioFormat(encoding="PCMU", sample_rate=16_000, channels=1)
    linear = AudioFormat(encoding="L16", sample_rate=8000, channels=1)
    double = AudioFormat(encoding="PCMU", sample_rate=8000, channels=2)
    with pytest.raises(ConsumerError, match="8000, 16000 Hz"):
        combine([story(start()), story(start(format=wide))])
    with pytest.raises(ConsumerError, match="not L16, PCMU"):
        combine([story(start()), story(start(format=linear))], native=True)
    with pytest.raises(ConsumerError, match="2 channels"):
        combine([story(start(format=double))])
    with pytest.raises(ConsumerError, match="more than a day apart"):
        combine([story(start()), story(start(), at=BEGAN + 90_000_000)])


def test_without_a_start_twilios_codec_is_known_and_no_others() -> None:
    media = frames({"inbound": noise(1600, 1)})[5:]

    assert combine([story(*media)], native=True).data[::2] == noise(1600, 1)[800:]
    with pytest.raises(ConsumerError, match="no longer kept"):
        combine([story(*media, dialect="telnyx")])


def test_raw_files_have_every_byte_and_a_list_of_frames(tmp_path: Path) -> None:
    format_ = AudioFormat(encoding="AMR-WB", sample_rate=16_000, channels=1)
    packets = [b"abc", b"d", b"efgh"]
    media = [
        Media(sequence=n + 2, track="outbound", chunk=n + 1, timestamp=n * 20, audio=packet)
        for n, packet in enumerate(packets)
    ]

    [file] = raw.write(tmp_path / "new", [story(start(format=format_), *media)])

    assert file.name == "s1.outbound.amr-wb"
    assert file.read_bytes() == b"abcdefgh"
    listed = [json.loads(line) for line in Path(f"{file}.jsonl").read_text().splitlines()]
    assert [(line["offset"], line["size"]) for line in listed] == [(0, 3), (3, 1), (4, 4)]
    assert listed[2] == {"sequence": 4, "chunk": 3, "timestamp": 40, "offset": 4, "size": 4}


@pytest.mark.parametrize("there", ["s2.inbound.pcmu", "s2.inbound.pcmu.jsonl"])
def test_raw_files_are_not_overwritten_unless_asked_for(tmp_path: Path, there: str) -> None:
    stories = [
        story(start(), *frames({"inbound": b"x" * 160}), stream=stream) for stream in ("s1", "s2")
    ]
    (tmp_path / there).write_text("mine")

    with pytest.raises(ConsumerError, match=rf"{there} exists already; --force overwrites it"):
        raw.write(tmp_path, stories)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"
    assert len(raw.write(tmp_path, stories, overwrite=True)) == 2
    assert (tmp_path / there).read_text() != "mine"


@pytest.mark.parametrize(
    ("name", "file"), [("v3:a/../b", "v3_a____b"), ("", "_"), ("x" * 300, "x" * 100)]
)
def test_no_name_leads_out_of_the_directory(name: str, file: str) -> None:
    assert raw.file_name(name) == file


# Playing again ---------------------------------------------------------------------------------

SAID: Sequence[RecordEvent] = (
    CONNECTED,
    start(),
    *frames({"inbound": noise(320, 1), "outbound": noise(320, 2)}),
    Dtmf(sequence=6, track="inbound", digit="5"),
    Mark(sequence=7, name="hello"),
    Stop(sequence=8, call_id="CA1", account_id="AC1"),
    GONE,
)


def heard(made: Script) -> list[Any]:
    """What a reader of the dialect makes of it."""
    return [DIALECTS[made.dialect].parse(line.text) for line in made.lines]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("source", DIALECTS)
def test_a_stream_is_played_in_any_dialect(source: str, dialect: str) -> None:
    stream_id = carrier_stream_id(dialect, Random(1))  # noqa: S311
    made = script(story(*SAID, dialect=source), dialect, stream_id)

    events = heard(made)
    assert events[0] == (CONNECTED if source == dialect else DIALECTS[dialect].PROTOCOL)
    assert events[1].parameters == {"agent": "7"}
    assert events[1].carrier_stream_id == stream_id
    assert [type(event) for event in events[2:]] == [*[Media] * 4, Dtmf, Mark, Stop]
    for track in TRACKS:
        spoken = [event for event in events if isinstance(event, Media) and event.track == track]
        assert b"".join(event.audio for event in spoken) == noise(320, 1 + (track == "outbound"))
        assert [event.timestamp for event in spoken] == [0, 20]
    numbers = [event.sequence for event in events[1:] if event.sequence is not None]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_lost_messages_leave_no_gap_in_the_numbers(dialect: str) -> None:
    rejected = Rejected("not_json", "", 1, b"{")
    said = [event for place, event in enumerate(SAID) if place not in {2, 5}]
    made = script(story(*said, rejected), dialect, "x")

    events = [event for event in heard(made) if getattr(event, "sequence", None) is not None]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [(event.track, event.chunk) for event in events if isinstance(event, Media)] == [
        ("outbound", 1),
        ("inbound", 2),
    ]
    assert made.left_out == 1


def test_it_is_timed_by_the_timestamps() -> None:
    media = [
        Media(sequence=n, track="inbound", chunk=n, timestamp=at, audio=b"a")
        for n, at in ((2, 0), (3, 500), (4, 480), (6, 900))
    ]
    key = Dtmf(sequence=5, track="inbound", digit="1")
    made = script(story(CONNECTED, start(), *media, key, Stop(sequence=7)), "twilio", "x")

    assert [line.at for line in made.lines] == [0, 0, 0, 0.5, 0.5, 0.5, 0.9, 0.9]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_a_carrier_forgot_is_said(dialect: str) -> None:
    media = frames({"inbound": noise(160, 1)})
    made = script(story(start(), *media, dialect=dialect), dialect, "x")

    events = heard(made)
    assert events[0] == DIALECTS[dialect].PROTOCOL
    assert isinstance(events[-1], Stop)
    assert events[-1].sequence == 3


def test_a_stop_that_says_nothing_gets_what_the_start_says() -> None:
    made = script(story(start(), Stop(sequence=2), dialect="signalwire"), "twilio", "x")

    assert heard(made)[-1] == Stop(sequence=2, call_id="CA1", account_id="AC1")


def test_tracks_that_telnyx_does_not_name_are_those_that_there_are() -> None:
    media = frames({"outbound": noise(160, 1)})
    made = script(story(start(tracks=()), *media, dialect="telnyx"), "twilio", "x")

    assert heard(made)[1].tracks == ("outbound",)


def test_what_a_dialect_has_no_words_for_is_left_out() -> None:
    error = Error(sequence=2, code="100005", title="rate_limit_reached")
    telnyx = story(
        start(), error, Error(sequence=None, code="1"), Stop(sequence=3), dialect="telnyx"
    )

    twilio, same = script(telnyx, "twilio", "x"), script(telnyx, "telnyx", "x")

    assert (twilio.left_out, same.left_out) == (2, 0)
    assert [event.sequence for event in heard(twilio)[1:]] == [1, 2]
    assert [event.sequence for event in heard(same)[1:]] == [1, None, 2, 3] or [
        event.sequence for event in heard(same)[1:]
    ] == [1, 2, None, 3]


def test_there_is_no_dialect_that_replay_does_not_know() -> None:
    assert set(get_args(DialectName)) == set(DIALECTS)


def test_a_stream_without_its_start_cannot_be_played() -> None:
    with pytest.raises(ConsumerError, match="no longer kept"):
        script(story(*SAID[2:]), "twilio", "x")


@pytest.mark.parametrize(
    ("dialect", "form"),
    [("twilio", r"MZ[0-9a-f]{32}"), ("telnyx", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-.*")],
)
def test_new_ids_look_like_the_carriers(dialect: str, form: str) -> None:
    assert re.fullmatch(form, carrier_stream_id(dialect, Random(1)))  # noqa: S311
