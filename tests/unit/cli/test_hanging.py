"""Lines of two parts: on a narrow terminal the second wraps beside the first."""

import io

import pytest

from callstream_cli.consoles import SafeConsole
from callstream_cli.hanging import print_hanging


@pytest.mark.parametrize(
    ("is_terminal", "lines"),
    [
        (True, ["Listen   a.wav [left,", "         right]"]),
        (False, ["Listen   a.wav [left, right]"]),
    ],
)
def test_text_wraps_beside_its_head_on_a_terminal_only(
    *, is_terminal: bool, lines: list[str]
) -> None:
    console = SafeConsole(file=io.StringIO(), width=24, force_terminal=is_terminal, no_color=True)

    print_hanging(console, "Listen   ", "a.wav [left, right]")

    assert isinstance(console.file, io.StringIO)
    assert [line.rstrip() for line in console.file.getvalue().splitlines()] == lines
