"""Recorded streams as messages to play again."""

import re
from collections.abc import Sequence
from random import Random
from typing import Any, get_args

import audioop
import numpy as np
import pytest

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import Dtmf, Error, Mark, Media, Stop, Track
from callstream.frames.records import RecordEvent, Rejected
from callstream_cli.codecs import encoded
from callstream_cli.formats import linear
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.replay import DialectName, require_format
from callstream_cli.reading.script import Script, carrier_stream_id, script
from tests.unit.cli.commands import refusal
from tests.unit.cli.reading.stories import (
    CONNECTED,
    GONE,
    TRACKS,
    frames,
    noise,
    start,
    story,
)
from tests.unit.cli.tones import EVERY_FORMAT, TONE_HZ, pitch, tone

PCMA = AudioFormat("PCMA", 8000, 1)
G722 = AudioFormat("G722", 8000, 1)
L16 = AudioFormat("L16", 16_000, 1)
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
def test_script_is_in_any_dialect(source: str, dialect: str) -> None:
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
def test_script_leaves_no_gap_in_the_numbers_for_lost_messages(dialect: str) -> None:
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


def test_script_is_timed_by_the_timestamps() -> None:
    media = [
        Media(sequence=n, track="inbound", chunk=n, timestamp=at, audio=b"a")
        for n, at in ((2, 0), (3, 500), (4, 480), (6, 900))
    ]
    key = Dtmf(sequence=5, track="inbound", digit="1")
    made = script(story(CONNECTED, start(), *media, key, Stop(sequence=7)), "twilio", "x")

    assert [line.at for line in made.lines] == [0, 0, 0, 0.5, 0.5, 0.5, 0.9, 0.9]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_script_adds_what_a_carrier_left_out(dialect: str) -> None:
    media = frames({"inbound": noise(160, 1)})
    made = script(story(start(), *media, dialect=dialect), dialect, "x")

    events = heard(made)
    assert events[0] == DIALECTS[dialect].PROTOCOL
    assert isinstance(events[-1], Stop)
    assert events[-1].sequence == 3


def test_script_fills_an_empty_stop_from_the_start() -> None:
    made = script(story(start(), Stop(sequence=2), dialect="signalwire"), "twilio", "x")

    assert heard(made)[-1] == Stop(sequence=2, call_id="CA1", account_id="AC1")


def test_script_takes_unnamed_tracks_from_the_frames() -> None:
    media = frames({"outbound": noise(160, 1)})
    made = script(story(start(tracks=()), *media, dialect="telnyx"), "twilio", "x")

    assert heard(made)[1].tracks == ("outbound",)


def test_script_leaves_out_what_a_dialect_has_no_words_for() -> None:
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


def test_replay_knows_every_dialect() -> None:
    assert set(get_args(DialectName)) == set(DIALECTS)


def test_script_needs_a_start() -> None:
    with pytest.raises(ConsumerError, match="no longer kept"):
        script(story(*SAID[2:]), "twilio", "x")


