"""Forks as files."""

import struct
from pathlib import Path

import audioop
import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from callstream.audio.formats import AudioFormat
from callstream_cli import audio, codecs
from callstream_cli.carrier.plan import CallPlan
from callstream_cli.formats import linear
from callstream_cli.listener.wav_files import store
from tests.unit.cli.listener.forks import BOTH, media, received, received_call, start
from tests.unit.cli.tones import EVERY_FORMAT, TONE_HZ, pitch, tone


class TestStore:
    def test_fork_is_written_as_a_stereo_wav_file(self, tmp_path: Path) -> None:
        state = received_call(CallPlan(BOTH, carrier="telnyx", seed=1))

        [path] = store(tmp_path / "new", state, "big")

        assert path.parent == tmp_path / "new"
        assert path.name.startswith("telnyx-")
        data = path.read_bytes()
        assert struct.unpack_from("<HHI", data, 20) == (1, 2, 8000)
        samples = np.frombuffer(data[data.index(b"data") + 8 :], "<i2").reshape(-1, 2)
        for column, track in enumerate(audio.TRACKS):
            assert samples[:, column].tobytes() == audioop.ulaw2lin(BOTH[track], 2)

    @pytest.mark.parametrize("format_", EVERY_FORMAT, ids=str)
    def test_fork_of_every_codec_is_written_as_linear_samples(
        self, tmp_path: Path, format_: AudioFormat
    ) -> None:
        recorded = tone(format_.audio_rate).astype("<i2").tobytes()
        said = codecs.encoded(recorded, linear(format_), format_, "big")
        plan = CallPlan({"outbound": said}, carrier="telnyx", format=format_)

        [path] = store(tmp_path, received_call(plan), "big")

        heard, rate = soundfile.read(path, dtype="int16")
        assert (rate, soundfile.info(path).subtype) == (format_.audio_rate, "PCM_16")
        assert not heard[:, 0].any()
        assert pitch(heard[:, 1], rate) == pytest.approx(TONE_HZ, abs=3)

    def test_frames_that_cannot_be_decoded_are_a_fault(self, tmp_path: Path) -> None:
        opus = AudioFormat(encoding="OPUS", sample_rate=16_000, channels=1)
        state = received(start(opus), media(2, chunk=1, sound=b"\x03\x00"), dialect="telnyx")

        store(tmp_path, state, "big")

        assert state.faults == {"undecodable": 1}

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        state = received(start(), media(2, chunk=1))

        paths = [store(tmp_path, state, "big") for _ in range(3)]

        names = ["twilio-ST1.wav", "twilio-ST1-2.wav", "twilio-ST1-3.wav"]
        assert [path.name for [path] in paths] == names

    def test_undecodable_fork_is_written_raw_and_not_overwritten(self, tmp_path: Path) -> None:
        unknown = AudioFormat(encoding="audio/x-new", sample_rate=16_000, channels=1)
        state = received(start(unknown), media(2, chunk=1), media(3, chunk=2), dialect="telnyx")

        [first] = store(tmp_path, state, "big")
        [second] = store(tmp_path, state, "big")

        assert first.read_bytes() == second.read_bytes() == b"\1\2\1\2"
        assert first != second
        assert first.suffix == ".audio_x-new"

    def test_fork_without_audio_makes_no_file(self, tmp_path: Path) -> None:
        assert store(tmp_path / "new", received(start()), "big") == []
        assert not (tmp_path / "new").exists()
