"""Files where bare audio should be."""

import io
from typing import Any

import av
import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.codecs import pcm
from callstream.audio.file_headers import file_kind
from tests.mp3_files import id3, mp3
from tests.template import ROOT

RECORDING = ROOT / "cli/callstream_cli/assets/conversation.wav"


def sound(count: int = 8000) -> Any:
    return (8000 * np.sin(np.arange(count))).astype(np.int16)


def by_soundfile(format_: str, subtype: str, endian: str = "FILE") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound(), 8000, format=format_, subtype=subtype, endian=endian)
    return file.getvalue()


def by_ffmpeg(container: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame("s16", "mono", 48_000)
        frame.sample_rate = 48_000
        frame.planes[0].update(sound(48_000).tobytes())
        for resampled in av.AudioResampler(stream.format, "mono", 48_000).resample(frame):
            output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))
    return file.getvalue()


FILES = [
    ("WAV", lambda: by_soundfile("WAV", "ULAW")),
    ("WAV", lambda: by_soundfile("WAV", "PCM_16", "BIG")),
    ("WAV", lambda: by_soundfile("RF64", "PCM_16")),
    ("WAV", RECORDING.read_bytes),
    ("AIFF", lambda: by_soundfile("AIFF", "PCM_16")),
    ("Ogg", lambda: by_soundfile("OGG", "OPUS")),
    ("Ogg", lambda: by_soundfile("OGG", "VORBIS")),
    ("FLAC", lambda: by_soundfile("FLAC", "PCM_16")),
    ("MP3", lambda: mp3(sound().tobytes(), 8000)),
    ("MP3", lambda: id3(100) + mp3(sound().tobytes(), 8000)),
    ("CAF", lambda: by_soundfile("CAF", "PCM_16")),
    ("AU", lambda: by_soundfile("AU", "ULAW")),
    ("MP4", lambda: by_ffmpeg("mp4", "aac")),
    ("WebM", lambda: by_ffmpeg("webm", "libopus")),
    ("WebM", lambda: by_ffmpeg("matroska", "libopus")),
    ("AMR", lambda: b"#!AMR-WB\n\x04" + bytes(17)),
    ("AMR", lambda: b"#!AMR\n\x04" + bytes(12)),
]


@pytest.mark.parametrize(("kind", "make"), FILES)
def test_files_are_recognised_by_their_beginning(kind: str, make: Any) -> None:
    file = make()

    assert file_kind(file) == kind
    assert file_kind(b"\xff" + file) is None


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "L16"])
def test_no_frame_of_a_recording_is_taken_for_a_file(codec: str) -> None:
    samples, _ = soundfile.read(RECORDING, dtype="int16")
    audio = pcm.encode(samples[:, 0].tobytes(), codec, "big")

    # Wherever a consumer cuts.
    assert not any(file_kind(audio[at : at + 1000]) for at in range(0, len(audio) - 1000, 7))


@given(st.binary(max_size=2000))
def test_no_bare_audio_is_taken_for_a_file(payload: bytes) -> None:
    assert file_kind(payload) is None


@given(st.binary(min_size=1, max_size=1), st.integers(160, 4000))
def test_an_even_sound_is_not_taken_for_a_file(value: bytes, count: int) -> None:
    assert file_kind(value * count) is None


@pytest.mark.parametrize(
    "begun", [b"RIFF", b"RIFF\0\0\0\0WAV", b"OggS", b"ID3\x04", b"\xff\xfb\x90\0"]
)
def test_less_than_a_header_is_bare_audio(begun: bytes) -> None:
    assert file_kind(begun) is None
