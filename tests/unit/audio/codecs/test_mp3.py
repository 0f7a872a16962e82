"""MP3 files of a consumer, decoded frame by frame."""

import random
import sys
from array import array
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from callstream.audio.conversion import mp3_decoder
from callstream.audio.mp3_frames import NotMp3
from tests.mp3_files import id3, mp3

Wave = np.ndarray[Any, np.dtype[np.float64]]

PITCH, LOUD = 700, 8000
RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def tone(rate: int, count: int) -> Wave:
    return np.asarray(LOUD * np.sin(2 * np.pi * PITCH * np.arange(count) / rate), np.float64)


@lru_cache
def file(rate: int, channels: int = 1, kbits: int | None = 64) -> bytes:
    """A second of the tone."""
    samples = tone(rate, rate).round().astype(np.int16).tobytes()
    return mp3(samples, rate, channels=channels, kbits=kbits)


def decoded(messages: Iterable[bytes], rate: int = 16_000) -> list[bytes]:
    """The pieces of audio of all messages."""
    decoder = mp3_decoder(rate, sys.byteorder)
    pieces = []
    for message in messages:
        decoder.feed(message)
        while (piece := decoder.read()) is not None:
            pieces.append(piece)
    return pieces


def heard(messages: Iterable[bytes], rate: int = 16_000) -> Wave:
    return np.frombuffer(b"".join(decoded(messages, rate)), np.int16).astype(np.float64)


def without_the_tone(wave: Wave, rate: int) -> tuple[float, Wave]:
    """The level of the tone in dB, and what else is in a wave."""
    angles = 2 * np.pi * PITCH * np.arange(len(wave)) / rate
    parts = np.stack([np.sin(angles), np.cos(angles)], 1)
    found = np.linalg.lstsq(parts, wave)[0]
    return float(10 * np.log10(found @ found / LOUD**2)), np.asarray(wave - parts @ found)


@pytest.mark.parametrize("target", [8000, 16_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
def test_mp3_of_every_rate_keeps_pitch_and_level(rate: int, channels: int, target: int) -> None:
    wave = heard([file(rate, channels)], target)

    # Encoders put silence before and after the sound: 1105 samples, and up to a frame.
    assert 1 <= len(wave) / target <= 1 + (1105 + 1152) / rate
    sound = wave[target // 4 : target]
    level, others = without_the_tone(sound, target)
    assert abs(level) < 1
    assert 10 * np.log10(np.mean(sound**2) / np.mean(others**2)) > 27


def test_variable_bit_rate_is_decoded() -> None:
    # A frame of 160 kbit/s, then frames of 32: so many does the encoder spend on a tone.
    level, others = without_the_tone(heard([file(44_100, kbits=None)])[4000:16_000], 16_000)

    assert abs(level) < 1
    assert np.mean(others**2) < LOUD**2 / 2 / 200


@pytest.mark.parametrize("seed", range(5))
def test_a_file_may_be_cut_anywhere(seed: int) -> None:
    source = random.Random(seed)  # noqa: S311  # repeatable, not secret
    whole = id3(5000) + file(22_050) + id3(300, footer=True) + file(8000, 2) + file(44_100)
    cuts = sorted(source.sample(range(1, len(whole)), k=[3, 20, 80, 300, 1500][seed]))
    pieces = [whole[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    assert b"".join(decoded(pieces)) == b"".join(decoded([whole]))
    assert len(heard([whole])) / 16_000 == pytest.approx(3.2, abs=0.2)


def test_files_of_different_rates_and_channels_follow_each_other() -> None:
    files = [file(44_100), file(8000, 2), file(16_000)]
    apart = [len(heard([each])) for each in files]

    assert len(heard(files)) == pytest.approx(sum(apart), abs=20)
    level, _ = without_the_tone(heard(files)[apart[0] + 8000 : apart[0] + 16_000], 16_000)
    assert abs(level) < 1


def test_only_what_is_asked_for_is_decoded() -> None:
    decoder = mp3_decoder(8000, "big")
    decoder.feed(file(8000, kbits=8) * 60)
    waiting = decoder.waiting

    piece = decoder.read()
    assert piece is not None
    # A frame of 8 kbit/s has 72 ms.
    assert len(piece) == 2 * 576
    assert 0 < waiting - decoder.waiting < 100


def test_a_tag_gives_no_sound() -> None:
    plain = b"".join(decoded([file(16_000)]))

    assert b"".join(decoded([id3(100_000) + file(16_000)])) == plain
    old_tag = b"TAG" + bytes(125)
    assert b"".join(decoded([file(16_000) + old_tag])) == plain


def test_a_part_of_a_file_plays_as_far_as_it_goes_and_the_next_file_is_whole() -> None:
    whole, begun = len(heard([file(16_000)])), file(16_000)[:4000]
    after_a_part = heard([begun, file(16_000)])

    assert len(after_a_part) == pytest.approx(whole + 16_000 * 4000 / 8000, abs=1200)
    level, _ = without_the_tone(after_a_part[-12_000:-4000], 16_000)
    assert abs(level) < 1
    tagged = heard([begun, id3(50_000) + file(16_000)])
    assert len(tagged) == pytest.approx(len(after_a_part), abs=600)


def test_damaged_frames_are_left_out_and_counted() -> None:
    decoder = mp3_decoder(16_000, "big")
    sound = file(16_000)
    # 64 kbit/s at 16 kHz are 288 bytes a frame.
    decoder.feed(sound[: 20 * 288 + 4] + b"\xff" * 60 + sound[20 * 288 + 64 :])
    pieces = list(iter(decoder.read, None))

    assert decoder.damaged == pieces.count(b"") == 1
    assert len(pieces) == len(decoded([sound]))


NOISE = random.Random(1).randbytes(100_000)  # noqa: S311  # as above
NOT_MP3 = {
    "wav": b"RIFF\xa4\x3e\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data"
    + tone(8000, 8000).astype("<i2").tobytes(),
    "ogg": b"OggS\0\2" + NOISE[:20_000],
    "png": b"\x89PNG\r\n\x1a\n" + NOISE[:3000],
    "text": b"a few words",
    "noise": NOISE,
    "silence of mu-law": b"\xff" * 160,
    "zeros": bytes(5000),
}


@pytest.mark.parametrize("kind", NOT_MP3)
def test_what_is_not_mp3_is_refused_once_and_the_next_file_plays(
    kind: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    decoder = mp3_decoder(16_000, sys.byteorder)
    decoder.feed(NOT_MP3[kind])
    with pytest.raises(NotMp3, match="not MP3"):
        list(iter(decoder.read, None))
    assert decoder.read() is None

    decoder.feed(file(16_000))
    pieces = list(iter(decoder.read, None))
    assert b"".join(pieces) == b"".join(decoded([file(16_000)]))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_audio_has_the_byte_order_that_was_asked_for() -> None:
    orders = []
    for order in ("big", "little"):
        decoder = mp3_decoder(8000, order)
        decoder.feed(file(8000))
        orders.append(b"".join(iter(decoder.read, None)))

    swapped = array("h", orders[0])
    swapped.byteswap()
    assert swapped.tobytes() == orders[1]


def test_restarted_decoder_forgets_what_waits() -> None:
    decoder = mp3_decoder(16_000, sys.byteorder)
    decoder.feed(file(44_100))
    assert decoder.read()
    decoder.restart()

    assert decoder.waiting == 0
    assert decoder.read() is None
    decoder.feed(file(16_000))
    assert b"".join(iter(decoder.read, None)) == b"".join(decoded([file(16_000)]))
