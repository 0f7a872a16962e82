"""Showing streams or calls: once, or with ``--watch`` every second until Ctrl-C."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Protocol

import typer
from rich.console import RenderableType

from callstream_cli import live_display
from callstream_cli.consoles import SafeConsole
from callstream_cli.deployment import outputs_of
from callstream_cli.operator.output import show, show_json
from callstream_cli.plain_output import print_json

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C."""

_REFRESH_SECONDS: Final = 1.0

Watch = Annotated[
    bool, typer.Option("--watch", "-w", help="Refresh it every second, until Ctrl-C.")
]


class Scene(Protocol):
    """What a command shows: the state at one moment."""

    def as_json(self) -> Any:  # noqa: ANN401 - any value that JSON has
        """For scripts."""

    def picture(self) -> RenderableType:
        """For people."""

    def line(self) -> str:
        """For a log."""


type Read = Callable[[], Scene]


def show_scene(
    stack: str | None,
    scene: Callable[[Mapping[str, str]], Read],
    *,
    watch: bool,
    as_json: bool,
) -> None:
    """Show a scene of a deployment; with `watch`, until Ctrl-C.

    While watching, a terminal is redrawn; elsewhere a line is printed every second. In JSON each
    line is a document.

    Raises:
        typer.Exit: the scene cannot be read, and the reason was printed; or after Ctrl-C.
    """
    try:
        with outputs_of(stack) as outputs:
            read = scene(outputs)
            if watch:
                asyncio.run(_watch(read, as_json=as_json))
            elif as_json:
                show_json(read().as_json())
            else:
                show(read().picture())
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


async def _watch(read: Read, *, as_json: bool) -> None:
    scene = await asyncio.to_thread(read)
    if as_json:
        while True:
            print_json(scene.as_json())
            await asyncio.sleep(_REFRESH_SECONDS)
            scene = await asyncio.to_thread(read)

    def picture() -> RenderableType:
        return scene.picture()

    async with live_display.shown(SafeConsole(), picture, lambda: f"{_clock()}  {scene.line()}"):
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            scene = await asyncio.to_thread(read)


def _clock() -> str:
    return f"{datetime.now(UTC):%H:%M:%S}"