@pytest.mark.parametrize(
    ("dialect", "form"),
    [("twilio", r"MZ[0-9a-f]{32}"), ("telnyx", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-.*")],
)
def test_new_stream_ids_look_like_the_carriers(dialect: str, form: str) -> None:
    assert re.fullmatch(form, carrier_stream_id(dialect, Random(1)))  # noqa: S311


def test_script_converts_each_track_and_keeps_its_places() -> None:
    said: dict[Track, bytes] = {"inbound": noise(480, 1), "outbound": noise(480, 2)}
    media = frames(said)
    lost = media.pop(2)

    made = script(story(start(), *media), "telnyx", "x", target=PCMA)

    events = heard(made)
    assert events[1].format == PCMA
    spoken = [event for event in events if isinstance(event, Media)]
    assert [(each.track, each.chunk, each.timestamp) for each in spoken] == [
        (each.track, each.chunk, each.timestamp) for each in media
    ]
    assert [each.audio for each in spoken] == [
        audioop.lin2alaw(audioop.ulaw2lin(each.audio, 2), 2) for each in media
    ]
    assert (lost.chunk, made.left_out) == (2, 0)


@pytest.mark.parametrize("format_", EVERY_FORMAT, ids=str)
def test_script_of_every_codec_plays_the_same_bytes_or_converts_them(format_: AudioFormat) -> None:
    recorded = tone(format_.audio_rate).astype("<i2").tobytes()
    media = [
        Media(sequence=place + 2, track="inbound", chunk=place, timestamp=place * 20, audio=sound)
        for place, sound in enumerate(encoded(recorded, linear(format_), format_, "big"))
    ]
    whole = story(start(format=format_), *media, dialect="telnyx")

    same, narrow = script(whole, "telnyx", "x"), script(whole, "twilio", "x", target=PCMU_8K)

    assert heard(same)[1].format == format_
    spoken = [event for event in heard(same) if isinstance(event, Media)]
    assert [each.audio for each in spoken] == [each.audio for each in media]
    spoken = [event for event in heard(narrow) if isinstance(event, Media)]
    assert {len(each.audio) for each in spoken} == {160}
    assert [each.timestamp for each in spoken] == [each.timestamp for each in media]
    mulaw = b"".join(each.audio for each in spoken)
    samples = np.frombuffer(audioop.ulaw2lin(mulaw, 2), np.int16)
    assert pitch(samples, 8000) == pytest.approx(TONE_HZ, abs=3)


def test_script_leaves_out_frames_that_cannot_be_decoded() -> None:
    opus = AudioFormat("OPUS", 16_000, 1)
    broken = Media(sequence=2, track="inbound", chunk=1, timestamp=0, audio=b"\x03\x00")

    made = script(
        story(start(format=opus), broken, dialect="telnyx"), "twilio", "x", target=PCMU_8K
    )

    assert made.left_out == 1
    assert not [event for event in heard(made) if isinstance(event, Media)]


def test_script_counts_the_packets_on_that_a_long_frame_becomes() -> None:
    # 40 ms, then 20 ms.
    media = [
        Media(sequence=2, track="inbound", chunk=1, timestamp=0, audio=bytes(320)),
        Media(sequence=3, track="inbound", chunk=2, timestamp=40, audio=bytes(160)),
    ]

    made = script(story(start(), *media), "telnyx", "x", target=AudioFormat("OPUS", 8000, 1))

    spoken = [event for event in heard(made) if isinstance(event, Media)]
    assert [(each.chunk, each.timestamp) for each in spoken] == [(1, 0), (2, 20), (3, 40)]


def test_script_cannot_convert_unknown_codecs() -> None:
    unknown = story(start(format=AudioFormat("audio/x-new", 8000, 1)), dialect="telnyx")

    with pytest.raises(ConsumerError, match="audio/x-new at 8000 Hz cannot be converted to PCMA"):
        script(unknown, "telnyx", "x", target=PCMA)


@pytest.mark.parametrize(
    ("source", "format_", "dialect", "target"),
    [
        ("telnyx", G722, "telnyx", None),
        ("telnyx", PCMU_8K, "twilio", None),
        ("telnyx", G722, "twilio", PCMU_8K),
        ("telnyx", L16, "signalwire", None),
        # What the carrier itself has sent is played again, documented or not.
        ("twilio", G722, "twilio", None),
    ],
)
def test_replay_plays_formats_that_the_dialects_streams_have(
    source: str, format_: AudioFormat, dialect: str, target: AudioFormat | None
) -> None:
    require_format(story(start(format=format_), dialect=source), dialect, target)


@pytest.mark.parametrize(
    ("source", "format_", "dialect", "target", "why"),
    [
        (
            "telnyx",
            G722,
            "twilio",
            None,
            "have no G722 .*--codec converts it to PCMU",
        ),
        ("telnyx", G722, "signalwire", None, "no G722 .*--codec converts it to PCMU or L16"),
        ("twilio", PCMU_8K, "twilio", PCMA, "dialect twilio have no PCMA"),
    ],
)
def test_replay_refuses_formats_that_the_dialects_streams_do_not_have(
    source: str, format_: AudioFormat, dialect: str, target: AudioFormat | None, why: str
) -> None:
    with pytest.raises(ConsumerError, match=why):
        require_format(story(start(format=format_), dialect=source), dialect, target)


@pytest.mark.parametrize("codec", ["MP4", "L16@44100", "AMR-WB"])
def test_replay_refuses_a_wrong_codec_at_once(codec: str) -> None:
    why = refusal("replay", "CA1", "--to", "ws://127.0.0.1:1/", "--codec", codec, status=2)

    assert why.startswith("--codec: ")
    assert codec in why
