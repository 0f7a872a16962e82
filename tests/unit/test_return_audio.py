"""What consumers send back: what a call can play, and in which pieces."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.dialects.events import PCMU_8K, AudioFormat, ReturnMedia
from callstream.return_audio import UnusableAudio, check, pieces

RTP: dict[str, Any] = {
    "stream_bidirectional_mode": "rtp",
    "stream_bidirectional_codec": "PCMU",
    "stream_bidirectional_sampling_rate": 8000,
}


def test_the_calls_own_codec_can_be_played() -> None:
    check(RTP, PCMU_8K)
    check({}, AudioFormat("L16", 16000, 1))  # SignalWire's consumers send what they get


@pytest.mark.parametrize(
    ("settings", "call", "why"),
    [
        (RTP | {"stream_bidirectional_mode": "mp3"}, PCMU_8K, "mp3 is not supported"),
        (RTP | {"stream_bidirectional_codec": "L16"}, PCMU_8K, "PCMU at 8000 Hz"),
        (RTP | {"stream_bidirectional_sampling_rate": 16000}, PCMU_8K, "PCMU at 8000 Hz"),
        (RTP, AudioFormat("PCMA", 8000, 1), "PCMA at 8000 Hz"),
    ],
)
def test_what_cannot_be_played_is_told_in_words(
    settings: dict[str, Any], call: AudioFormat, why: str
) -> None:
    with pytest.raises(UnusableAudio, match=why):
        check(settings, call)


@given(st.binary(max_size=2000), st.sampled_from([("PCMU", 160), ("PCMA", 160), ("L16", 320)]))
def test_pieces_of_20_ms(audio: bytes, codec: tuple[str, int]) -> None:
    name, size = codec
    cut = [each.audio for each in pieces(ReturnMedia(audio), AudioFormat(name, 8000, 1))]

    assert b"".join(cut) == audio
    assert all(len(piece) == size for piece in cut[:-1])
    assert all(0 < len(piece) <= size for piece in cut)


def test_a_packet_is_not_cut() -> None:
    packet = ReturnMedia(bytes(1000))

    assert list(pieces(packet, AudioFormat("OPUS", 16000, 1))) == [packet]
