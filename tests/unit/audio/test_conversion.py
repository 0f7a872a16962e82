"""Conversion between codecs."""

import sys
from array import array

import audioop
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.conversion import UnusableAudio, can_convert, converter
from callstream.audio.formats import PCMU_8K, AudioFormat, ByteOrder, usual_rate
from callstream.audio.packets import seconds

PCMA_8K, L16_8K = AudioFormat("PCMA", 8000, 1), AudioFormat("L16", 8000, 1)
ORDER: ByteOrder = sys.byteorder
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
    ("source", "target", "why"),
    [
        (PCMU_8K, AudioFormat("NEW", 8000, 1), "to NEW at 8000 Hz"),
        (AudioFormat("NEW", 16000, 1), PCMU_8K, "NEW at 16000 Hz cannot"),
        (PCMU_8K, AudioFormat("PCMU", 8000, 2), "of 2 channels"),
        (AudioFormat("G722", 8000, 2), PCMU_8K, "of 2 channels"),
        (AudioFormat("L16", 16_000, 2), AudioFormat("L16", 8000, 2), "of 2 channels"),
        (AudioFormat("L16", 0, 1), PCMU_8K, "L16 at 0 Hz"),
        (AudioFormat("L16", 10**9, 1), PCMU_8K, "L16 at 1000000000 Hz"),
        (PCMU_8K, AudioFormat("L16", 4000, 1), "L16 at 4000 Hz"),
    ],
)
def test_impossible_conversion_is_explained(
    source: AudioFormat, target: AudioFormat, why: str
) -> None:
    with pytest.raises(UnusableAudio, match=why):
        converter(source, target, "big")
    assert not can_convert(source, target)


def test_two_channels_are_mixed_down_to_one() -> None:
    stereo = AudioFormat("L16", 8000, 2)
    # The left and the right sample; at the end a left one alone.
    audio = array("h", [1000, 3000, -400, 200, 9]).tobytes()

    assert convert(audio, stereo, L16_8K, ORDER) == array("h", [2000, -100]).tobytes()
    assert len(convert(bytes(2 * 4 * 80), stereo, AudioFormat("L16", 16_000, 1))) == 640


def test_two_channels_stay_interleaved_where_the_target_has_two() -> None:
    stereo, law = AudioFormat("L16", 8000, 2), AudioFormat("PCMU", 8000, 2)

    assert convert(b"\xff\x00", law, stereo) == convert(b"\xff\x00", PCMU_8K, L16_8K)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (AudioFormat("OPUS", 16_000, 1), AudioFormat("OPUS", 8000, 2)),
        (AudioFormat("AMR-WB", 16_000, 1), AudioFormat("AMR-WB", 8000, 1)),
        (AudioFormat("G722", 8000, 1), AudioFormat("G722", 16_000, 1)),
    ],
)
def test_the_same_bits_under_another_rate_are_not_touched(
    one: AudioFormat, other: AudioFormat
) -> None:
    assert convert(b"\x01\x02\x03", one, other) == b"\x01\x02\x03"


def test_audio_in_the_calls_own_format_is_not_changed() -> None:
    opus = AudioFormat("OPUS", 16000, 1)

    assert can_convert(opus, opus)
    assert converter(opus, opus, "big").convert(b"\x01\x02\x03") == [b"\x01\x02\x03"]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (source, target)
        for source in ("PCMU", "L16", "G722", "OPUS", "AMR-WB")
        for target in ("PCMA", "L16", "G722", "OPUS", "AMR-WB")
    ],
)
@pytest.mark.parametrize("rate", [8000, 24_000])
def test_silence_is_made_for_every_target_that_can_be_made(
    source: str, target: str, rate: int
) -> None:
    one = AudioFormat(source, usual_rate(source, rate), 1)
    other = AudioFormat(target, usual_rate(target, rate), 1)
    if not can_convert(one, other):
        return
    made = converter(one, other, ORDER)
    payloads = [each for _ in range(50) for each in made.silence(0.02)]

    if target == "AMR-WB":
        assert payloads == []
        return
    assert [seconds(payload, other) for payload in payloads] == pytest.approx([0.02] * 50)
    linear = AudioFormat("L16", 8000, 1)
    heard = array("h", b"".join(convert(payload, other, linear, ORDER) for payload in payloads))
    assert max(map(abs, heard)) < 32


@pytest.mark.parametrize("encoding", ["G722", "OPUS"])
def test_forgotten_audio_is_not_heard(encoding: str) -> None:
    source, target = AudioFormat("L16", 16_000, 1), AudioFormat(encoding, 8000, 1)
    made, fresh = (converter(source, target, sys.byteorder) for _ in range(2))
    # Less than a packet of OPUS, and half a byte of G722.
    made.convert(array("h", [20_000] * 121).tobytes())
    made.forget()

    heard, silence = (
        [len(each) for each in (*one.convert(bytes(640)), *one.flush())] for one in (made, fresh)
    )
    assert heard == silence
