"""Audio in a fork's own codec."""

from pathlib import Path

import audioop
import numpy as np
import pytest

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream_cli import audio
from callstream_cli.listener import codecs
from callstream_cli.reading.errors import ConsumerError
from tests.unit.cli.listener.forks import BOTH, L16, PCMA


class TestEncoded:
    MULAW = bytes(range(256)) * 50

    def test_mulaw_stays_unchanged(self) -> None:
        assert codecs.encoded(self.MULAW, PCMU_8K, "big") == self.MULAW

    def test_mulaw_becomes_alaw(self) -> None:
        alaw = codecs.encoded(self.MULAW, PCMA, "big")

        assert alaw == audioop.lin2alaw(audioop.ulaw2lin(self.MULAW, 2), 2)

    def test_linear_samples_have_the_forks_rate_and_byte_order(self) -> None:
        narrow = AudioFormat(encoding="L16", sample_rate=8000, channels=1)
        expected = np.frombuffer(audioop.ulaw2lin(self.MULAW, 2), "<i2")

        big = np.frombuffer(codecs.encoded(self.MULAW, narrow, "big"), ">i2")
        little = np.frombuffer(codecs.encoded(self.MULAW, narrow, "little"), "<i2")

        assert (big == expected).all()
        assert (little == expected).all()
        assert len(codecs.encoded(self.MULAW, L16, "big")) == 4 * len(self.MULAW)

    def test_tone_stays_the_same_at_another_rate(self) -> None:
        wave = np.sin(2 * np.pi * 400 * np.arange(8000) / 8000) * 8000
        mulaw = audioop.lin2ulaw(wave.astype("<i2").tobytes(), 2)

        high = np.frombuffer(codecs.encoded(mulaw, L16, "little"), "<i2")

        spectrum = np.abs(np.fft.rfft(high))
        assert np.argmax(spectrum) == 400

    @pytest.mark.parametrize(
        "format_",
        [
            AudioFormat(encoding="OPUS", sample_rate=16_000, channels=1),
            AudioFormat(encoding="L16", sample_rate=16_000, channels=2),
        ],
    )
    def test_other_formats_are_refused(self, format_: AudioFormat) -> None:
        with pytest.raises(ConsumerError, match="cannot be made here"):
            codecs.encoded(self.MULAW, format_, "big")

    def test_stereo_file_is_played_from_its_right_channel(self, tmp_path: Path) -> None:
        audio.save(tmp_path / "stereo.wav", BOTH)
        audio.save(tmp_path / "mono.wav", {"inbound": BOTH["inbound"]})

        assert codecs.load(tmp_path / "stereo.wav") == BOTH["outbound"]
        assert codecs.load(tmp_path / "mono.wav") == BOTH["inbound"]
