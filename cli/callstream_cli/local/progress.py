"""Shows progress: a spinner for people, plain lines for logs."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from callstream_cli.consoles import SafeConsole


class Progress(Protocol):
    """Shows the steps of a piece of work."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Show a step, and that the step is done when the context ends."""

    def note(self, text: str) -> None:
        """Show a text."""


class Silence:
    """Shows nothing."""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:  # noqa: ARG002 - part of the protocol
        """Show nothing."""
        yield

    def note(self, text: str) -> None:
        """Show nothing."""


class ConsoleProgress:
    """Shows progress on a terminal or in a log."""

    def __init__(self, console: "SafeConsole") -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show ``title``: on a terminal during the step, and everywhere once the step is done."""
        started = time.monotonic()
        with self._console.status(f"{title} …"):
            yield
        self.note(f"[green]✓[/green] {title} [dim]{time.monotonic() - started:.1f} s[/dim]")

    def note(self, text: str) -> None:
        """Print ``text``, which may use rich's markup, on a line of its own."""
        self._console.print(text, highlight=False, soft_wrap=True)
