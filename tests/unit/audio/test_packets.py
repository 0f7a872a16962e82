"""How long packets play, and the frames of AMR-WB."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.formats import AudioFormat
from callstream.audio.packets import AmrWbFrame, amr_wb_frames, seconds

OPUS, AMR_WB = AudioFormat("OPUS", 16_000, 1), AudioFormat("AMR-WB", 16_000, 1)
# RFC 4867: the bytes of a payload with one frame, of the nine modes and of comfort noise.
EFFICIENT = (18, 24, 33, 37, 41, 47, 51, 59, 61, 7)
ALIGNED = (19, 25, 34, 38, 42, 48, 52, 60, 62, 7)


@pytest.mark.parametrize(
    ("packet", "milliseconds"),
    [
        (bytes([0 << 3]), 10),
        (bytes([3 << 3]) + b"speech", 60),
        (bytes([15 << 3]), 20),
        (bytes([16 << 3]), 2.5),
        (bytes([31 << 3 | 1]) + b"two frames", 40),
        (bytes([31 << 3 | 2]) + b"two frames", 40),
        (bytes([31 << 3 | 3, 6]), 120),
        (bytes([31 << 3 | 3, 7]), 0),
        (bytes([31 << 3 | 3]), 0),
        (b"", 0),
    ],
)
def test_an_opus_packet_says_how_long_it_plays(packet: bytes, milliseconds: float) -> None:
    assert seconds(packet, OPUS) * 1000 == pytest.approx(milliseconds)


@pytest.mark.parametrize(
    ("format_", "size"),
    [
        (AudioFormat("PCMU", 8000, 1), 160),
        (AudioFormat("L16", 22_050, 2), 1764),
        (AudioFormat("G722", 8000, 1), 160),
        (AudioFormat("G722", 16_000, 1), 160),
    ],
)
def test_the_duration_of_other_audio_is_counted_from_its_bytes(
    format_: AudioFormat, size: int
) -> None:
    assert seconds(bytes(size), format_) == pytest.approx(0.020)


def test_a_packet_of_an_unknown_codec_has_no_duration() -> None:
    assert seconds(b"packet", AudioFormat("NEW", 8000, 1)) == 0


def efficient(type_: int, speech: int, bits: int, *, is_good: bool = True) -> bytes:
    """A bandwidth-efficient payload with one frame: a request of 4 bits, an entry of 6, speech."""
    value = (0xF << 6 | type_ << 1 | is_good) << bits | speech
    padding = -(10 + bits) % 8
    return (value << padding).to_bytes((10 + bits + padding) // 8)


@pytest.mark.parametrize(
    ("type_", "bits"), [*enumerate((132, 177, 253, 285, 317, 365, 397, 461, 477, 40))]
)
@given(data=st.data(), is_good=st.booleans())
def test_both_forms_of_an_amr_wb_payload_have_the_same_frame(
    type_: int, bits: int, *, data: st.DataObject, is_good: bool
) -> None:
    speech = data.draw(st.integers(0, 2**bits - 1))
    in_bytes = (speech << -bits % 8).to_bytes((bits + 7) // 8)
    frame = AmrWbFrame(type_, is_good, in_bytes)
    aligned = bytes([0xF0, type_ << 3 | is_good << 2]) + in_bytes
    packed = efficient(type_, speech, bits, is_good=is_good)

    assert (len(packed), len(aligned)) == (EFFICIENT[type_], ALIGNED[type_])
    assert amr_wb_frames(packed) == amr_wb_frames(aligned) == [frame]
    assert seconds(packed, AMR_WB) == seconds(aligned, AMR_WB) == 0.020


def test_an_amr_wb_payload_may_have_several_frames() -> None:
    frames = [
        AmrWbFrame(0, is_good=True, speech=bytes(16) + b"\xf0"),
        AmrWbFrame(15, is_good=True, speech=b""),
        AmrWbFrame(0, is_good=False, speech=b"\xf0" + bytes(16)),
    ]
    aligned = bytes([0xF0, 0x84, 0xFC, 0x00]) + frames[0].speech + frames[2].speech
    # 1111 | 1 0000 1 | 1 1111 1 | 0 0000 0 | 128 bits of 0, 1111 | 1111, 128 bits of 0
    packed = b"\xf8\x7f\x00" + bytes(15) + b"\x03\xfc" + bytes(16)

    assert amr_wb_frames(aligned) == amr_wb_frames(packed) == frames
    assert seconds(aligned, AMR_WB) == pytest.approx(0.060)


@given(st.binary(max_size=70))
def test_any_bytes_are_read_as_frames_or_refused(payload: bytes) -> None:
    assert all(frame.type in {*range(10), 14, 15} for frame in amr_wb_frames(payload))
    assert 0 <= seconds(payload, OPUS) <= 0.120


NO_AMR_WB = [
    b"",
    b"\xf0",
    bytes(17),
    bytes(20),
    b"\xf6\x80" + bytes(30),
    b"\xf0" + b"\xfc" * 2000 + b"\x7c",
]


@pytest.mark.parametrize("payload", NO_AMR_WB)
def test_bytes_that_are_no_amr_wb_have_no_frames(payload: bytes) -> None:
    assert amr_wb_frames(payload) == []


def test_a_huge_payload_takes_no_memory() -> None:
    payload = bytes(1_000_000)
    tracemalloc.start()
    try:
        assert amr_wb_frames(payload) == []
        assert tracemalloc.get_traced_memory()[1] < len(payload)
    finally:
        tracemalloc.stop()
