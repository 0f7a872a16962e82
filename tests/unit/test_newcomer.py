"""`scripts/newcomer` knows every command of the pages: as a step, or as a skip with a reason."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from tests.template import ROOT


def load() -> Any:
    """The script as a module."""
    loader = SourceFileLoader("newcomer", str(ROOT / "scripts" / "newcomer"))
    spec = spec_from_loader("newcomer", loader)
    assert spec is not None
    module = sys.modules["newcomer"] = module_from_spec(spec)  # for dataclasses
    loader.exec_module(module)
    return module


newcomer = load()
PLAN = newcomer.plan()


@pytest.fixture(scope="module")
def commands() -> Mapping[str, Sequence[str]]:
    """The commands of each page."""
    return {
        page: list(newcomer.commands((ROOT / page).read_text())) for page in newcomer.pages(ROOT)
    }


def test_every_command_of_a_page_is_played_or_skipped(
    commands: Mapping[str, Sequence[str]],
) -> None:
    def known(entries: list[Any], page: str, command: str) -> bool:
        return any(each.page == page and command.startswith(each.command) for each in entries)

    unknown = [
        f"{page}: {command}"
        for page, of_page in commands.items()
        for command in of_page
        if known(PLAN.steps, page, command) == known(PLAN.skips, page, command)
    ]
    assert unknown == []
    assert sum(map(len, commands.values())) > 100


def test_every_entry_of_the_plan_means_one_command(commands: Mapping[str, Sequence[str]]) -> None:
    for entry in (*PLAN.steps, *(skip for skip in PLAN.skips if skip.command)):
        assert len({each for each in commands[entry.page] if each.startswith(entry.command)}) == 1
    assert {skip.page for skip in PLAN.skips} <= commands.keys()
    assert all(skip.reason for skip in PLAN.skips)


def test_commands_of_a_page_are_as_a_shell_reads_them() -> None:
    shell = "a   # why\n\n# or:\nb \\\n    c\nd |\n    e 'f\ng'\n"
    page = f"```sh\n{shell}```\n```python\nh\n```\n```sh\ni\n```\n"

    assert list(newcomer.commands(page)) == ["a   # why", "b \\\n    c", "d |\n    e 'f\ng'", "i"]


class TestTerminal:
    @pytest.fixture
    def terminal(self, tmp_path: Path) -> Iterator[Any]:
        terminal = newcomer.Terminal(tmp_path, newcomer.environment())
        yield terminal
        terminal.close()

    def test_terminal_keeps_variables_between_commands(self, terminal: Any) -> None:
        for command, status in [("a=1", 0), ('test "$a" = 1', 0), ('test "$a" = 2', 1)]:
            terminal.type(command, "")
            assert terminal.wait() == status

    def test_command_reads_what_is_typed(self, terminal: Any) -> None:
        terminal.type('read -r a; echo "it is $a"', "y")

        assert terminal.wait() == 0
        assert terminal.lines == ["it is y", ""]

    def test_command_that_goes_on_is_ended_by_ctrl_c(self, terminal: Any) -> None:
        terminal.type("sh -c 'echo here; exec sleep 1000'", "")
        terminal.wait_for("here")
        terminal.interrupt()
        terminal.type("echo there", "")

        assert terminal.wait() == 0
        assert terminal.lines == ["there", ""]

    def test_command_that_ended_meanwhile_is_reported(self, terminal: Any) -> None:
        terminal.type("echo here; (exit 3)", "")

        with pytest.raises(newcomer.StepError, match="status 3, and printed no 'there'"):
            terminal.wait_for("there")
