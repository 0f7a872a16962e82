"""Audio files as the tracks of a call, and back. libsndfile reads and writes them."""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import audioop
import numpy as np
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.audio.packetizer import PIECE_MS
from callstream.dialects.events import Track

FRAME_MS: Final = PIECE_MS
BYTES_PER_MS: Final = PCMU_8K.sample_rate // 1000
FRAME_BYTES: Final = FRAME_MS * BYTES_PER_MS
SILENCE: Final = PCMU_8K.silence
DEMO_RECORDING: Final = Path(__file__).parent / "assets" / "conversation.wav"
DIALOGUE_RECORDING: Final = DEMO_RECORDING.with_name("caller.flac")
"""A caller who talks with the agent of `callstream dialogflow`."""
RAW_SUFFIXES: Final = frozenset({".mulaw", ".raw", ".ulaw"})

type Tracks = Mapping[Track, bytes]
"""The audio of each track: 8 kHz mu-law, unless another format is named."""

type _Samples = np.ndarray[tuple[int, int], np.dtype[np.int16]]
"""Linear samples: a row for each moment, a column for each channel."""

FILES: Final = "WAV, AIFF, AU, CAF, FLAC, MP3 or Ogg, or raw 8 kHz mu-law (.ulaw, .mulaw, .raw)"
"""The files that can be read."""

# WAVE format tags.
_PCM, _ALAW, _MULAW = 1, 6, 7
# The names of other encodings, from Microsoft's mmreg.h.
_NAMES: Final = {
    0x0002: "Microsoft ADPCM",
    0x0010: "OKI ADPCM",
    0x0011: "IMA ADPCM",
    0x0017: "Dialogic ADPCM",
    0x0022: "TrueSpeech",
    0x0031: "GSM 6.10",
    0x0040: "G.721",
    0x0042: "G.723.1",
    0x0050: "MPEG layer 1 or 2",
    0x0055: "MP3",
    0x0064: "G.726",
    0x0065: "G.722",
    0x0083: "G.729",
    0x00FF: "AAC",
    0x0161: "Windows Media Audio",
}
# What libsndfile can read if the header makes sense: these, float and EXTENSIBLE.
_READABLE: Final = frozenset({_PCM, 3, _ALAW, _MULAW, 0xFFFE})
# SF_ERR_UNRECOGNISED_FORMAT in sndfile.h.
_UNRECOGNISED: Final = 1
_GSM: Final = struct.pack("<H", 0x0031)
# The size of audio whose length was unknown when the header was written.
_UNKNOWN_SIZE: Final = 0xFFFF_FFFF
_SAMPLE_BYTES: Final = 2
_NEGATIVE_ZERO: Final = 0x7F
# How many samples of each channel are decoded at once.
_BLOCK: Final = 65_536
# The sampling rates of sound files; any other rate is a broken header.
_RATES: Final = range(1_000, 1_000_000)
# The tracks in the order of a file's channels: left, right.
TRACKS: Final[tuple[Track, ...]] = ("inbound", "outbound")


type Encoding = Literal["mulaw", "alaw", "pcm16"]
# The names of the encodings at libsndfile.
_SUBTYPES: Final[Mapping[Encoding, str]] = {"mulaw": "ULAW", "alaw": "ALAW", "pcm16": "PCM_16"}
# 4 GiB, less the room for all headers.
_MOST_BYTES: Final = 2**32 - 1024


class UnreadableAudioError(Exception):
    """The file cannot be played; the message says why."""


class TooLongError(Exception):
    """The audio is too long for a WAV file."""


@dataclass(frozen=True, slots=True)
class Recording:
    """An audio file: PCMU at 8 kHz if the file is mu-law at 8 kHz, else L16 at the file's rate.

    L16 is little-endian here.
    """

    tracks: Tracks
    format: AudioFormat


