"""The audio of replies: how it is asked for, and what is taken off that comes."""

from collections.abc import Mapping
from struct import Struct
from typing import Final

from google.cloud.dialogflow_v2.types import OutputAudioConfig, OutputAudioEncoding
from google.cloud.dialogflow_v2.types.audio_config import SynthesizeSpeechConfig

from callstream.audio.formats import AudioFormat
from callstream.dialogues.virtual_agent import AgentFailed

_ENCODINGS: Final[Mapping[str, int]] = {
    "PCMU": OutputAudioEncoding.OUTPUT_AUDIO_ENCODING_MULAW,
    "PCMA": OutputAudioEncoding.OUTPUT_AUDIO_ENCODING_ALAW,
    "L16": OutputAudioEncoding.OUTPUT_AUDIO_ENCODING_LINEAR_16,
}
# The format tags of WAV files.
_TAGS: Final[Mapping[str, int]] = {"PCMU": 7, "PCMA": 6, "L16": 1}
_RIFF_BYTES: Final = 12
_CHUNK: Final = Struct("<4sI")
_FORMAT: Final = Struct("<HHI")


def audio_config(
    wanted: AudioFormat, voice: SynthesizeSpeechConfig | None = None
) -> OutputAudioConfig:
    """How a reply is to be spoken.

    Args:
        wanted: the format.
        voice: the profile's settings for speech, which Google ignores unless they are repeated.
    """
    config = OutputAudioConfig(
        audio_encoding=_ENCODINGS[wanted.encoding], sample_rate_hertz=wanted.sample_rate
    )
    if voice is not None:
        config.synthesize_speech_config = voice
    return config


def playable(audio: bytes, config: OutputAudioConfig, wanted: AudioFormat) -> bytes:
    """The audio of a reply without a header, which would be heard as a click.

    Args:
        audio: as it came.
        config: the format that came with it, if any did.
        wanted: the format that was asked for.

    Raises:
        AgentFailed: the audio is in another format, and would be heard as noise.
    """
    is_other = config.audio_encoding not in {
        0,
        _ENCODINGS[wanted.encoding],
    } or config.sample_rate_hertz not in {0, wanted.sample_rate}
    if audio and is_other:
        raise AgentFailed("reply_format")
    audio = _without_header(audio, wanted) if audio.startswith(b"RIFF") else audio
    return audio[: len(audio) - len(audio) % wanted.sample_bytes]


def _without_header(audio: bytes, wanted: AudioFormat) -> bytes:
    at = _RIFF_BYTES
    while at + _CHUNK.size <= len(audio):
        name, size = _CHUNK.unpack_from(audio, at)
        at += _CHUNK.size
        if name == b"data":
            # A file that was made as a stream gives a size that is too large, or none.
            return audio[at : at + size] if size else audio[at:]
        if name == b"fmt " and at + _FORMAT.size <= len(audio):
            expected = (_TAGS[wanted.encoding], 1, wanted.sample_rate)
            if _FORMAT.unpack_from(audio, at) != expected:
                raise AgentFailed("reply_format")
        at += size + size % 2
    return b""
