"""The formats that `--codec` names."""

from typing import get_args

import pytest

from callstream.audio.formats import CODECS, AudioFormat
from callstream.surfaces.telnyx_models import Codec, SamplingRate
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.formats import FormatError, any_format, call_format, has_format, title


@pytest.mark.parametrize(
    ("carrier", "text", "encoding", "rate"),
    [
        ("twilio", "PCMU", "PCMU", 8000),
        ("twilio", "pcmu@8000", "PCMU", 8000),
        ("signalwire", "L16", "L16", 16_000),
        ("signalwire", "L16@24000", "L16", 24_000),
        ("telnyx", "PCMA", "PCMA", 8000),
        *(
            ("telnyx", f"L16@{rate}", "L16", rate)
            for rate in (8000, 16_000, 22_050, 24_000, 48_000)
        ),
    ],
)
def test_format_is_a_codec_with_a_rate(
    carrier: CarrierName, text: str, encoding: str, rate: int
) -> None:
    assert call_format(text, carrier) == AudioFormat(encoding, rate, 1)


@pytest.mark.parametrize(
    ("carrier", "text", "why"),
    [
        ("twilio", "MP4", "'MP4' is not a codec: the codecs are PCMU, PCMA, G722, L16, OPUS or AM"),
        ("telnyx", "", "'' is not a codec"),
        ("telnyx", "@8000", "'' is not a codec"),
        ("twilio", "L16", "Twilio's streams have no L16, only PCMU"),
        ("signalwire", "G722", "SignalWire's streams have no G722, only PCMU or L16"),
        ("signalwire", "L16@48000", "no 'L16@48000': L16 has 16000, 8000 or 24000 Hz"),
        ("telnyx", "PCMU@16000", "have no 'PCMU@16000': PCMU has 8000 Hz"),
        *(("telnyx", f"L16@{rate}", "L16 has 16000, 8000") for rate in ("", "-8000", "8k", "²")),
        ("telnyx", "L16@8000@", "L16 has 16000, 8000"),
        ("telnyx", "AMR-WB", "AMR-WB cannot be encoded here"),
    ],
)
def test_other_format_is_refused_with_the_reason(carrier: CarrierName, text: str, why: str) -> None:
    with pytest.raises(FormatError) as caught:
        call_format(text, carrier)
    assert why in str(caught.value)


def test_every_codec_and_rate_of_telnyxs_commands_can_be_named() -> None:
    for codec in get_args(Codec):
        assert has_format("telnyx", AudioFormat(codec, 8000, 1))
        assert codec in CODECS
    for rate in get_args(SamplingRate):
        assert any_format(f"L16@{rate}") == AudioFormat("L16", rate, 1)


def test_answers_may_have_any_format_that_can_be_made() -> None:
    assert any_format("L16@22050") == AudioFormat("L16", 22_050, 1)
    with pytest.raises(FormatError, match="AMR-WB cannot be encoded here"):
        any_format("AMR-WB")


@pytest.mark.parametrize("codec", CODECS)
def test_title_names_codec_and_rate(codec: str) -> None:
    named = title(AudioFormat(codec, 8000, 2))

    assert named.startswith(f"{codec} at 8000 Hz")
    assert named.endswith(", 2 channels")
    assert (" (16000 Hz audio)" in named) == (codec == "G722")
