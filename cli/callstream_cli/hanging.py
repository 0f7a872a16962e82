"""Lines of two parts that fit the terminal: the second part wraps beside the first."""

from rich.markup import escape
from rich.table import Table

from callstream_cli.consoles import SafeConsole
from callstream_cli.plain_output import visible


def print_hanging(console: SafeConsole, head: str, text: str) -> None:
    """Print one line, and on a narrow terminal as many as `text` needs beside `head`."""
    if not console.is_terminal:
        console.print_line(head + text)
        return
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(escape(visible(head)), escape(visible(text)))
    console.print(grid, highlight=False)
