"""Audio in a call's codec: made of recordings, and decoded.

The library's converters do the work. They import a codec when a call has it.
"""

import io
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]

from callstream.audio.conversion import UnusableAudio, can_convert, converter
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.audio.packetizer import PIECE_MS, pieces
from callstream_cli.formats import linear, title

type Samples = np.ndarray[tuple[int], np.dtype[np.int16]]
"""Linear samples of one track."""

_DTYPES: Final = {"big": ">i2", "little": "<i2"}
# In base64 far below the 16 MiB that a relay takes in a message, and a second or more of any file.
_MOST_MP3_BYTES: Final = 1_000_000
_MP3_RATES: Final = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


class TrackDecoder:
    """Decodes the frames of one track, in order.

    Args:
        format_: the frames' format.
        byte_order: the byte order of L16.

    Raises:
        UnusableAudio: the format cannot be decoded.
    """

    def __init__(self, format_: AudioFormat, byte_order: ByteOrder) -> None:
        self._converter = converter(format_, linear(format_), byte_order)
        self._dtype = _DTYPES[byte_order]

    def decode(self, frame: bytes) -> Samples:
        """The samples of a frame, at the format's `audio_rate`.

        Raises:
            UnusableAudio: the frame is damaged. The frames after it can be decoded.
        """
        audio = b"".join(self._converter.convert(frame))
        return np.frombuffer(audio[: len(audio) // 2 * 2], self._dtype).astype(np.int16)


def encoded(
    audio: bytes, source: AudioFormat, target: AudioFormat, byte_order: ByteOrder
) -> Sequence[bytes]:
    """A track of a recording as frames of 20 ms in another format; the last is filled up.

    Args:
        audio: the track, in the format of `callstream_cli.audio.Recording`.
        source: that format.
        target: the format of the frames.
        byte_order: the byte order of L16 in the frames.

    Raises:
        UnusableAudio: audio in that format cannot be made here.
    """
    if source == target and source.encoding != "L16":
        return pieces(audio, target)
    return list(_encoded(_samples(audio, source), source.audio_rate, target, byte_order))


def _samples(audio: bytes, source: AudioFormat) -> Samples:
    return TrackDecoder(source, "little").decode(audio)


def _encoded(
    samples: Samples, rate: int, target: AudioFormat, byte_order: ByteOrder
) -> Iterator[bytes]:
    whole = linear(target)
    if not can_convert(whole, target):
        raise UnusableAudio(f"audio in {title(target)} cannot be made here")
    size = max(whole.sample_rate * PIECE_MS // 1000, 1)
    samples = resampled(samples, rate, whole.sample_rate)
    samples = np.pad(samples, (0, -len(samples) % size))
    made = converter(whole, target, byte_order)
    for begin in range(0, len(samples), size):
        piece = samples[begin : begin + size]
        yield from made.convert(piece.astype(_DTYPES[byte_order]).tobytes())
    yield from made.flush()


def mp3(audio: bytes, source: AudioFormat, seconds: float) -> Sequence[bytes]:
    """A track of a recording as one MP3 file, in parts that last so long; 0 makes large parts.

    The audio is as for `encoded`.
    """
    rate = min((rate for rate in _MP3_RATES if rate >= source.audio_rate), default=_MP3_RATES[-1])
    samples = resampled(_samples(audio, source), source.audio_rate, rate)
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, 1, format="MP3", bitrate_mode="CONSTANT") as sound:
        sound.write(samples)
    content = file.getvalue()
    size = _MOST_MP3_BYTES
    if seconds and len(samples):
        size = min(size, math.ceil(len(content) * seconds * rate / len(samples)))
    return [content[at : at + size] for at in range(0, len(content), size)]


def resampled(samples: Samples, rate: int, target_rate: int) -> Samples:
    """Samples at another rate. A whole recording at a time, so that a slow filter may be used."""
    if rate == target_rate or not len(samples):
        return samples
    result: Samples = soxr.resample(samples, rate, target_rate)
    return result
