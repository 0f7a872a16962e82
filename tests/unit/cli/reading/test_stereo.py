"""Recorded streams as stereo files, with silence for what is lost."""

import io
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import audioop
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from callstream.audio.formats import AudioFormat
from callstream.dialects.events import Media, Stop, Track
from callstream.frames.recording import StreamRecording
from callstream.frames.records import AnswerEvent, Cleared, Returned
from callstream_cli import audio, codecs
from callstream_cli.formats import linear
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.recording import Story, story_of
from callstream_cli.reading.stereo import combine
from tests.unit.audio.test_codecs import PITCH, amr_wb_payloads
from tests.unit.cli.reading.stories import (
    BEGAN,
    TRACKS,
    frames,
    noise,
    record,
    start,
    story,
)
from tests.unit.cli.tones import EVERY_FORMAT, TONE_HZ, decibels, pitch, tone

if TYPE_CHECKING:
    from callstream.frames.records import RecordEvent


def channels(wav: bytes) -> tuple[int, list[np.ndarray[Any, Any]]]:
    with wave.open(io.BytesIO(wav)) as reader:
        assert reader.getsampwidth() == 2
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
        return reader.getframerate(), [samples[at :: reader.getnchannels()] for at in range(2)]


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
def test_stereo_places_every_frame_and_is_silent_elsewhere(
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
def test_native_wav_keeps_every_byte(codec: str, encoding: str, silence: bytes) -> None:
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


def test_mulaw_wav_is_read_by_the_simulator_bit_for_bit(tmp_path: Path) -> None:
    said: dict[Track, bytes] = {"inbound": noise(800, 1), "outbound": noise(800, 2)}
    file = tmp_path / "call.wav"
    file.write_bytes(combine([story(start(), *frames(said))], native=True).wav())

    assert audio.load(file) == said


def test_stereo_reports_lost_audio() -> None:
    media = frames({"inbound": noise(1600, 1)})
    [placed] = combine([story(start(), *media[:2], *media[5:])]).streams

    assert placed.tracks["inbound"].lost_ms == 60
    assert placed.tracks["inbound"].frames == 7
    assert placed.story.missing == 3


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=40))
def test_stereo_makes_no_holes_for_jitter_of_timestamps(jitter: list[int]) -> None:
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


def inbound(timestamps: Iterable[int]) -> tuple[bytes, list[Media]]:
    """Frames with these timestamps, and their audio, in which no byte is silence."""
    media = [
        Media(
            sequence=place + 2,
            track="inbound",
            chunk=place,
            timestamp=timestamp,
            audio=noise(160, place).replace(b"\xff", b"\x00"),
        )
        for place, timestamp in enumerate(timestamps)
    ]
    return b"".join(frame.audio for frame in media), media


@pytest.mark.parametrize("stalled", [range(100, 120), range(20)], ids=["later", "at the start"])
def test_stereo_takes_silence_back_when_late_frames_come(stalled: range) -> None:
    lost = range(40, 50)
    said, media = inbound(
        20 * (stalled.stop if place in stalled else place)
        for place in range(200)
        if place not in lost
    )

    made = combine([story(start(), *media)], native=True)

    assert made.data[::2] == said[: 40 * 160] + b"\xff" * 1600 + said[40 * 160 :]
    assert made.streams[0].tracks["inbound"].lost_ms == 200


@given(
    lost=st.sets(st.integers(0, 29)),
    odd=st.dictionaries(st.integers(0, 29), st.integers(-2_000, 2_000) | st.integers(0, 3_600_000)),
)
def test_stereo_keeps_later_frames_in_place_whatever_timestamps_come_before(
    lost: set[int], odd: dict[int, int]
) -> None:
    places = [place for place in range(40) if place not in lost]
    said, media = inbound(max(20 * place + odd.get(place, 0), 0) for place in places)

    made = combine([story(start(), *media)], native=True)

    track = made.data[::2]
    assert track.replace(b"\xff", b"") == said
    assert abs(len(track) - 40 * 160) < 160
    for place, frame in zip(places, media, strict=True):
        if place >= 30:
            assert abs(track.index(frame.audio) - place * 160) < 160


