"""Consoles of rich that obey no text from outside; see `plain_output`."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from callstream_cli.plain_output import visible


class SafeConsole(Console):
    """A console on which every text is escaped, whatever renders it."""

    def print_line(self, text: str, style: str | None = None) -> None:
        """Print one line as it is, without rich's markup and highlights; a terminal wraps it."""
        self.print(visible(text), style=style, highlight=False, markup=False, soft_wrap=True)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render to segments; rich's own control codes are segments of their own."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control or text.isprintable():
                yield segment
            else:
                # The lines are rich's: newlines in what is not ours are escaped before.
                yield Segment("\n".join(map(visible, text.split("\n"))), style)
