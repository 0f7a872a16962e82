"""Entry point of the ``callstream`` command.

A command's module is imported only when that command is the one called, so that ``callstream
--help`` does not wait for botocore, numpy and the like.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import typer

_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is known by name and summary until it is called."""

    module: str
    function: str
    summary: str

    def load(self) -> Callable[..., object]:
        """Import the function whose signature and docstring are the command."""
        function: Callable[..., object] = getattr(import_module(self.module), self.function)
        return function


COMMANDS: Mapping[str, LazyCommand] = {
    "up": LazyCommand(
        "callstream_cli.local.commands", "up", "Start the local stack, or bring it up to date."
    ),
    "down": LazyCommand("callstream_cli.local.commands", "down", "Stop the local stack."),
    "status": LazyCommand(
        "callstream_cli.local.commands", "status", "Say whether the local stack runs, and where."
    ),
    "call": LazyCommand(
        "callstream_cli.carrier.command", "call", "Call the gateway as Twilio would."
    ),
    "demo": LazyCommand(
        "callstream_cli.demo.command", "demo", "Play a call through the gateway, with a verdict."
    ),
}


def _placeholder() -> None:
    """Stand in for the commands that were not called."""


def build(arguments: Sequence[str]) -> typer.Typer:
    """Make the application, with the command that ``arguments`` name loaded."""
    app = typer.Typer(
        name="callstream",
        help="A serverless gateway for the audio of live phone calls.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, command in COMMANDS.items():
        function = command.load() if name == called else _placeholder
        app.command(name, short_help=command.summary)(function)
    return app


def main() -> None:
    """Run the command line of this process."""
    try:
        build(sys.argv[1:])()
    except KeyboardInterrupt:
        # While a command's module was being imported; a running command cleans up on its own.
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
