"""Recordings in a call's codec, and back."""

import io
from collections.abc import Sequence
from pathlib import Path

import audioop
import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from callstream.audio import packets
from callstream.audio.conversion import UnusableAudio
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream_cli import audio, codecs
from callstream_cli.codecs import Samples, TrackDecoder
from tests.unit.cli.listener.forks import L16, PCMA
from tests.unit.cli.tones import EVERY_FORMAT, TONE_HZ, decibels, pitch, tone


class TestEncoded:
    MULAW = bytes(range(256)) * 50

    def test_mulaw_stays_unchanged(self) -> None:
        assert b"".join(codecs.encoded(self.MULAW, PCMU_8K, PCMU_8K, "big")) == self.MULAW

    def test_mulaw_becomes_alaw(self) -> None:
        alaw = b"".join(codecs.encoded(self.MULAW, PCMU_8K, PCMA, "big"))

        assert alaw == audioop.lin2alaw(audioop.ulaw2lin(self.MULAW, 2), 2)

    def test_linear_samples_have_the_forks_rate_and_byte_order(self) -> None:
        narrow = AudioFormat(encoding="L16", sample_rate=8000, channels=1)
        expected = np.frombuffer(audioop.ulaw2lin(self.MULAW, 2), "<i2")

        big = b"".join(codecs.encoded(self.MULAW, PCMU_8K, narrow, "big"))
        little = b"".join(codecs.encoded(self.MULAW, PCMU_8K, narrow, "little"))

        assert (np.frombuffer(big, ">i2") == expected).all()
        assert (np.frombuffer(little, "<i2") == expected).all()
        wide = b"".join(codecs.encoded(self.MULAW, PCMU_8K, L16, "big"))
        assert len(wide) == 4 * len(self.MULAW)

    def test_linear_file_is_sent_in_the_byte_order_of_the_call(self) -> None:
        linear = AudioFormat(encoding="L16", sample_rate=16_000, channels=1)
        samples = tone(16_000)

        frames = codecs.encoded(samples.astype("<i2").tobytes(), linear, linear, "big")

        assert b"".join(frames) == samples.astype(">i2").tobytes()

    def test_tone_stays_the_same_at_another_rate(self) -> None:
        wave = np.sin(2 * np.pi * 400 * np.arange(8000) / 8000) * 8000
        mulaw = audioop.lin2ulaw(wave.astype("<i2").tobytes(), 2)

        high = np.frombuffer(b"".join(codecs.encoded(mulaw, PCMU_8K, L16, "little")), "<i2")

        spectrum = np.abs(np.fft.rfft(high))
        assert np.argmax(spectrum) == 400

    @pytest.mark.parametrize(
        "format_",
        [
            AudioFormat(encoding="AMR-WB", sample_rate=16_000, channels=1),
            AudioFormat(encoding="L16", sample_rate=16_000, channels=2),
            AudioFormat(encoding="audio/x-new", sample_rate=8000, channels=1),
        ],
    )
    def test_other_formats_are_refused(self, format_: AudioFormat) -> None:
        with pytest.raises(UnusableAudio, match=f"{format_.encoding} at .* cannot be made here"):
            codecs.encoded(self.MULAW, PCMU_8K, format_, "big")

    def test_end_that_an_encoder_holds_back_comes_too(self) -> None:
        opus = AudioFormat("OPUS", 16_000, 1)

        frames = codecs.encoded(tone(16_000).tobytes(), AudioFormat("L16", 16_000, 1), opus, "big")

        # The encoder looks 6.5 ms ahead.
        assert len(frames) == 51

    @pytest.mark.parametrize("format_", EVERY_FORMAT, ids=str)
    def test_last_frame_is_filled_up_with_silence(self, format_: AudioFormat) -> None:
        frames = codecs.encoded(self.MULAW[:161], PCMU_8K, format_, "big")

        assert [packets.seconds(frame, format_) for frame in frames[:2]] == [0.02, 0.02]


@pytest.mark.parametrize("format_", EVERY_FORMAT, ids=str)
@pytest.mark.parametrize("file_rate", [8000, 44_100])
def test_encoded_tone_is_decoded_with_its_pitch_level_and_length(
    format_: AudioFormat, file_rate: int
) -> None:
    said = tone(file_rate)
    source = AudioFormat("L16", file_rate, 1)

    frames = codecs.encoded(said.astype("<i2").tobytes(), source, format_, "big")
    heard = decoded(frames, format_)

    assert pitch(heard, format_.audio_rate) == pytest.approx(TONE_HZ, abs=3)
    assert decibels(heard) == pytest.approx(decibels(said), abs=1)
    assert len(heard) / format_.audio_rate == pytest.approx(len(said) / file_rate, abs=0.021)
    assert {packets.seconds(frame, format_) for frame in frames} == {0.02}


def decoded(frames: Sequence[bytes], format_: AudioFormat) -> Samples:
    decoder = TrackDecoder(format_, "big")
    return np.concatenate([decoder.decode(frame) for frame in frames])


class TestMp3:
    SOURCE = AudioFormat("L16", 8000, 1)

    def test_parts_are_one_file_and_last_equally_long(self) -> None:
        said = np.tile(tone(8000), 5).astype("<i2").tobytes()

        parts = codecs.mp3(said, self.SOURCE, 1.0)

        [whole] = codecs.mp3(said, self.SOURCE, 0)
        assert b"".join(parts) == whole
        assert len(parts) == round(len(said) / 2 / 8000)
        samples, rate = soundfile.read(io.BytesIO(whole), dtype="int16")
        assert pitch(samples, rate) == pytest.approx(TONE_HZ, abs=3)

    def test_no_part_is_larger_than_a_relay_takes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        [whole] = codecs.mp3(tone(8000).tobytes(), self.SOURCE, 0)
        monkeypatch.setattr(codecs, "_MOST_MP3_BYTES", 500)

        for seconds in (0, 60.0):
            parts = codecs.mp3(tone(8000).tobytes(), self.SOURCE, seconds)

            assert b"".join(parts) == whole
            assert max(map(len, parts)) == 500

    @pytest.mark.parametrize(("rate", "kept"), [(11_000, 11_025), (96_000, 48_000)])
    def test_rate_is_one_that_mp3_has(self, rate: int, kept: int) -> None:
        [whole] = codecs.mp3(tone(rate).tobytes(), AudioFormat("L16", rate, 1), 0)

        assert soundfile.info(io.BytesIO(whole)).samplerate == kept


def test_recording_of_any_rate_is_read_at_its_own(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "wide.flac", tone(24_000), 24_000)

    recording = audio.read(tmp_path / "wide.flac")

    assert recording.format == AudioFormat("L16", 24_000, 1)
    assert recording.tracks == {"inbound": tone(24_000).astype("<i2").tobytes()}
