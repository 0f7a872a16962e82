"""The command line of `callstream call`."""

import pytest

from callstream_cli.carrier.command import unanswered
from callstream_cli.carrier.identity import Identity
from callstream_cli.carrier.session import CallReport
from tests.unit.cli.commands import run


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--codec", "MP4"], "'MP4' is not a codec"),
        (["--codec", "G722"], "Twilio's streams have no G722, only PCMU"),
        (["--codec", "L16@48000", "--carrier", "signalwire"], "L16 has 16000, 8000 or 24000 Hz"),
        (["--codec", "AMR-WB", "--carrier", "telnyx"], "AMR-WB cannot be encoded here"),
        (["--byte-order", "middle"], "'--byte-order'"),
        (["--save", "a.wav", "--calls", "2"], "takes one call only"),
        (["--save", "."], ". is there already"),
        (["--save", "no-such-folder/a.wav"], "no file can be made in no-such-folder"),
        (["--loop", "--speed", "0"], "needs a speed above 0"),
        (["--call-id", "CA1", "--calls", "2"], "takes one call only"),
        (["--call-id", ""], "has 1 to 400 characters"),
        (["--call-id", "x" * 401], "has 1 to 400 characters"),
        (["--tenant", "acme", "--url", "ws://127.0.0.1:1/"], "means nothing with --url, without"),
        (["--dialogflow", "--dialect", "twilio"], "is a command of Telnyx's"),
        (["--parameter", "lang"], "--parameter takes NAME=VALUE"),
        (["--parameter", "lang=en", "--parameter", "lang=de"], "the parameter lang is there twice"),
    ],
)
def test_wrong_command_line_is_explained(arguments: list[str], why: str) -> None:
    result = run("call", *arguments, NO_COLOR="1", COLUMNS="200")

    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr


def test_call_in_which_the_agent_says_nothing_has_a_hint() -> None:
    answered, silent = (
        CallReport(identity=Identity("twilio", "MZ1", call_id, "AC1")) for call_id in ("CA1", "CA2")
    )
    answered.playback.received += b"\xff"

    [hint] = unanswered([answered, silent])

    assert "callstream calls show CA2 has" in hint