def read(path: Path) -> Recording:
    """Read a file: any that libsndfile reads, or raw 8 kHz mu-law by its suffix.

    Mono is the inbound track; stereo is inbound on the left and outbound on the right. Mu-law at
    8 kHz stays as it is, byte for byte.

    Raises:
        UnreadableAudioError: there is no such file, or it is in no format that this module reads.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableAudioError(f"{path}: {error.strerror}") from None
    if path.suffix.lower() in RAW_SUFFIXES:
        recording = Recording({"inbound": content}, PCMU_8K)
    else:
        try:
            recording = _decoded(_mended(content))
        except UnreadableAudioError as error:
            raise UnreadableAudioError(f"{path}: {error}") from None
        except soundfile.LibsndfileError as error:
            reason = f"{_reason(content, error)}. Files that can be read: {FILES}"
            raise UnreadableAudioError(f"{path}: {reason}") from None
    if not any(recording.tracks.values()):
        raise UnreadableAudioError(f"{path}: no audio in it")
    return recording


def load(path: Path) -> Tracks:
    """Read a file as `read` does, as 8 kHz mu-law.

    Raises:
        UnreadableAudioError: as `read`.
    """
    recording = read(path)
    if recording.format == PCMU_8K:
        return recording.tracks
    rate = recording.format.sample_rate
    tracks: dict[Track, bytes] = {}
    for track, linear in recording.tracks.items():
        samples = np.frombuffer(linear, "<i2")
        if rate != PCMU_8K.sample_rate:
            samples = soxr.resample(samples, rate, PCMU_8K.sample_rate)
        tracks[track] = audioop.lin2ulaw(samples.tobytes(), _SAMPLE_BYTES)
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
    if encoding == "pcm16":
        interleaved = audioop.ulaw2lin(interleaved, _SAMPLE_BYTES)
    path.write_bytes(wav(encoding, len(present), PCMU_8K.sample_rate, interleaved))


def wav(encoding: Encoding, channels: int, rate: int, data: bytes) -> bytes:
    """A WAV file of samples that are already encoded and interleaved; `rate` is in Hz.

    Raises:
        TooLongError: the file would be longer than 4 GiB, the limit of WAV.
    """
    if len(data) > _MOST_BYTES:
        raise TooLongError("more audio than a WAV file can hold, which is 4 GiB")
    samples = np.frombuffer(data, np.int16 if encoding == "pcm16" else np.uint8)
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, channels, _SUBTYPES[encoding], format="WAV") as sound:
        for begin in range(0, len(samples), _BLOCK * channels):
            block = samples[begin : begin + _BLOCK * channels]
            if encoding != "pcm16":
                block = _linear_values(encoding)[block]
            sound.write(block.reshape(-1, channels))
    return file.getvalue()


def _decoded(content: bytes) -> Recording:
    file = io.BytesIO(content)
    with soundfile.SoundFile(file) as sound:
        channels, rate = sound.channels, sound.samplerate
        if channels > len(TRACKS):
            raise UnreadableAudioError(f"{channels} channels; mono and stereo can be played")
        if rate not in _RATES:
            raise UnreadableAudioError(f"a sampling rate of {rate} Hz makes no sense")
        if sound.subtype == "ULAW" and rate == PCMU_8K.sample_rate:
            # The file stands at its first sample. Decoded, the two zeros of mu-law would be one.
            mulaw = file.read(sound.frames * channels)
            columns = [mulaw[index::channels] for index in range(channels)]
            format_ = PCMU_8K
        else:
            columns = [column.astype("<i2").tobytes() for column in _linear(sound).T]
            format_ = AudioFormat("L16", rate, 1)
    return Recording(dict(zip(TRACKS, columns, strict=False)), format_)


def _linear(sound: soundfile.SoundFile) -> _Samples:
    blocks: list[_Samples] = [np.empty((0, sound.channels), np.int16)]
    # Floats, since libsndfile does not scale the samples of float files to integers.
    while len(block := sound.read(_BLOCK, "float32", always_2d=True)):
        clipped = np.nan_to_num(block).clip(-1, 32_767 / 32_768)
        blocks.append((clipped * 32_768).round().astype(np.int16))
    return np.concatenate(blocks)


def _mended(content: bytes) -> bytes:
    """A WAV file as libsndfile needs it, cut off behind the audio; any other file as it is.

    Some writers leave out the pad byte behind a chunk of odd length, which FFmpeg does not read
    either. Interrupted writers leave the sizes at zero.
    """
    if content[:4] != b"RIFF":
        return content
    whole = struct.unpack_from("<I", content.ljust(8, b"\0"), 4) == (len(content) - 8,)
    at, gsm = 12, False
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        body, end = at + 8, at + 8 + size
        if name == b"fmt ":
            gsm = content[body : body + 2] == _GSM
        if name == b"data":
            if not size and not whole:
                size = end = _UNKNOWN_SIZE
            elif gsm:
                size -= size % 2  # libsndfile rounds up, and would decode one block too many
            return content[: at + 4] + struct.pack("<I", size) + content[body:end]
        if size % 2 and content[end : end + 4].rstrip().isalnum():
            content = content[:end] + b"\0" + content[end:]
        at = end + size % 2
    return content


def _reason(content: bytes, error: soundfile.LibsndfileError) -> str:
    """Why libsndfile cannot read a file."""
    if error.code == _UNRECOGNISED:
        return "not an audio file of a known kind"
    _, header, form = content.partition(b"fmt ")
    tag = int.from_bytes(form[4:6], "little")
    if content[:4] == b"RIFF" and header and tag not in _READABLE:
        name = _NAMES.get(tag, f"WAV format {tag:#06x}")
        return f"its audio, in {name}, cannot be decoded here"
    return f"broken, or of an unknown kind ({error.error_string.rstrip('.')})"


@cache
def _linear_values(encoding: Encoding) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """The linear value of each byte of mu-law or A-law: libsndfile makes the same byte of it."""
    every = bytes(range(256))
    if encoding == "alaw":
        return np.frombuffer(audioop.alaw2lin(every, _SAMPLE_BYTES), np.int16)
    values = np.frombuffer(audioop.ulaw2lin(every, _SAMPLE_BYTES), np.int16).copy()
    # Mu-law has two zeros. The least negative number becomes the negative zero.
    values[_NEGATIVE_ZERO] = -1
    return values
