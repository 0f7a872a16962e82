"""Audio in a fork's own codec."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import audioop
import numpy as np
import soxr  # type: ignore[import-untyped]

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream_cli import audio
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.stereo import ByteOrder, decode

_SAMPLE_BYTES: Final = 2
# What silence is, of the codecs that can be encoded.
_SILENCE: Final[Mapping[str, bytes]] = {"PCMU": b"\xff", "PCMA": b"\xd5", "L16": b"\0\0"}


def load(path: Path) -> bytes:
    """A file's audio as 8 kHz mu-law. Of stereo it is the right channel, which is the agent's.

    Raises:
        UnreadableAudioError: it cannot be played.
    """
    tracks = audio.load(path)
    return tracks["outbound"] if "outbound" in tracks else tracks["inbound"]


def encoded(mulaw: bytes, format_: AudioFormat, byte_order: ByteOrder) -> bytes:
    """8 kHz mu-law audio in another format.

    Raises:
        ConsumerError: in that format audio cannot be made here.
    """
    if format_.encoding not in _SILENCE or format_.channels != 1:
        channels = f" of {format_.channels} channels" if format_.channels != 1 else ""
        raise ConsumerError(f"audio in {format_.encoding}{channels} cannot be made here")
    if format_ == PCMU_8K or not mulaw:
        return mulaw
    samples = decode("PCMU", mulaw, "big")
    if format_.sample_rate != PCMU_8K.sample_rate:
        samples = soxr.resample(samples, PCMU_8K.sample_rate, format_.sample_rate)
    match format_.encoding:
        case "L16":
            return np.asarray(samples, ">i2" if byte_order == "big" else "<i2").tobytes()
        case "PCMA":
            return audioop.lin2alaw(samples.tobytes(), _SAMPLE_BYTES)
        case _:
            return audioop.lin2ulaw(samples.tobytes(), _SAMPLE_BYTES)


def pieces(encoded_audio: bytes, format_: AudioFormat) -> Iterator[bytes]:
    """Split audio into pieces of 20 milliseconds; the last is filled up with silence."""
    silence = _SILENCE[format_.encoding]
    size = format_.sample_rate * audio.FRAME_MS // 1000 * len(silence)
    for start in range(0, len(encoded_audio), size):
        piece = encoded_audio[start : start + size]
        yield piece + silence * ((size - len(piece)) // len(silence))
