"""Lines of two parts that fit the terminal: the second part wraps beside the first."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def print_hanging(console: Console, head: str, text: str) -> None:
    """Print one line, and on a narrow terminal as many as `text` needs beside `head`."""
    if not console.is_terminal:
        console.print(head + text, highlight=False, markup=False, soft_wrap=True)
        return
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(escape(head), escape(text))
    console.print(grid, highlight=False)
