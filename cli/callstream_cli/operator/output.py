"""The output of commands: a table on a terminal, aligned text anywhere else, JSON for scripts.

Nothing is cut off or folded, since ids and secrets are there to be copied. The terminal wraps a
table that is wider than the terminal.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import typer
from pydantic import BaseModel
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_UNBOUNDED: Final = 100_000


def show_json(value: object) -> None:
    """Show models, and mappings and lists of models, as JSON."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def show_done(value: object, text: str, *, as_json: bool) -> None:
    """Show what a command has changed: as JSON, or as a sentence."""
    if as_json:
        show_json(value)
    else:
        typer.echo(text)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, otherwise: str) -> None:
    """Show rows under the names of their columns; without rows, show the text `otherwise`."""
    show(table(columns, rows, otherwise=otherwise))


def show_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Show names and values, a line for each pair."""
    show(grid(fields))


def show(picture: RenderableType) -> None:
    """Show the result of `table` or `grid`."""
    console = Console()
    unbounded = console.options.update(width=_UNBOUNDED)
    console.width = console.measure(picture, options=unbounded).maximum
    console.print(picture, crop=False)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, otherwise: str
) -> RenderableType:
    """Rows under the names of their columns; without rows, the text `otherwise`."""
    is_terminal = Console().is_terminal
    table = Table(
        box=box.SIMPLE_HEAD if is_terminal else None, pad_edge=is_terminal, header_style="bold"
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table if table.row_count else Text(otherwise)


def grid(fields: Iterable[tuple[str, str]]) -> RenderableType:
    """Names and values, a line for each pair."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in fields:
        grid.add_row(name, Text(value))
    return grid


def _plain(value: object) -> object:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case Mapping():
            return dict(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")
