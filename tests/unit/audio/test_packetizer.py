"""The format of return audio, and the pieces that it is cut into."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.audio.packetizer import Packetizer, pieces

# The format, the bytes of a sample, and one sample of silence.
CODECS = st.sampled_from(
    [
        (AudioFormat("PCMU", 8000, 1), 1, b"\xff"),
        (AudioFormat("PCMA", 8000, 1), 1, b"\xd5"),
        (AudioFormat("L16", 16000, 1), 2, b"\0\0"),
        (AudioFormat("L16", 22050, 2), 2, b"\0\0"),
        (AudioFormat("G722", 8000, 1), 1, b"\xff"),
    ]
)


@given(st.lists(st.binary(max_size=1500)), CODECS)
def test_packetizer_cuts_and_joins_messages(
    messages: list[bytes], codec: tuple[AudioFormat, int, bytes]
) -> None:
    format_, sample, silence = codec
    cutter = Packetizer(format_)
    size = format_.sample_rate // 50 * sample * format_.channels
    cut = [piece for message in messages for piece in cutter.cut(message)]
    sent, all_sent = b"".join(cut), b"".join(messages)

    assert all(len(piece) == size for piece in cut)
    assert all_sent.startswith(sent)
    assert len(all_sent) - len(sent) < size
    assert cutter.waits == (len(all_sent) > len(sent))
    # The remainder is one more piece, filled up with silence; a part of a sample is dropped.
    left = all_sent[len(sent) :]
    left = left[: len(left) // sample * sample]
    rest = cutter.rest()
    assert rest == ([left + silence * ((size - len(left)) // sample)] if left else [])
    assert not cutter.waits
    assert cutter.rest() == []


def test_dropped_remainder_is_not_joined_with_the_next_message() -> None:
    cutter = Packetizer(PCMU_8K)
    assert cutter.cut(b"old") == []
    cutter.forget()

    assert cutter.cut(b"n" * 160) == [b"n" * 160]


@pytest.mark.parametrize("codec", ["OPUS", "AMR-WB"])
def test_audio_in_packets_is_not_cut(codec: str) -> None:
    cutter = Packetizer(AudioFormat(codec, 16000, 1))

    assert cutter.cut(bytes(1001)) == [bytes(1001)]
    assert cutter.cut(b"") == []
    assert not cutter.waits
    assert cutter.rest() == []


@given(st.binary(max_size=1000))
def test_pieces_of_a_recording_are_20_ms_and_the_last_is_filled_up_with_silence(
    data: bytes,
) -> None:
    found = pieces(data, PCMU_8K)

    assert {len(piece) for piece in found} <= {160}
    joined = b"".join(found)
    assert joined == data.ljust(len(joined), b"\xff")
    assert len(joined) - len(data) < 160


@pytest.mark.parametrize(
    ("codec", "rate", "silence"),
    [
        ("PCMU", 8000, b"\xff"),
        ("PCMA", 8000, b"\xd5"),
        ("G722", 8000, b"\xff"),
        ("L16", 16_000, b"\0\0"),
    ],
)
def test_the_last_piece_is_filled_up_with_silence_of_its_codec(
    codec: str, rate: int, silence: bytes
) -> None:
    size = rate // 50 * len(silence)

    first, last = pieces(b"\1\1" * (size // 2 + 3), AudioFormat(codec, rate, 1))

    assert first == b"\1" * size
    assert last == b"\1" * 6 + silence * ((size - 6) // len(silence))
