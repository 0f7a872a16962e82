"""The command line as a whole: how help looks, and what happens when nobody reads."""

import asyncio
import gc
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from callstream_cli import audio, event_loop
from callstream_cli.__main__ import build

NOBODY = "ws://127.0.0.1:1/a-token"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build(arguments), arguments, env={"COLUMNS": "80", "NO_COLOR": "1"})


@pytest.fixture
def recording(tmp_path: Path) -> str:
    audio.save(tmp_path / "call.wav", {"inbound": bytes(480)})
    return str(tmp_path / "call.wav")


def test_a_long_reason_is_one_line(tmp_path: Path) -> None:
    missing = tmp_path / ("x" * 100)
    result = run("call", str(missing), "--url", NOBODY)

    assert result.exit_code == 1
    assert result.stderr == f"callstream: {missing}: No such file or directory\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["call"],
        ["tail"],
        ["record"],
        ["replay"],
        ["up"],
        ["demo"],
        ["twilio", "clear"],
        ["agents", "add"],
    ],
    ids=" ".join,
)
def test_help_flows(arguments: list[str]) -> None:
    described = run(*arguments, "--help").stdout.partition("╭")[0]

    for paragraph in described.split("\n" + " " * 80 + "\n"):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
        for line, following in pairwise(lines):
            # The next word would not have fitted.
            assert len(line) + 1 + len(following.split()[0]) > 78


def test_help_says_what_call_is() -> None:
    assert "Call the gateway as a carrier would." in run("--help").stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["call", "FILE", "--url", NOBODY, "--json"], ["listen"]]
)
def test_nobody_reads(recording: str, arguments: list[str]) -> None:
    arguments = [recording if argument == "FILE" else argument for argument in arguments]
    command = Path(sys.executable).with_name("callstream")
    with subprocess.Popen(
        [command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (141, "")


def test_task_that_exits_ends_the_event_loop_without_a_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def leave() -> None:
        sys.exit(141)

    async def main() -> None:
        leaving = asyncio.create_task(leave())
        await asyncio.sleep(10)
        await leaving

    with pytest.raises(SystemExit, match="141"):
        event_loop.run(main())

    gc.collect()
    assert caplog.records == []
