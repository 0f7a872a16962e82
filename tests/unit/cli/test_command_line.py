"""The command line as a whole: help, and the end of a command whose reader has gone."""

import asyncio
import gc
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import pytest

from callstream_cli import audio, event_loop
from callstream_cli.__main__ import COMMANDS, Group
from tests import template
from tests.unit.cli.commands import ok, run

NOBODY = "ws://127.0.0.1:1/a-token"

LEAVES = [
    (name, sub)
    for name, command in COMMANDS.items()
    if isinstance(command, Group)
    for sub in command.commands
]


@pytest.fixture
def recording(tmp_path: Path) -> str:
    audio.save(tmp_path / "call.wav", {"inbound": bytes(480)})
    return str(tmp_path / "call.wav")


def test_long_error_is_one_line(tmp_path: Path) -> None:
    missing = tmp_path / ("x" * 100)
    result = run("call", str(missing), "--url", NOBODY, COLUMNS="80")

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
def test_paragraphs_of_help_are_wrapped_by_the_terminal(arguments: list[str]) -> None:
    described = run(*arguments, "--help", COLUMNS="80").stdout.partition("╭")[0]

    for paragraph in described.split("\n" + " " * 80 + "\n"):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
        for line, following in pairwise(lines):
            # The next word would not have fitted.
            assert len(line) + 1 + len(following.split()[0]) > 78


def test_help_has_the_summary_of_a_command() -> None:
    assert "Call the gateway as a carrier would." in run("--help", COLUMNS="80").stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["call", "FILE", "--url", NOBODY, "--json"], ["listen"]]
)
def test_command_without_a_reader_ends_with_status_141(
    recording: str, arguments: list[str]
) -> None:
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


class TestHelp:
    def test_help_names_every_command(self) -> None:
        overview = ok("--help")

        assert all(f"│ {name} " in overview for name in COMMANDS)

    @pytest.mark.parametrize(
        "name", [name for name, command in COMMANDS.items() if isinstance(command, Group)]
    )
    def test_help_of_a_group_summarises_its_commands(self, name: str) -> None:
        group = COMMANDS[name]
        assert isinstance(group, Group)
        overview = " ".join(ok(name, "--help").replace("│", " ").split())
        module = import_module(f"callstream_cli.operator.{name.replace('-', '_')}")

        assert group.summary in overview
        for sub in group.commands:
            command = getattr(module, sub, None) or getattr(module, f"{sub}_")
            summary = " ".join(command.__doc__.partition(".")[0].split())
            assert f" {sub} {summary}." in overview

    @pytest.mark.parametrize(("name", "sub"), LEAVES)
    def test_help_of_a_command_explains_its_options(self, name: str, sub: str) -> None:
        text = ok(name, sub, "--help")

        assert f" {name} {sub} " in text
        assert "--json" in text
        assert "--stack" in text

    @pytest.mark.parametrize("arguments", [["--help"], ["tenants", "--help"], ["keys"]])
    def test_help_imports_no_library(self, arguments: list[str]) -> None:
        script = (
            f"import sys; from callstream_cli.__main__ import build; build({arguments});"
            "print(*sys.modules)"
        )
        loaded = _loaded_by(script)

        assert "typer" in loaded
        assert not {"boto3", "botocore", "pydantic", "callstream"} & loaded


@pytest.mark.parametrize("arguments", [["status"], ["url"], ["env"], ["down", "--help"]])
def test_command_without_aws_imports_no_slow_library(arguments: list[str], tmp_path: Path) -> None:
    script = f"""
import sys
from callstream_cli.__main__ import build
try:
    build({arguments})({arguments})
finally:
    with open({str(tmp_path / "loaded")!r}, "w") as file:
        print(*sys.modules, file=file)
"""
    _run(script, CALLSTREAM_STATE_DIR=str(tmp_path))

    # typer itself reads parameters by pydantic, and shows help by rich.
    loaded = set((tmp_path / "loaded").read_text().split())
    assert not {"boto3", "botocore", "numpy", "websockets", "callstream"} & loaded


@pytest.mark.parametrize("name", ["tenants", "credentials", "streams", "routes"])
def test_help_of_an_operators_command_imports_no_aws(name: str) -> None:
    script = (
        f"import sys; from callstream_cli.__main__ import build; build(['{name}', 'list']);"
        "print(*sys.modules)"
    )
    loaded = _loaded_by(script)

    assert "pydantic" in loaded
    assert not {"boto3", "botocore", "jwt", "cryptography", "numpy"} & loaded


def test_version_is_shown() -> None:
    assert ok("--version") == f"callstream {version('callstream-cli')}\n"


def _loaded_by(script: str) -> set[str]:
    """The modules that a script has imported, which prints them."""
    return set(_run(script).split())


def _run(script: str, **env: str) -> str:
    path = f"{template.ROOT / 'cli'}:{template.ROOT / 'layers/callstream'}"
    return subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
