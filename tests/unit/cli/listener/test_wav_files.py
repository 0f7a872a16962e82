"""Forks as files."""

import struct
from pathlib import Path

import audioop
import numpy as np

from callstream.audio.formats import AudioFormat
from callstream_cli import audio
from callstream_cli.carrier.plan import CallPlan
from callstream_cli.listener.wav_files import store
from tests.unit.cli.listener.forks import BOTH, media, received, received_call, start


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
