"""Commands, run as a person types them."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from callstream_cli.__main__ import build


def run(*arguments: str, answer: str | None = None, **env: str) -> Result:
    """Run a command as typed; `answer` is typed when the command asks."""
    return CliRunner().invoke(build(arguments), arguments, input=answer, env=env)


def ok(*arguments: str, **env: str) -> str:
    """The output of a command that succeeds."""
    result = run(*arguments, **env)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def ask(*arguments: str) -> Any:
    """The JSON output of a command that succeeds."""
    return json.loads(ok(*arguments, "--json"))


def refusal(*arguments: str, status: int = 1) -> str:
    """The error of a command that fails: one line, no other output, no traceback."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert isinstance(result.exception, SystemExit)
    [line] = result.stderr.splitlines()
    assert line.startswith("callstream: ")
    return line.removeprefix("callstream: ")


def words(text: str) -> list[str]:
    """The lines of a text, with single spaces between words."""
    return [" ".join(line.split()) for line in text.splitlines()]
