"""What is known about codecs."""

import pytest

from callstream.audio.formats import CODECS, PCMU_8K, AudioFormat, media_type, rtp_name


def test_every_codec_of_the_documents_is_known() -> None:
    assert set(CODECS) == {"PCMU", "PCMA", "G722", "L16", "OPUS", "AMR-WB"}


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_a_codec_is_found_by_its_rtp_name_and_by_its_media_type(codec: str) -> None:
    assert codec == rtp_name(codec) == rtp_name(codec.lower()) == rtp_name(media_type(codec))


def test_an_unknown_codec_keeps_its_name() -> None:
    assert rtp_name("audio/x-new") == media_type("audio/x-new") == "audio/x-new"


@pytest.mark.parametrize("given", [8000, 16_000])
def test_the_audio_of_g722_has_16_khz_whatever_the_clock_rate(given: int) -> None:
    assert AudioFormat("G722", given, 1).audio_rate == 16_000
    assert PCMU_8K.audio_rate == 8000


def test_a_sample_is_as_wide_as_its_silence_and_packets_have_no_samples() -> None:
    widths = {codec: AudioFormat(codec, 8000, 1).sample_bytes for codec in (*CODECS, "NEW")}

    assert widths == {
        "PCMU": 1,
        "PCMA": 1,
        "L16": 2,
        "G722": 0,
        "OPUS": 0,
        "AMR-WB": 0,
        "NEW": 0,
    }


def test_the_bytes_of_a_second_are_known_of_all_audio_but_packets() -> None:
    rates = {codec: AudioFormat(codec, 16_000, 1).byte_rate for codec in (*CODECS, "NEW")}

    assert rates == {
        "PCMU": 16_000,
        "PCMA": 16_000,
        "L16": 32_000,
        "G722": 8000,
        "OPUS": 0,
        "AMR-WB": 0,
        "NEW": 0,
    }
