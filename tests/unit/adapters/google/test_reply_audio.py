"""The audio of replies."""

import io
import struct
import wave

import pytest
from google.cloud.dialogflow_v2.types import (
    OutputAudioConfig,
    OutputAudioEncoding,
    SynthesizeSpeechConfig,
)

from callstream.adapters.google.reply_audio import audio_config, playable
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialogues.virtual_agent import AgentFailed

L16 = AudioFormat("L16", 8000, 1)
UNKNOWN = OutputAudioConfig()
SAMPLES = bytes(range(200))


def wav(audio: bytes, rate: int = 8000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(audio)
    return file.getvalue()


@pytest.mark.parametrize(
    ("wanted", "encoding"),
    [
        (PCMU_8K, OutputAudioEncoding.OUTPUT_AUDIO_ENCODING_MULAW),
        (AudioFormat("PCMA", 8000, 1), OutputAudioEncoding.OUTPUT_AUDIO_ENCODING_ALAW),
        (L16, OutputAudioEncoding.OUTPUT_AUDIO_ENCODING_LINEAR_16),
    ],
)
def test_reply_is_asked_for_in_the_format_of_the_call_with_the_profiles_voice(
    wanted: AudioFormat, encoding: OutputAudioEncoding
) -> None:
    voice = SynthesizeSpeechConfig(speaking_rate=1.5)

    assert audio_config(wanted) == OutputAudioConfig(
        audio_encoding=encoding, sample_rate_hertz=8000
    )
    assert audio_config(wanted, voice).synthesize_speech_config.speaking_rate == 1.5


def test_header_is_taken_off_and_all_samples_are_kept() -> None:
    file = wav(SAMPLES)
    extra = b"LIST" + struct.pack("<I", 5) + b"noise\0"
    with_more = file[:12] + extra + file[12:] + extra
    streamed = file[:40] + b"\xff\xff\xff\xff" + SAMPLES
    without_size = file[:40] + b"\0\0\0\0" + SAMPLES

    for audio in (SAMPLES, file, with_more, streamed, without_size):
        assert playable(audio, UNKNOWN, L16) == SAMPLES


def test_audio_is_cut_to_whole_samples_and_broken_files_are_silent() -> None:
    assert playable(SAMPLES[:7], UNKNOWN, L16) == SAMPLES[:6]
    assert playable(SAMPLES[:7], UNKNOWN, PCMU_8K) == SAMPLES[:7]
    assert playable(b"", UNKNOWN, L16) == b""
    for length in range(4, 44):
        assert playable(wav(SAMPLES)[:length], UNKNOWN, L16) == b""


@pytest.mark.parametrize(
    ("audio", "config"),
    [
        (wav(SAMPLES, rate=16_000), UNKNOWN),
        (wav(SAMPLES, channels=2), UNKNOWN),
        (SAMPLES, OutputAudioConfig(sample_rate_hertz=24_000)),
        (SAMPLES, audio_config(PCMU_8K)),
    ],
)
def test_audio_in_another_format_is_refused(audio: bytes, config: OutputAudioConfig) -> None:
    with pytest.raises(AgentFailed) as failed:
        playable(audio, config, L16)
    assert (failed.value.reason, failed.value.remedy) == ("reply_format", "none")


def test_format_of_a_reply_without_audio_does_not_matter() -> None:
    assert playable(b"", audio_config(PCMU_8K), L16) == b""
