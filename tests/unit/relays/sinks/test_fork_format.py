"""The format of a fork, by the call's format, the wish and the dialect."""

from collections.abc import Mapping

import pytest

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.relays.sinks.fork_format import fork_format

PCMA, L16 = AudioFormat("PCMA", 8000, 1), AudioFormat("L16", 8000, 1)
WIDE = AudioFormat("L16", 16_000, 1)
G722, OPUS = AudioFormat("G722", 8000, 1), AudioFormat("OPUS", 16_000, 1)
AMR_WB, UNKNOWN = AudioFormat("AMR-WB", 16_000, 1), AudioFormat("EVS", 16_000, 1)

BY_CALL: Mapping[AudioFormat, Mapping[str | None, AudioFormat]] = {
    PCMU_8K: {
        None: PCMU_8K,
        "PCMU": PCMU_8K,
        "PCMA": PCMA,
        "L16": L16,
        "G722": G722,
        "OPUS": AudioFormat("OPUS", 8000, 1),
        "AMR-WB": PCMU_8K,
        "EVS": PCMU_8K,
    },
    WIDE: {None: WIDE, "PCMU": PCMU_8K, "PCMA": PCMA, "L16": WIDE, "OPUS": OPUS, "G722": G722},
    # Some carriers give the rate of the audio, others that of RTP's clock.
    AudioFormat("G722", 16_000, 1): {None: AudioFormat("G722", 16_000, 1), "L16": WIDE},
    AMR_WB: {None: AMR_WB, "AMR-WB": AMR_WB, "L16": WIDE, "PCMU": PCMU_8K},
    AudioFormat("OPUS", 48_000, 1): {"OPUS": AudioFormat("OPUS", 48_000, 1), "PCMA": PCMA},
    UNKNOWN: {None: UNKNOWN, "PCMU": UNKNOWN},
}


@pytest.mark.parametrize(
    ("call", "codec", "gets"),
    [(call, codec, gets) for call, wishes in BY_CALL.items() for codec, gets in wishes.items()],
)
def test_telnyx_fork_has_the_wanted_codec_or_else_the_calls_own(
    call: AudioFormat, codec: str | None, gets: AudioFormat
) -> None:
    assert fork_format(call, codec, None, "telnyx") == gets


@pytest.mark.parametrize(
    ("call", "codec", "rate", "gets"),
    [
        (L16, None, 24_000, AudioFormat("L16", 24_000, 1)),
        (PCMU_8K, "L16", 48_000, AudioFormat("L16", 48_000, 1)),
        (PCMU_8K, "OPUS", 16_000, OPUS),
        (PCMU_8K, "OPUS", 48_000, OPUS),
        (PCMU_8K, "PCMA", 16_000, PCMA),
    ],
)
def test_fork_has_the_wanted_rate_if_the_codec_has_it(
    call: AudioFormat, codec: str | None, rate: int, gets: AudioFormat
) -> None:
    assert fork_format(call, codec, rate, "telnyx") == gets


@pytest.mark.parametrize(
    ("dialect", "call", "codec", "gets"),
    [
        ("twilio", PCMA, None, PCMU_8K),
        ("twilio", PCMU_8K, "L16", PCMU_8K),
        ("twilio", WIDE, "L16", PCMU_8K),
        ("twilio", OPUS, None, PCMU_8K),
        ("twilio", UNKNOWN, "PCMU", UNKNOWN),
        ("signalwire", PCMU_8K, None, PCMU_8K),
        ("signalwire", PCMA, None, PCMU_8K),
        ("signalwire", L16, None, L16),
        ("signalwire", WIDE, None, WIDE),
        ("signalwire", G722, None, WIDE),
        ("signalwire", AMR_WB, None, WIDE),
        ("signalwire", AudioFormat("OPUS", 48_000, 1), None, AudioFormat("L16", 24_000, 1)),
        ("signalwire", AudioFormat("L16", 22_050, 1), None, AudioFormat("L16", 24_000, 1)),
    ],
)
def test_fork_has_the_nearest_format_that_its_dialect_can_name(
    dialect: str, call: AudioFormat, codec: str | None, gets: AudioFormat
) -> None:
    assert fork_format(call, codec, None, dialect) == gets
