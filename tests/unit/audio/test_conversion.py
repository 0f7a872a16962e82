"""Conversion between codecs."""

import audioop
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.conversion import UnusableAudio, can_convert, converter
from callstream.audio.formats import PCMU_8K, AudioFormat, ByteOrder

PCMA_8K, L16_8K = AudioFormat("PCMA", 8000, 1), AudioFormat("L16", 8000, 1)
LAWS = st.sampled_from([PCMU_8K, PCMA_8K])
ORDERS: st.SearchStrategy[ByteOrder] = st.sampled_from(["big", "little"])


def convert(
    audio: bytes, source: AudioFormat, target: AudioFormat, order: ByteOrder = "big"
) -> bytes:
    made = converter(source, target, order)
    return b"".join([*made.convert(audio), *made.flush()])


@given(st.binary(), LAWS, ORDERS)
def test_conversion_to_linear_and_back_is_lossless(
    audio: bytes, law: AudioFormat, order: ByteOrder
) -> None:
    linear = convert(audio, law, L16_8K, order)

    assert len(linear) == 2 * len(audio)
    # Mu-law has two zeros.
    expected = audio.replace(b"\x7f", b"\xff") if law == PCMU_8K else audio
    assert convert(linear, L16_8K, law, order) == expected


@given(st.binary(), LAWS, LAWS)
def test_mu_law_and_a_law_are_converted_through_linear(
    audio: bytes, source: AudioFormat, target: AudioFormat
) -> None:
    made = convert(audio, source, target)

    assert len(made) == len(audio)
    if source == target:
        assert made == audio
    elif source == PCMU_8K:
        assert made == audioop.lin2alaw(audioop.ulaw2lin(audio, 2), 2)
    else:
        assert made == audioop.lin2ulaw(audioop.alaw2lin(audio, 2), 2)


def test_linear_has_the_given_byte_order() -> None:
    # 0x00 is mu-law's most negative sample, -32124.
    assert convert(b"\x00", PCMU_8K, L16_8K) == (-32124).to_bytes(2, "big", signed=True)
    little = (-32124).to_bytes(2, "little", signed=True)
    assert convert(b"\x00", PCMU_8K, L16_8K, "little") == little
    half = convert(b"half", L16_8K, PCMU_8K, "little")
    assert convert(little + b"half", L16_8K, PCMU_8K, "little") == b"\x00" + half


def test_silence_stays_silence_and_a_part_of_a_sample_is_dropped() -> None:
    assert convert(b"\xff" * 3, PCMU_8K, PCMA_8K) == b"\xd5" * 3
    assert convert(b"\0\0\0\0\0", L16_8K, PCMA_8K) == b"\xd5" * 2


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (AudioFormat("L16", 16000, 1), "L16 at 16000 Hz cannot"),
        (AudioFormat("G722", 8000, 1), "G722 at 8000 Hz cannot"),
        (AudioFormat("OPUS", 8000, 1), "OPUS"),
        (AudioFormat("PCMU", 8000, 2), "of 2 channels"),
    ],
)
def test_impossible_conversion_is_explained(source: AudioFormat, why: str) -> None:
    with pytest.raises(UnusableAudio, match=why):
        converter(source, PCMU_8K, "big")
    assert not can_convert(source, PCMU_8K)


def test_audio_in_the_calls_own_format_is_not_changed() -> None:
    opus = AudioFormat("OPUS", 16000, 1)

    assert can_convert(opus, opus)
    assert converter(opus, opus, "big").convert(b"\x01\x02\x03") == [b"\x01\x02\x03"]
