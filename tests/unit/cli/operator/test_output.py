"""How answers look."""

import re
from collections.abc import Sequence

import pytest
from rich.console import Console

from callstream.tenants.directory import (
    Tenant,
)
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.output import Column, table
from tests.unit.cli.commands import ok, run, words

COLUMNS: list[str | Column] = [
    Column("stream", is_id=True),
    Column("tenant", optional=1),
    "state",
    Column("since", optional=2),
    Column("error", is_text=True),
]
ROWS = [
    ("0a1b2c3d-4e5f-6789-0123-456789abcdef", "acme", "streaming", "12:00:00", "-"),
    ("0a1b2c3d-4e5f-6abc-0123-456789abcdef", "acme", "closed", "12:01:00", "as long as errors are"),
]


def shown(width: int, rows: Sequence[Sequence[str]] = ROWS, *, wide: bool = False) -> list[str]:
    """The lines of a table on a terminal of this width, without colours."""
    console = Console(width=width, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(table(COLUMNS, rows, otherwise="none", wide=wide), crop=False)
    return capture.get().splitlines()


class TestTable:
    @pytest.mark.parametrize("width", [45, 54, 60, 79, 80, 100, 120])
    def test_row_is_one_line_that_fits(self, width: int) -> None:
        lines = shown(width)
        assert len(lines) == 3
        assert max(map(len, lines)) <= width

    def test_wide_terminal_shows_everything(self) -> None:
        assert words("\n".join(shown(120)))[1:] == [" ".join(row) for row in ROWS]

    def test_narrow_terminal_shows_as_much_of_ids_as_tells_them_apart(self) -> None:
        assert words("\n".join(shown(80))) == [
            "stream tenant state since error",
            "0a1b2c3d-4e5f-67 acme streaming 12:00:00 -",
            "0a1b2c3d-4e5f-6a acme closed 12:01:00 as long as errors are",
        ]

    def test_narrower_terminal_cuts_texts_and_then_leaves_columns_out(self) -> None:
        assert shown(64)[2].endswith("12:01:00  as long as erro…")
        assert words("\n".join(shown(55)))[0] == "stream tenant state error"
        assert words("\n".join(shown(45)))[0] == "stream state error"

    def test_terminal_without_room_gets_names_and_values(self) -> None:
        lines = shown(20)
        assert lines[0] == f"stream  {ROWS[0][0]}"
        assert lines[5] == ""
        assert lines[-1] == "error   as long as errors are"

    def test_wide_leaves_nothing_out(self) -> None:
        assert shown(40, wide=True) == shown(120)

    def test_no_rows_are_a_text(self) -> None:
        assert shown(80, []) == ["none"]


class TestTerminal:
    def test_table_cuts_nothing_off(self, acme: Tenant, administration: Administration) -> None:
        issued = administration.create_credential(acme, "asapp", label="of the blue server")
        narrow = {"COLUMNS": "20", "TTY_COMPATIBLE": "1", "NO_COLOR": "1"}

        listed = ok("credentials", "list", **narrow)
        assert issued.credential.credential_id in listed
        assert "of the blue server" in listed
        assert str(acme.project_id) in ok("tenants", "list", **narrow)
        shown = run("credentials", "create", "acme", "signalwire", **narrow).stdout
        assert str(acme.project_id) in shown
        assert re.search(r"PT[0-9a-f]{16}_[A-Za-z0-9_-]{43}", shown)

    @pytest.mark.usefixtures("acme")
    def test_wide_table_has_all_columns(self) -> None:
        narrow = {"COLUMNS": "60", "TTY_COMPATIBLE": "1", "NO_COLOR": "1"}

        assert "project" not in ok("tenants", "list", **narrow)
        assert "project" in ok("tenants", "list", "--wide", **narrow)

    def test_text_has_no_frames_and_no_colours(self, acme: Tenant) -> None:
        text = ok("tenants", "list") + ok("tenants", "show", acme.tenant_id)

        assert text.isascii()
        assert text.replace("\n", "").isprintable()
