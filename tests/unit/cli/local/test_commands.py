"""What `up` and `demo` say at their end."""

import io

import pytest

from callstream_cli.__main__ import COMMANDS
from callstream_cli.consoles import SafeConsole
from callstream_cli.local.commands import ROOT, show_next_steps


@pytest.mark.parametrize(("is_up", "first"), [(True, "./callstream"), (False, "make")])
def test_next_steps_are_three_commands_that_exist(is_up: bool, first: str) -> None:  # noqa: FBT001
    told = io.StringIO()
    show_next_steps(SafeConsole(file=told), is_up=is_up)
    lines = told.getvalue().splitlines()
    commands = [line.removeprefix("Try").split() for line in lines]

    assert len(lines) == 3
    assert max(map(len, lines)) <= 100
    assert commands[0][0] == first
    called = [words for words in commands if words[0] == "./callstream"]
    assert {words[1] for words in called} <= COMMANDS.keys()
    assert all((ROOT / words[2]).exists() for words in called if words[1] == "call")
