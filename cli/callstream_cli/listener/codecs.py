"""Audio in a fork's own codec."""

from pathlib import Path

import soxr  # type: ignore[import-untyped]

from callstream.audio.codecs import pcm
from callstream.audio.formats import PCMU_8K, AudioFormat, ByteOrder
from callstream_cli import audio
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.stereo import samples


def load(path: Path) -> bytes:
    """A file's audio as 8 kHz mu-law; of stereo only the right channel, which is the agent's.

    Raises:
        UnreadableAudioError: the file cannot be played.
    """
    tracks = audio.load(path)
    return tracks["outbound"] if "outbound" in tracks else tracks["inbound"]


def encoded(mulaw: bytes, format_: AudioFormat, byte_order: ByteOrder) -> bytes:
    """8 kHz mu-law audio in another format.

    Raises:
        ConsumerError: audio cannot be converted to that format here.
    """
    if not format_.sample_bytes or format_.channels != 1:
        channels = f" of {format_.channels} channels" if format_.channels != 1 else ""
        raise ConsumerError(f"audio in {format_.encoding}{channels} cannot be made here")
    if format_ == PCMU_8K or not mulaw:
        return mulaw
    linear = samples(mulaw, "PCMU", byte_order)
    if format_.sample_rate != PCMU_8K.sample_rate:
        linear = soxr.resample(linear, PCMU_8K.sample_rate, format_.sample_rate)
    return pcm.encode(linear.tobytes(), format_.encoding, byte_order)
