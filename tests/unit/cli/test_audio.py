"""Audio files: read in any encoding, written bit for bit."""

import io
import os
import struct
import wave
from contextlib import suppress
from pathlib import Path

import audioop
import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from callstream_cli import audio

PCM, FLOAT, ALAW, MULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
EVERY_BYTE = bytes(range(256))


def wav(  # noqa: PLR0917 - in the order of the header
    tag: int,
    channels: int,
    rate: int,
    bits: int,
    data: bytes,
    extra: bytes = b"",
    between: bytes = b"LIST\3\0\0\0odd\0",
) -> bytes:
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + extra
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + between
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def tone(rate: int, frequency: float, seconds: float = 0.5) -> np.ndarray:
    time = np.arange(int(rate * seconds)) / rate
    return (np.sin(2 * np.pi * frequency * time) * 0.5).astype(np.float64)


def encoded(samples: np.ndarray, tag: int, bits: int) -> bytes:
    linear = (samples * 32767).astype("<i2").tobytes()
    match tag, bits:
        case 1, 8:
            return audioop.bias(audioop.lin2lin(linear, 2, 1), 1, 128)
        case 1, _:
            return audioop.lin2lin(linear, 2, bits // 8)
        case 3, 32:
            return samples.astype("<f4").tobytes()
        case 3, 64:
            return samples.astype("<f8").tobytes()
        case 6, _:
            return audioop.lin2alaw(linear, 2)
        case _:
            return audioop.lin2ulaw(linear, 2)


def pitch(mulaw: bytes) -> float:
    samples = np.frombuffer(audioop.ulaw2lin(mulaw, 2), np.int16).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * 8000 / len(samples)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
@pytest.mark.parametrize(
    ("tag", "bits"),
    [(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64), (ALAW, 8), (MULAW, 8)],
)
def test_wav_of_any_encoding_becomes_8_khz_mulaw(
    tmp_path: Path, rate: int, tag: int, bits: int
) -> None:
    left, right = tone(rate, 440), tone(rate, 1200)
    file = tmp_path / "call.wav"
    file.write_bytes(
        wav(tag, 2, rate, bits, encoded(np.stack([left, right], 1).ravel(), tag, bits))
    )

    tracks = audio.load(file)

    assert list(tracks) == ["inbound", "outbound"]
    assert pitch(tracks["inbound"]) == pytest.approx(440, abs=5)
    assert pitch(tracks["outbound"]) == pytest.approx(1200, abs=5)
    assert len(tracks["inbound"]) == pytest.approx(4000, abs=2)
    loudest = audioop.max(audioop.ulaw2lin(tracks["inbound"], 2), 2)
    assert loudest == pytest.approx(16384, rel=0.1)


def test_mono_file_is_the_inbound_track(tmp_path: Path) -> None:
    file = tmp_path / "mono.wav"
    with wave.open(str(file), "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(encoded(tone(8000, 440), PCM, 16))

    assert list(audio.load(file)) == ["inbound"]


def test_extensible_header_has_its_encoding_in_the_guid(tmp_path: Path) -> None:
    guid = bytes.fromhex("07000000 0000 1000 8000 00aa00389b71")
    extra = struct.pack("<HHI", 22, 8, 0) + guid
    file = tmp_path / "extensible.wav"
    file.write_bytes(wav(EXTENSIBLE, 1, 8000, 8, b"abc", extra))

    assert audio.load(file) == {"inbound": b"abc"}


@pytest.mark.parametrize(
    "between",
    [
        b"LIST\3\0\0\0odd",
        b"LIST\x11\0\0\0INFOISFT\5\0\0\0Lavf\0",
        b"junk\1\0\0\0xid3 \3\0\0\0odd",
        b"junk\1\0\0\0x\0LIST\3\0\0\0odd\xff",
        b"",
    ],
    ids=["no pad byte", "ends in zero", "two without pad bytes", "odd pad byte", "nothing between"],
)
def test_chunk_of_odd_length_may_lack_its_pad_byte(tmp_path: Path, between: bytes) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(wav(MULAW, 1, 8000, 8, EVERY_BYTE, between=between))

    assert audio.load(file) == {"inbound": EVERY_BYTE}


@pytest.mark.parametrize("sample_bytes", [1, 2])
@pytest.mark.parametrize("bits", [0, 8, 16])
@pytest.mark.parametrize("channels", [1, 2])
def test_mulaw_has_8_bits_whatever_its_header_has(
    tmp_path: Path, channels: int, bits: int, sample_bytes: int
) -> None:
    file = tmp_path / "call.wav"
    content = wav(MULAW, channels, 8000, bits, EVERY_BYTE)
    file.write_bytes(content[:32] + struct.pack("<H", channels * sample_bytes) + content[34:])

    tracks = list(audio.load(file).values())

    assert tracks == [EVERY_BYTE[channel::channels] for channel in range(channels)]


@pytest.mark.parametrize("size", [0, 0x7FFF_F000, 0xFFFF_FFFF])
def test_file_of_unknown_size_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    content = wav(MULAW, 1, 8000, 8, EVERY_BYTE, between=b"")
    file = tmp_path / "call.wav"
    unknown = struct.pack("<I", size)
    file.write_bytes(content[:4] + unknown + content[8:40] + unknown + content[44:])

    assert audio.load(file) == {"inbound": EVERY_BYTE}


def test_chunks_behind_the_audio_are_no_audio(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    good = wav(MULAW, 1, 8000, 8, EVERY_BYTE)
    file.write_bytes(good + b"LIST\4\0\0\0INFO" + b"data\2\0\0\0no" + b"TAG" + bytes(125))

    assert audio.load(file) == {"inbound": EVERY_BYTE}


@pytest.mark.parametrize("kind", ["AIFF", "AU", "CAF", "W64"])
def test_mulaw_of_other_files_is_loaded_bit_for_bit(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "call"
    every = np.frombuffer(audioop.ulaw2lin(EVERY_BYTE, 2), np.int16)
    soundfile.write(file, every, 8000, "ULAW", format=kind)

    # Mu-law has two zeros; the writer makes only the positive one.
    assert audio.load(file) == {"inbound": EVERY_BYTE.replace(b"\x7f", b"\xff")}


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "GSM610"),
        ("WAV", "MS_ADPCM"),
        ("WAV", "IMA_ADPCM"),
        ("WAV", "G721_32"),
        ("MP3", "MPEG_LAYER_III"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("AIFF", "PCM_24"),
        ("CAF", "ALAC_16"),
        ("RF64", "PCM_16"),
    ],
)
def test_other_encodings_and_files_are_decoded(tmp_path: Path, kind: str, subtype: str) -> None:
    file = tmp_path / "call"
    soundfile.write(file, tone(8000, 440), 8000, subtype, format=kind)

    assert_is_tone(audio.load(file))


def test_mp3_in_wav_is_decoded(tmp_path: Path) -> None:
    mp3 = io.BytesIO()
    soundfile.write(mp3, tone(8000, 440), 8000, format="MP3")
    file = tmp_path / "call.wav"
    extra = struct.pack("<HHIHHH", 12, 1, 2, 144, 1, 0)
    file.write_bytes(wav(85, 1, 8000, 0, mp3.getvalue(), extra))

    assert_is_tone(audio.load(file))


def assert_is_tone(tracks: audio.Tracks) -> None:
    assert list(tracks) == ["inbound"]
    assert pitch(tracks["inbound"]) == pytest.approx(440, abs=5)
    # The last block of an encoding is filled up.
    assert len(tracks["inbound"]) == pytest.approx(4000, abs=160)
    loudest = audioop.max(audioop.ulaw2lin(tracks["inbound"], 2), 2)
    assert loudest == pytest.approx(16384, rel=0.2)


def test_float_samples_are_clipped(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    samples = np.array([0.5, 3, -3, np.nan, np.inf], "<f4")
    file.write_bytes(wav(FLOAT, 1, 8000, 32, samples.tobytes()))

    linear = struct.pack("<5h", 16384, 32767, -32768, 0, 32767)
    assert audio.load(file) == {"inbound": audioop.lin2ulaw(linear, 2)}


def test_file_may_be_a_pipe() -> None:
    reader, writer = os.pipe()
    os.write(writer, wav(MULAW, 1, 8000, 8, EVERY_BYTE))
    os.close(writer)

    try:
        assert audio.load(Path(f"/dev/fd/{reader}")) == {"inbound": EVERY_BYTE}
    finally:
        os.close(reader)


@pytest.mark.parametrize("suffix", [".ulaw", ".mulaw", ".raw", ".ULAW"])
def test_raw_mulaw_is_loaded_unchanged(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"call{suffix}"
    file.write_bytes(b"\x00\x7f\xff")

    assert audio.load(file) == {"inbound": b"\x00\x7f\xff"}


@given(st.binary(min_size=1, max_size=500), st.binary(max_size=500))
def test_saved_mulaw_is_loaded_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, inbound: bytes, outbound: bytes
) -> None:
    file = tmp_path_factory.mktemp("audio") / "call.wav"
    audio.save(file, {"outbound": outbound, "inbound": inbound})
    length = max(len(inbound), len(outbound))

    assert audio.load(file) == {
        "inbound": inbound.ljust(length, b"\xff"),
        "outbound": outbound.ljust(length, b"\xff"),
    }


def test_pcm16_file_is_read_by_the_standard_library(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    audio.save(file, {"inbound": b"\x80\xff", "outbound": b"\x00\xff"}, "pcm16")

    with wave.open(str(file)) as reader:
        assert reader.getparams()[:4] == (2, 2, 8000, 2)
        assert reader.readframes(1) == struct.pack("<hh", 32124, -32124)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ID3 not a wave", "not an audio file.*: WAV, .*MP3.*, or raw 8 kHz mu-law"),
        (b"", "not an audio file"),
        (b"RIFF\0\0\0\0WAVE", "No 'data' chunk.*: WAV, .*MP3.*, or raw 8 kHz mu-law"),
        (wav(PCM, 2, 8000, 16, b""), "no audio"),
        (wav(PCM, 2, 8000, 16, b"", between=b"data\0\0\0\0"), "no audio"),
        (wav(PCM, 6, 8000, 16, bytes(24)), "6 channels"),
        (wav(PCM, 1, 0, 16, bytes(24)), "broken"),
        (wav(PCM, 1, 2**30, 16, bytes(24)), "makes no sense"),
        (wav(PCM, 1, 8000, 0, bytes(24)), "unknown kind"),
        (wav(PCM, 0, 8000, 16, bytes(24)), "Channel count is zero"),
        (wav(85, 1, 8000, 8, bytes(24)), "in MP3"),
        (wav(0x31, 1, 8000, 8, bytes(24)), "in GSM"),
        (wav(0x11, 1, 8000, 8, bytes(24)), "in IMA ADPCM"),
        (wav(0x83, 1, 8000, 0, bytes(24)), "in G.729.*: WAV, .*MP3.*, or raw 8 kHz mu-law"),
        (wav(0x1234, 1, 8000, 0, bytes(24)), "in WAV format 0x1234"),
        (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\x01\0data\x01\0\0\0a", "Short 'fmt ' chunk"),
    ],
)
def test_unplayable_file_is_explained(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(content)

    with pytest.raises(audio.UnreadableAudioError, match=message) as caught:
        audio.load(file)
    assert str(file) in str(caught.value)
    assert "b'" not in str(caught.value)


def test_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(audio.UnreadableAudioError, match="No such file"):
        audio.load(tmp_path / "none.wav")


@given(st.binary(max_size=200))
def test_file_of_any_content_raises_no_other_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    file = tmp_path_factory.mktemp("audio") / "call.wav"
    good = wav(PCM, 2, 16000, 16, bytes(64))
    file.write_bytes(good[:20] + noise + good[20 + len(noise) :])

    with suppress(audio.UnreadableAudioError):
        audio.load(file)


def test_bundled_recording_has_both_sides_of_a_call() -> None:
    tracks = audio.load(Path(audio.__file__).parent / "assets" / "conversation.wav")

    assert list(tracks) == ["inbound", "outbound"]
    assert all(set(track) - {0xFF} for track in tracks.values())
