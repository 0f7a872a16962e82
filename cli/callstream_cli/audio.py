"""Audio files as the tracks of a call, which are 8 kHz mu-law; and back."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import audioop
import numpy as np
import soxr  # type: ignore[import-untyped]

from callstream.audio.formats import PCMU_8K
from callstream.audio.packetizer import PIECE_MS
from callstream.dialects.events import Track

FRAME_MS: Final = PIECE_MS
BYTES_PER_MS: Final = PCMU_8K.sample_rate // 1000
FRAME_BYTES: Final = FRAME_MS * BYTES_PER_MS
SILENCE: Final = PCMU_8K.silence
RAW_SUFFIXES: Final = frozenset({".mulaw", ".raw", ".ulaw"})

type Tracks = Mapping[Track, bytes]
"""The audio of each track, 8 kHz mu-law."""

type _Samples = np.ndarray[tuple[int, int], np.dtype[np.int16]]
"""Linear samples: a row for each moment, a column for each channel."""

# WAVE format tags.
_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_FLOATS: Final = {4: "<f4", 8: "<f8"}
_SAMPLE_BYTES: Final = 2
_FULL_SCALE: Final = 32_767
# The sampling rates of sound files; any other rate is a broken header.
_RATES: Final = range(1_000, 1_000_000)
# The tracks in the order of a file's channels: left, right.
TRACKS: Final[tuple[Track, ...]] = ("inbound", "outbound")


type Encoding = Literal["mulaw", "alaw", "pcm16"]
_ENCODINGS: Final[Mapping[Encoding, tuple[int, int]]] = {
    "mulaw": (_MULAW, 1),
    "alaw": (_ALAW, 1),
    "pcm16": (_PCM, _SAMPLE_BYTES),
}
# 4 GiB, less the room for all headers.
_MOST_BYTES: Final = 2**32 - 1024


class UnreadableAudioError(Exception):
    """The file cannot be played; the message says why."""


class TooLongError(Exception):
    """The audio is too long for a WAV file."""


def load(path: Path) -> Tracks:
    """Read a file: WAV, or raw 8 kHz mu-law by its suffix.

    Mono is the inbound track; stereo is inbound on the left and outbound on the right.

    Raises:
        UnreadableAudioError: there is no such file, or it is in no format that this module reads.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableAudioError(f"{path}: {error.strerror}") from None
    if path.suffix.lower() in RAW_SUFFIXES:
        tracks: Tracks = {"inbound": data}
    else:
        try:
            tracks = _from_wav(data)
        except UnreadableAudioError as error:
            raise UnreadableAudioError(f"{path}: {error}") from None
    if not any(tracks.values()):
        raise UnreadableAudioError(f"{path}: no audio in it")
    return tracks


def save(path: Path, tracks: Tracks, encoding: Literal["mulaw", "pcm16"] = "mulaw") -> None:
    """Write a WAV file: mono for one track, else inbound on the left and outbound on the right.

    The shorter track is filled up with silence. `mulaw` keeps every byte; every player knows
    `pcm16`.
    """
    present = [tracks[track] for track in TRACKS if track in tracks]
    length = max(map(len, present), default=0)
    samples = np.stack(
        [np.frombuffer(track.ljust(length, SILENCE), np.uint8) for track in present], axis=1
    )
    interleaved = samples.tobytes()
    if encoding == "mulaw":
        path.write_bytes(_wav(_MULAW, len(present), 1, interleaved))
    else:
        pcm = audioop.ulaw2lin(interleaved, _SAMPLE_BYTES)
        path.write_bytes(_wav(_PCM, len(present), _SAMPLE_BYTES, pcm))


def wav(encoding: Encoding, channels: int, rate: int, data: bytes) -> bytes:
    """A WAV file of samples that are already encoded and interleaved; `rate` is in Hz.

    Raises:
        TooLongError: the file would be longer than 4 GiB, the limit of WAV.
    """
    if len(data) > _MOST_BYTES:
        raise TooLongError("more audio than a WAV file can hold, which is 4 GiB")
    tag, sample_bytes = _ENCODINGS[encoding]
    return _wav(tag, channels, sample_bytes, data, rate)


def _from_wav(data: bytes) -> Tracks:
    form, body = _chunks(data)
    try:
        tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", form)
        if tag == _EXTENSIBLE:
            # The GUID behind size, valid bits and channel mask begins with the real tag.
            (tag,) = struct.unpack_from("<H", form, 24)
    except struct.error:
        raise UnreadableAudioError("its format chunk is cut short") from None
    if not 1 <= channels <= len(TRACKS):
        raise UnreadableAudioError(f"{channels} channels; mono and stereo can be played")
    if rate not in _RATES or bits % 8 or block != channels * bits // 8 or bits == 0:
        raise UnreadableAudioError("its format chunk makes no sense")
    # A file whose writing was interrupted may end within a sample.
    body = body[: len(body) - len(body) % block]
    if tag == _MULAW and rate == PCMU_8K.sample_rate:
        mulaw = body
    else:
        samples = _linear(body, tag, bits // 8, channels)
        if rate != PCMU_8K.sample_rate and len(samples):
            samples = soxr.resample(samples, rate, PCMU_8K.sample_rate)
        mulaw = audioop.lin2ulaw(samples.tobytes(), _SAMPLE_BYTES)
    return {track: mulaw[index::channels] for index, track in enumerate(TRACKS[:channels])}


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """The format and data chunks of a WAV file."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise UnreadableAudioError("not a WAV file (raw mu-law is known by its suffix)")
    found: dict[bytes, bytes] = {}
    offset = 12
    while offset + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, offset)
        found.setdefault(name, data[offset + 8 : offset + 8 + size])
        offset += 8 + size + size % 2
    try:
        return found[b"fmt "], found[b"data"]
    except KeyError as missing:
        raise UnreadableAudioError(f"a WAV file without its {missing} chunk") from None


def _linear(body: bytes, tag: int, width: int, channels: int) -> _Samples:
    """Samples of any encoding as 16-bit linear samples; `width` is in bytes per sample."""
    if tag == _MULAW and width == 1:
        body = audioop.ulaw2lin(body, _SAMPLE_BYTES)
    elif tag == _ALAW and width == 1:
        body = audioop.alaw2lin(body, _SAMPLE_BYTES)
    elif tag == _FLOAT and width in _FLOATS:
        values = np.frombuffer(body, _FLOATS[width]) * _FULL_SCALE
        body = np.nan_to_num(values).round().clip(-_FULL_SCALE, _FULL_SCALE).astype("<i2").tobytes()
    elif tag == _PCM and width in {1, 2, 3, 4}:
        # In WAV files, only samples of one byte are unsigned.
        signed = audioop.bias(body, 1, 128) if width == 1 else body
        body = audioop.lin2lin(signed, width, _SAMPLE_BYTES)
    else:
        raise UnreadableAudioError(f"unknown encoding: WAVE format {tag}, {8 * width} bits")
    return np.frombuffer(body, np.int16).reshape(-1, channels)


def _wav(
    tag: int, channels: int, sample_bytes: int, data: bytes, rate: int = PCMU_8K.sample_rate
) -> bytes:
    """A WAV file. The standard library's `wave` writes only PCM."""
    block = channels * sample_bytes
    form = struct.pack("<HHIIHHH", tag, channels, rate, rate * block, block, 8 * sample_bytes, 0)
    fact = struct.pack("<I", len(data) // block)
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
        for name, body in ((b"fmt ", form), (b"fact", fact), (b"data", data))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
