"""Telling what goes on: a spinner for people, plain lines for logs."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console


class Progress(Protocol):
    """Who is told."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Announce a piece of work, and that it is done when the context ends."""

    def note(self, text: str) -> None:
        """Pass something on."""


class Silence:
    """Nobody is told."""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:  # noqa: ARG002 - part of the protocol
        """Do the work."""
        yield

    def note(self, text: str) -> None:
        """Keep it to ourselves."""


class ConsoleProgress:
    """Tells a terminal or a log."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show ``title``: in a terminal while it lasts, and in either case once it is done."""
        started = time.monotonic()
        with self._console.status(f"{title} …"):
            yield
        self.note(f"[green]✓[/green] {title} [dim]{time.monotonic() - started:.1f} s[/dim]")

    def note(self, text: str) -> None:
        """Print ``text``, which may use rich's markup, on a line of its own."""
        self._console.print(text, highlight=False, soft_wrap=True)
