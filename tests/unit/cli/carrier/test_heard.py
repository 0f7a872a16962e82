"""What the caller hears, as a recording."""

import io

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects.events import Clear, ReturnMedia
from callstream_cli import codecs
from callstream_cli.carrier.heard import heard
from callstream_cli.carrier.playback import Playback
from callstream_cli.formats import linear
from tests.unit.cli.tones import EVERY_FORMAT, TONE_HZ, decibels, pitch, tone

LOUD = ReturnMedia(b"\x80" * 8000)
"""A second of the loudest sample."""


def loud_seconds(playback: Playback) -> list[tuple[float, float]]:
    """When sound begins and ends."""
    made = heard(playback, "big")
    edges = np.flatnonzero(np.diff(np.pad(made.samples != 0, 1).astype(int))) / made.rate
    return [(float(begin), float(end)) for begin, end in edges.reshape(-1, 2)]


class TestHeard:
    def test_audio_stands_where_it_is_played(self) -> None:
        playback = Playback()
        playback.begin(100.0)
        for at in (101.0, 101.2, 105.0):
            playback.take(LOUD, now=at)

        assert loud_seconds(playback) == [(1.0, 3.0), (5.0, 6.0)]

    def test_clear_ends_what_is_played_and_drops_what_waits(self) -> None:
        playback = Playback()
        playback.begin(100.0)
        for event, at in ((LOUD, 100.0), (LOUD, 100.0), (Clear(), 100.25), (LOUD, 103.0)):
            playback.take(event, now=at)

        assert loud_seconds(playback) == [(0.0, 0.25), (3.0, 4.0)]

    def test_times_are_those_of_the_call_at_another_speed(self) -> None:
        playback = Playback(speed=10.0)
        playback.begin(100.0)
        for event, at in ((LOUD, 100.1), (LOUD, 100.1), (Clear(), 100.25)):
            playback.take(event, now=at)

        assert loud_seconds(playback) == [(1.0, 2.5)]

    def test_audio_that_is_played_in_no_time_stands_together(self) -> None:
        playback = Playback(speed=0)
        playback.begin(100.0)
        for event in (LOUD, Clear(), LOUD):
            playback.take(event, now=107.0)

        assert loud_seconds(playback) == [(0.0, 2.0)]

    def test_nothing_is_an_empty_file(self) -> None:
        made = heard(Playback(), "big")

        assert made.seconds == 0
        assert soundfile.info(io.BytesIO(made.wav())).frames == 0

    @pytest.mark.parametrize("format_", EVERY_FORMAT, ids=str)
    def test_audio_of_every_codec_makes_a_playable_file(self, format_: AudioFormat) -> None:
        recorded = tone(format_.audio_rate).astype("<i2").tobytes()
        playback = Playback(format_=format_)
        for place, payload in enumerate(codecs.encoded(recorded, linear(format_), format_, "big")):
            playback.take(ReturnMedia(payload), now=place * 0.0199)

        samples, rate = soundfile.read(io.BytesIO(heard(playback, "big").wav()), dtype="int16")

        assert rate == format_.audio_rate
        assert pitch(samples, rate) == pytest.approx(TONE_HZ, abs=3)
        assert decibels(samples) == pytest.approx(decibels(tone(rate)), abs=1)

    def test_messages_that_cannot_be_decoded_are_counted(self) -> None:
        playback = Playback(format_=AudioFormat("OPUS", 16_000, 1))
        playback.take(ReturnMedia(b"\x03\x00"), now=0.0)

        assert heard(playback, "big").undecodable == 1
        assert heard(Playback(format_=PCMU_8K), "big").undecodable == 0
