"""A live display: a picture that is redrawn on a terminal, lines anywhere else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from rich.console import RenderableType
from rich.live import Live

from callstream_cli.consoles import SafeConsole

_REDRAWS_PER_SECOND: Final = 10
_SECONDS_PER_LINE: Final = 1.0


@asynccontextmanager
async def shown(
    console: SafeConsole, picture: Callable[[], RenderableType], line: Callable[[], str]
) -> AsyncIterator[None]:
    """Show `picture` on a terminal, or print `line` once a second, while the context lasts."""
    if console.is_terminal:
        live = Live(console=console, get_renderable=picture, refresh_per_second=_REDRAWS_PER_SECOND)
        with live:
            yield
        return
    printing = asyncio.create_task(_print_lines(console, line))
    try:
        yield
    finally:
        printing.cancel()


async def _print_lines(console: SafeConsole, line: Callable[[], str]) -> None:
    while True:
        await asyncio.sleep(_SECONDS_PER_LINE)
        console.print_line(line())