@given(st.lists(st.integers(-400, 400), max_size=40))
def test_stereo_keeps_an_early_frame_close_to_its_place(jitter: list[int]) -> None:
    # No frame after the early one says where even timestamps would be.
    offs = [*jitter, -50]
    said, media = inbound(max(place * 20 + off, 0) for place, off in enumerate(offs))

    track = combine([story(start(), *media)], native=True).data[::2]

    assert track.replace(b"\xff", b"") == said
    assert len(track) - len(said) < 160


def test_stereo_keeps_silence_when_the_carriers_clock_begins_anew() -> None:
    said, media = inbound([*range(0, 1500, 20), *range(2500, 3000, 20), *range(0, 500, 20)])

    made = combine([story(start(), *media)], native=True)

    assert made.data[::2] == said[:12_000] + b"\xff" * 8_000 + said[12_000:]
    assert made.streams[0].tracks["inbound"].lost_ms == 1000


def test_stereo_does_not_write_overlapping_frames_over_each_other() -> None:
    media = frames({"inbound": noise(480, 1)})
    late = [
        Media(sequence=5 + n, track="inbound", chunk=4, timestamp=40, audio=noise(160, n))
        for n in range(2)
    ]

    made = combine([story(start(), *media, *late)], native=True)

    assert made.data[::2] == noise(480, 1) + noise(160, 0) + noise(160, 1)


def test_stereo_makes_no_huge_file_for_an_absurd_timestamp() -> None:
    media = frames({"inbound": noise(480, 1)})
    odd = Media(sequence=5, track="inbound", chunk=4, timestamp=2**53 - 1, audio=noise(160, 5))

    made = combine([story(start(), *media, odd)], native=True)

    assert made.data[::2] == noise(480, 1) + noise(160, 5)
    assert made.streams[0].tracks["inbound"].misplaced == 1


def test_stereo_places_streams_of_one_call_by_their_times() -> None:
    first = story(start(), *frames({"inbound": noise(160, 1)}), at=BEGAN)
    second = story(
        start(carrier_stream_id="MZ2"), *frames({"inbound": noise(160, 2)}), at=BEGAN + 50
    )

    made = combine([first, second], native=True)

    assert made.data[::2] == noise(160, 1) + b"\xff" * 240 + noise(160, 2)
    assert [placed.offset_ms for placed in made.streams] == [0, 50]


def test_stereo_mixes_the_same_track_at_the_same_time() -> None:
    legs = [
        story(start(), *frames({"inbound": noise(320, number)}), at=BEGAN + number * 20)
        for number in range(2)
    ]

    made = combine(legs)

    a, b = (
        np.frombuffer(audioop.ulaw2lin(noise(320, number), 2), np.int16).astype(np.int32)
        for number in range(2)
    )
    expected = np.concatenate([a, np.zeros(160, np.int32)])
    expected[160:] += b
    _, [left, right] = channels(made.wav())
    assert made.mixed
    assert np.array_equal(left, expected.clip(-32_768, 32_767))
    assert not right.any()
    with pytest.raises(ConsumerError, match="one by one"):
        combine(legs, native=True)


def test_stereo_has_the_highest_rate_of_streams_in_different_codecs() -> None:
    formats = [AudioFormat("PCMU", 8000, 1), AudioFormat("L16", 24_000, 1)]
    recorded = tone(8000).tobytes()
    legs: list[Story] = []
    for number, format_ in enumerate([*formats, AudioFormat("PCMA", 8000, 1)]):
        said = codecs.encoded(recorded, AudioFormat("L16", 8000, 1), format_, "big")
        media = frames({"inbound": b"".join(said)}, len(said[0]))
        legs.append(story(start(format=format_), *media, at=BEGAN + number * 2000))

    made = combine(legs)

    rate, [left, right] = channels(made.wav())
    assert (rate, len(left), made.mixed) == (24_000, 5 * 24_000, False)
    assert not right.any()
    for number, placed in enumerate(made.streams):
        assert (placed.offset_ms, placed.length_ms) == (number * 2000, 1000)
        heard = left[number * 48_000 : number * 48_000 + 24_000]
        assert pitch(heard, rate) == pytest.approx(TONE_HZ, abs=3)
        assert decibels(heard) == pytest.approx(decibels(tone(8000)), abs=1)
    assert not left[24_000:48_000].any()


