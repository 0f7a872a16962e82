"""Audio in and out, in Google's encodings."""

from collections.abc import Mapping
from typing import Final

from google.cloud.dialogflow_v2.types import (
    AudioEncoding,
    InputAudioConfig,
    OutputAudioConfig,
    OutputAudioEncoding,
)

from callstream.audio.conversion import converter
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream_cli.audio import wav
from callstream_cli.dialogflow.faults import WrongAudio
from callstream_cli.dialogflow.refused import invalid, out_of_range

LONGEST_S: Final = 60
"""How many seconds of audio a stream may have."""

_LINEAR_8K: Final = AudioFormat("L16", 8000, 1)
_RATES: Final = range(8000, 48_001)
_INPUT: Final[Mapping[int, str]] = {
    AudioEncoding.AUDIO_ENCODING_LINEAR_16: "L16",
    AudioEncoding.AUDIO_ENCODING_MULAW: "PCMU",
    AudioEncoding.AUDIO_ENCODING_ALAW: "PCMA",
}
_OUTPUT: Final[Mapping[int, str]] = {
    OutputAudioEncoding.OUTPUT_AUDIO_ENCODING_LINEAR_16: "L16",
    OutputAudioEncoding.OUTPUT_AUDIO_ENCODING_MULAW: "PCMU",
    OutputAudioEncoding.OUTPUT_AUDIO_ENCODING_ALAW: "PCMA",
}
_ENCODINGS: Final = {codec: encoding for encoding, codec in _OUTPUT.items()}
_WRONG_CODEC: Final = {"L16": "PCMU", "PCMU": "PCMA", "PCMA": "PCMU"}
_WRONG_RATE: Final = 16_000


class AudioIntake:
    """Takes a stream's audio: decodes and measures it.

    Args:
        config: as the client's first message has it.

    Raises:
        Refused: no such audio is recognised.
    """

    def __init__(self, config: InputAudioConfig) -> None:
        if not config.language_code:
            raise invalid("audio_config.language_code is not set")
        rate = config.sample_rate_hertz
        codec = _INPUT.get(config.audio_encoding)
        if codec is None:
            raise invalid(f"audio_encoding {config.audio_encoding.name} is not recognised here")
        _check_rate(codec, rate)
        format_ = AudioFormat(codec, rate, 1)
        self._byte_rate = format_.byte_rate
        self._converter = converter(format_, _LINEAR_8K, "little")
        self._bytes = 0

    @property
    def seconds(self) -> float:
        """How much audio has come."""
        return self._bytes / self._byte_rate

    def decode(self, audio: bytes) -> bytes:
        """A piece of audio, as 16-bit linear PCM at 8 kHz, little-endian.

        Raises:
            Refused: the stream is too long.
        """
        self._bytes += len(audio)
        if self.seconds > LONGEST_S:
            raise out_of_range(f"the stream has more than {LONGEST_S} seconds of audio")
        return b"".join(self._converter.convert(audio))


def check_output(config: OutputAudioConfig) -> None:
    """Check that speech can be synthesised so.

    Raises:
        Refused: it cannot be.
    """
    codec = _OUTPUT.get(config.audio_encoding)
    if codec is None:
        raise invalid(f"audio_encoding {config.audio_encoding.name} is not synthesised here")
    _check_rate(codec, config.sample_rate_hertz or PCMU_8K.sample_rate)


def synthesised(
    mulaw: bytes, config: OutputAudioConfig, wrong: WrongAudio | None
) -> tuple[bytes, OutputAudioConfig]:
    """Speech as a client has asked for it, and how it is encoded.

    Args:
        mulaw: the speech, at 8 kHz.
        config: what the client asks for.
        wrong: how the audio is to break the promise.
    """
    codec = _OUTPUT[config.audio_encoding]
    rate = config.sample_rate_hertz or PCMU_8K.sample_rate
    actual = _WRONG_CODEC[codec] if wrong == "codec" else codec
    actual_rate = _WRONG_RATE if wrong == "rate" else rate
    format_ = AudioFormat(actual, actual_rate, 1)
    audio = b"".join(converter(PCMU_8K, format_, "little").convert(mulaw))
    if actual == "L16":
        audio = wav("pcm16", 1, actual_rate, audio)
    elif wrong == "wav":
        audio = wav("mulaw" if actual == "PCMU" else "alaw", 1, actual_rate, audio)
    made = OutputAudioConfig(config)
    made.audio_encoding, made.sample_rate_hertz = OutputAudioEncoding(_ENCODINGS[codec]), rate
    return audio, made


def _check_rate(codec: str, rate: int) -> None:
    if codec == "L16" and rate not in _RATES:
        raise invalid(f"sample_rate_hertz {rate} is not between {_RATES[0]} and {_RATES[-1]}")
    if codec != "L16" and rate != PCMU_8K.sample_rate:
        raise invalid(f"sample_rate_hertz {rate} is not 8000, which {codec} has")
