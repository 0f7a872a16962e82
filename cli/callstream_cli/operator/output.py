"""The output of commands: tables that fit the terminal, aligned text anywhere else, JSON.

A table that is wider than the terminal gets the first characters of long ids, which commands take
in place of the id, and then fewer columns: no id is broken in the middle. Anywhere else, and with
`--wide`, nothing is left out. Secrets are never cut.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel
from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.text import Text

from callstream_cli.consoles import SafeConsole
from callstream_cli.plain_output import print_json, print_line, visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_UNBOUNDED: Final = 100_000
_GAP: Final = "  "
_SHORT_ID: Final = 10
_SHORT_TEXT: Final = 16


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, and what may be done with it on a narrow terminal."""

    name: str
    is_id: bool = False
    """Whether the cells are ids, of which the first characters are enough for commands."""
    is_text: bool = False
    """Whether the cells are texts for people, which may be cut."""
    optional: int = 0
    """Columns above 0 may be left out; the column with the highest number goes first."""


def show_json(value: object) -> None:
    """Show models, and mappings and lists of models, as JSON."""
    print_json(value, indent=2, default=_plain)


def show_done(value: object, text: str, *, as_json: bool) -> None:
    """Show what a command has changed: as JSON, or as a sentence."""
    if as_json:
        show_json(value)
    else:
        print_line(text)


def show_table(
    columns: Sequence[str | Column],
    rows: Iterable[Sequence[str]],
    *,
    otherwise: str,
    wide: bool = False,
) -> None:
    """Show rows under the names of their columns; without rows, show the text `otherwise`."""
    show(table(columns, rows, otherwise=otherwise, wide=wide))


def show_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Show names and values, a line for each pair."""
    show(grid(fields))


def show(picture: RenderableType) -> None:
    """Show the result of `table` or `grid`."""
    console = SafeConsole()
    if not console.is_terminal:
        console.width = _UNBOUNDED
    console.print(picture, crop=False)


def table(
    columns: Sequence[str | Column],
    rows: Iterable[Sequence[str]],
    *,
    otherwise: str,
    wide: bool = False,
) -> RenderableType:
    """Rows under the names of their columns; without rows, the text `otherwise`.

    With `wide`, nothing is left out, however narrow the terminal is.
    """
    named = [Column(each) if isinstance(each, str) else each for each in columns]
    listing = _Listing(named, [list(map(visible, row)) for row in rows], is_wide=wide)
    return listing if listing.rows else Text(otherwise)


def grid(fields: Iterable[tuple[str, str]]) -> RenderableType:
    """Names and values, a line for each pair."""
    return Group(*_named(fields))


@dataclass(frozen=True, slots=True)
class _Listing:
    """A table that chooses its form by the width in which it is shown."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    is_wide: bool

    def __rich_console__(self, _: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Show the rows, each in one line if that is possible at all."""
        width = _UNBOUNDED if self.is_wide else options.max_width
        fitting = self._fitting(width)
        if fitting.width > width:
            # Names and values: whoever needs all of a long URL or key can copy it.
            for number, row in enumerate(self.rows):
                names = [column.name for column in self.columns]
                yield from [_line("")] if number else []
                yield from _named(zip(names, row, strict=True))
            return
        yield _line(fitting.text([column.name for column in fitting.columns]), "bold")
        yield from (_line(fitting.text(row)) for row in fitting.rows)

    @property
    def widths(self) -> list[int]:
        """The width of each column."""
        names = [column.name for column in self.columns]
        return [max(map(cell_len, cells)) for cells in zip(names, *self.rows, strict=True)]

    @property
    def width(self) -> int:
        """The width of a line."""
        return sum(self.widths) + len(_GAP) * (len(self.columns) - 1)

    def text(self, row: Sequence[str]) -> str:
        """A row as a line."""
        cells = (set_cell_size(cell, wide) for cell, wide in zip(row, self.widths, strict=True))
        return _GAP.join(cells).rstrip()

    def _fitting(self, width: int) -> "_Listing":
        """The table with as much as fits."""
        listing = self
        if listing.width > width:
            listing = self.with_cells(lambda column: column.is_id, _short_ids)
        if listing.width > width:
            listing = listing.with_cells(lambda column: column.is_text, _short_texts)
        while listing.width > width:
            optional = max(column.optional for column in listing.columns)
            if not optional:
                return listing
            listing = listing.without(optional)
        return listing

    def with_cells(
        self, chosen: Callable[[Column], bool], shorten: Callable[[Sequence[str]], list[str]]
    ) -> "_Listing":
        """The table with the cells of chosen columns shortened."""
        by_column = zip(self.columns, zip(*self.rows, strict=True), strict=True)
        columns = [shorten(cells) if chosen(column) else cells for column, cells in by_column]
        return replace(self, rows=list(zip(*columns, strict=True)))

    def without(self, optional: int) -> "_Listing":
        """The table without the columns of this number."""
        kept = [column.optional != optional for column in self.columns]
        return replace(
            self,
            columns=list(compress(self.columns, kept)),
            rows=[list(compress(row, kept)) for row in self.rows],
        )


def _short_ids(ids: Sequence[str]) -> list[str]:
    """The first characters of ids: as many as tell these ids apart."""
    length = _SHORT_ID
    while len({id_[:length] for id_ in ids}) < len(set(ids)):
        length += 1
    return [id_[:length] for id_ in ids]


def _short_texts(texts: Sequence[str]) -> list[str]:
    return [
        text if cell_len(text) <= _SHORT_TEXT else f"{set_cell_size(text, _SHORT_TEXT - 1)}…"
        for text in texts
    ]


def _named(fields: Iterable[tuple[str, str]]) -> Iterator[Text]:
    pairs = list(fields)
    wide = max((cell_len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        line = _line(set_cell_size(name, wide), "bold")
        yield line.append(f"{_GAP}{visible(value)}".rstrip(), "not bold")


def _line(text: str, style: str = "") -> Text:
    # The terminal wraps a line that is too long, which keeps the line whole when it is copied.
    return Text(text, style, no_wrap=True, overflow="ignore")


def _plain(value: object) -> object:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case Mapping():
            return dict(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")
