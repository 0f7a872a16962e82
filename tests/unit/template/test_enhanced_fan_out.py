"""Whether forks read the frames stream with throughput of their own."""

import pytest

from tests.deployment import Deployment


@pytest.mark.parametrize(
    ("parameters", "is_enhanced"),
    [
        ({}, True),
        ({"FrameShards": "4"}, False),
        ({"EnhancedFanOut": "true", "FrameShards": "4"}, True),
        ({"EnhancedFanOut": "false"}, False),
        ({"EnhancedFanOut": "true", "Emulator": "127.0.0.1:4566"}, False),
        ({"Emulator": "127.0.0.1:4566"}, False),
    ],
)
def test_enhanced_fan_out_is_automatic_where_it_has_no_hourly_price(
    parameters: dict[str, str], *, is_enhanced: bool
) -> None:
    deployment = Deployment(**parameters)
    stream = deployment.function("fan_out")["Events"]["Frames"]["Properties"]["Stream"]

    assert deployment.has("FanOutReads") == is_enhanced
    assert ("FanOutReads" in stream) == is_enhanced
