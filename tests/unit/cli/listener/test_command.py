"""The command line of `callstream listen`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from callstream_cli.__main__ import build


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--refuse", "200"], "not an HTTP status of a refusal"),
        (["--refuse", "799"], "not an HTTP status of a refusal"),
        (["--code", "1005"], "not a code to close with"),
        (["--code", "2000"], "not a code to close with"),
        (["--digits", "5x"], "keys are 0-9"),
        (["--port", "65536"], "'--port'"),
        (["--forks", "0"], "'--forks'"),
        (["--byte-order", "middle"], "'--byte-order'"),
        (["--mode", "wav"], "'--mode'"),
        (["--mode", "mp3", "--codec", "PCMU"], "mp3 goes without --codec and --echo"),
        (["--mode", "mp3", "--echo"], "mp3 goes without --codec and --echo"),
        (["--codec", "MP4"], "'MP4' is not a codec"),
        (["--codec", "L16@44100"], "L16 has 16000, 8000, 22050, 24000 or 48000 Hz"),
        (["--codec", "AMR-WB"], "AMR-WB cannot be encoded here"),
    ],
)
def test_wrong_command_line_is_explained(arguments: list[str], why: str) -> None:
    words = ["listen", *arguments]
    result = CliRunner().invoke(build(words), words, env={"NO_COLOR": "1", "COLUMNS": "200"})

    assert result.exit_code == 2
    assert why in result.stderr


def test_unplayable_file_is_reported(tmp_path: Path) -> None:
    words = ["listen", "--play", str(tmp_path / "none.wav")]
    result = CliRunner().invoke(build(words), words, env={"NO_COLOR": "1", "COLUMNS": "200"})

    assert result.exit_code == 1
    assert "none.wav" in result.stderr
