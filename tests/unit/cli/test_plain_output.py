"""Text from outside, as commands show it; and that no command writes in another way."""

import ast
import io
from pathlib import Path

import pytest
from rich.live import Live
from rich.text import Text

from callstream_cli import consoles, plain_output
from callstream_cli.consoles import SafeConsole
from callstream_cli.plain_output import print_error, print_json, print_line, visible

ROOT = Path(plain_output.__file__).parent
# These write for the commands. The emulator is another program, whose log is a file.
WRITERS = {Path(plain_output.__file__), Path(consoles.__file__), ROOT / "local/emulator_keeping.py"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë, 東京 and 🎧", "Zoë, 東京 and 🎧"),
        ("a\x1b]0;title\x07\x1b[2Jb", r"a\x1b]0;title\x07\x1b[2Jb"),
        ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
        ("\x00\x7f\x85\x9b", r"\x00\x7f\x85\x9b"),
        ("a\u202eb\u2066\u200b\u2028\ufeff", r"a\u202eb\u2066\u200b\u2028\ufeff"),
        ("\ud800\U000e0041", r"\ud800\U000e0041"),
    ],
)
def test_visible_escapes_what_a_terminal_may_obey_or_hide(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


def test_print_functions_write_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("a\nb\x1b[m")
    print_json({"a": "\x1b\u202e\n"})
    print_error("a\nb")

    assert capsys.readouterr() == (
        'a\\nb\\x1b[m\n{"a": "\\u001b\\u202e\\n"}\n',
        "callstream: a\\nb\n",
    )


def test_console_escapes_whatever_renders_the_text() -> None:
    shown = io.StringIO()
    console = SafeConsole(file=shown, force_terminal=True, color_system=None, width=60)
    console.print("of markup \x1b]0;x\x9c", Text("of a text \x9b2J\u202e"))
    console.print_line("[b]as it is[/b]\n\x1b", "red")
    with Live(Text("live \x9b2J"), console=console, auto_refresh=False):
        pass

    text = shown.getvalue()
    assert r"of markup \x1b]0;x\x9c of a text \x9b2J\u202e" in text
    assert r"[b]as it is[/b]\n\x1b" in text
    assert r"live \x9b2J" in text
    assert not {"\x9b", "\x9c", "\u202e"} & set(text)


def test_commands_write_by_plain_output_and_safe_consoles_alone() -> None:
    """Else a text might reach a terminal unescaped."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in ROOT.rglob("*.py")
        if path not in WRITERS and "openapi" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in {"print", "typer.echo", "typer.secho", "Console", "sys.stdout.write", "sys.stderr.write"}
    ]
    assert found == []