@pytest.mark.parametrize("format_", EVERY_FORMAT, ids=str)
def test_stereo_of_every_codec_is_a_playable_file_with_silence_for_gaps(
    format_: AudioFormat,
) -> None:
    recorded = tone(format_.audio_rate).astype("<i2").tobytes()
    payloads = codecs.encoded(recorded, linear(format_), format_, "big")[:50]
    media = [
        Media(sequence=place + 2, track="outbound", chunk=place, timestamp=place * 20, audio=sound)
        for place, sound in enumerate(payloads)
        if place not in range(30, 40)
    ]

    made = combine([story(start(format=format_), *media, dialect="telnyx")])

    rate, [left, right] = channels(made.wav())
    assert (rate, len(right)) == (format_.audio_rate, format_.audio_rate)
    assert not left.any()
    gap = slice(rate * 30 // 50, rate * 40 // 50)
    assert not right[gap].any()
    assert pitch(right[: gap.start], rate) == pytest.approx(TONE_HZ, abs=3)
    assert decibels(right[: gap.start]) == pytest.approx(decibels(tone(rate)), abs=1)
    [placed] = made.streams
    assert (placed.tracks["outbound"].lost_ms, placed.tracks["outbound"].undecodable) == (200, 0)


def test_stereo_decodes_amr_wb() -> None:
    format_ = AudioFormat("AMR-WB", 16_000, 1)
    payloads = amr_wb_payloads("tone.awb")
    media = [
        Media(sequence=place + 2, track="inbound", chunk=place, timestamp=place * 20, audio=sound)
        for place, sound in enumerate(payloads)
    ]

    made = combine([story(start(format=format_), *media, dialect="telnyx")])

    rate, [left, _] = channels(made.wav())
    assert (rate, len(left)) == (16_000, 320 * len(payloads))
    assert pitch(left, rate) == pytest.approx(PITCH, abs=3)


def test_stereo_counts_frames_that_cannot_be_decoded_and_goes_on() -> None:
    opus = AudioFormat("OPUS", 16_000, 1)
    payloads = [*codecs.encoded(tone(16_000).tobytes(), linear(opus), opus, "big")]
    payloads[10:15] = [b"\x03\x00"] * 5  # packets without a frame
    media = [
        Media(sequence=place + 2, track="inbound", chunk=place, timestamp=place * 20, audio=sound)
        for place, sound in enumerate(payloads)
    ]

    made = combine([story(start(format=opus), *media, dialect="telnyx")])

    [placed] = made.streams
    report = placed.tracks["inbound"]
    assert (report.undecodable, report.lost_ms) == (5, 100)
    _, [left, _] = channels(made.wav())
    assert not left[10 * 320 : 15 * 320].any()
    assert pitch(left[16 * 320 :], 16_000) == pytest.approx(TONE_HZ, abs=3)


@pytest.mark.parametrize(("byte_order", "value"), [("big", 0x0102), ("little", 0x0201)])
def test_stereo_reads_l16_in_either_byte_order(byte_order: Any, value: int) -> None:
    format_ = AudioFormat(encoding="L16", sample_rate=16_000, channels=1)
    made = combine(
        [story(start(format=format_), *frames({"inbound": b"\x01\x02" * 320}, 640))],
        byte_order=byte_order,
    )

    rate, [left, _] = channels(made.wav())
    assert (rate, len(left), set(left)) == (16_000, 320, {value})


def test_stereo_refuses_other_codecs_by_name() -> None:
    format_ = AudioFormat(encoding="audio/x-new", sample_rate=8000, channels=1)

    with pytest.raises(ConsumerError, match=r"is in audio/x-new.*--raw"):
        combine([story(start(format=format_))])


def test_stereo_refuses_what_does_not_fit_into_one_file() -> None:
    wide = AudioFormat(encoding="PCMU", sample_rate=16_000, channels=1)
    linear = AudioFormat(encoding="L16", sample_rate=8000, channels=1)
    double = AudioFormat(encoding="PCMU", sample_rate=8000, channels=2)
    triple = AudioFormat(encoding="PCMU", sample_rate=8000, channels=3)
    with pytest.raises(ConsumerError, match="not PCMU at 16000 Hz, PCMU at 8000 Hz"):
        combine([story(start()), story(start(format=wide))], native=True)
    with pytest.raises(ConsumerError, match="not L16 at 8000 Hz, PCMU at 8000 Hz"):
        combine([story(start()), story(start(format=linear))], native=True)
    with pytest.raises(ConsumerError, match="2 channels"):
        combine([story(start(format=double))], native=True)
    with pytest.raises(ConsumerError, match="3 channels"):
        combine([story(start(format=triple))])
    with pytest.raises(ConsumerError, match="more than a day apart"):
        combine([story(start()), story(start(), at=BEGAN + 90_000_000)])


def test_format_without_a_start_is_known_for_twilio_only() -> None:
    media = frames({"inbound": noise(1600, 1)})[5:]

    assert combine([story(*media)], native=True).data[::2] == noise(1600, 1)[800:]
    with pytest.raises(ConsumerError, match="no longer kept"):
        combine([story(*media, dialect="telnyx")])


def answered(*answers: tuple[int, AnswerEvent], said: dict[Track, bytes] | None = None) -> Story:
    """A stream of 200 ms, with answers so many ms after its start; 8 samples are 1 ms."""
    recording = StreamRecording()
    recording.add(record(start(sequence=1)))
    for media in frames(said or {"inbound": noise(1600, 1)}):
        recording.add(record(media, at=BEGAN + media.timestamp))
    for at, event in answers:
        recording.add(record(event, at=BEGAN + at))
    recording.add(record(Stop(1000), at=BEGAN + 200))
    return story_of(recording)


def returned(number: int, byte: bytes, ms: int, relay: str = "r1") -> Returned:
    return Returned(relay, number, byte * 8 * ms)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        # One behind the other, also of two relays, and a repeat once.
        (
            [
                (20, returned(1, b"a", 40)),
                (30, returned(1, b"b", 20, "r2")),
                (30, returned(1, b"b", 20, "r2")),
                (100, returned(2, b"c", 10)),
            ],
            [(20, b"a", 60), (60, b"b", 80), (100, b"c", 110)],
        ),
        # A clear cuts what is not played.
        (
            [
                (20, returned(1, b"a", 40)),
                (20, returned(2, b"b", 40)),
                (50, Cleared("r1", 3)),
                (60, returned(4, b"c", 10)),
            ],
            [(20, b"a", 50), (60, b"c", 70)],
        ),
        # So does the end of the call.
        ([(180, returned(1, b"a", 40))], [(180, b"a", 200)]),
    ],
)
def test_answers_are_on_the_right_as_the_carrier_plays_them(
    answers: list[tuple[int, AnswerEvent]], expected: list[tuple[int, bytes, int]]
) -> None:
    made = combine([answered(*answers)], native=True)

    right = bytearray(b"\xff" * 1600)
    for begin, byte, end in expected:
        right[8 * begin : 8 * end] = byte * (8 * (end - begin))
    assert made.data[::2] == noise(1600, 1)
    assert made.data[1::2] == right
    [placed] = made.streams
    assert placed.tracks["outbound"].are_answers


def test_answers_stand_right_beside_frames_although_the_start_was_late() -> None:
    recording = StreamRecording()
    recording.add(record(start(sequence=1), at=BEGAN + 60))
    for media in frames({"inbound": noise(1600, 1)}):
        recording.add(record(media, at=BEGAN + max(media.timestamp, 80)))
    recording.add(record(returned(1, b"a", 20), at=BEGAN + 100))

    made = combine([story_of(recording)], native=True)

    assert made.data[1::2] == b"\xff" * 800 + b"a" * 160 + b"\xff" * 640


def test_answers_are_not_added_to_the_carriers_outbound_track() -> None:
    said: dict[Track, bytes] = {"inbound": noise(1600, 1), "outbound": noise(1600, 2)}

    made = combine([answered((20, returned(1, b"a", 40)), said=said)], native=True)

    assert made.data[1::2] == said["outbound"]
