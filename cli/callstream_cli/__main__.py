"""Entry point of the ``callstream`` command.

A command's module is imported only when that command is called, so that ``callstream --help`` does
not wait for botocore, numpy and the like. The help text of a command is its function's docstring.
"""

import ast
import builtins
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from callstream_cli import broken_pipe
from callstream_cli.plain_output import print_line

_INTERRUPTED: Final = 130
_HELP: Final = "--help"


@dataclass(frozen=True, slots=True)
class Group:
    """Commands behind a name of their own, such as ``callstream tenants create``."""

    summary: str
    commands: Sequence[str]
    """All are functions of the group's module in `callstream_cli.operator`."""
    lists: bool = False
    """Whether the group without a command means its `list`."""


COMMANDS: Final[Mapping[str, str | Group]] = {
    "up": "local.commands",
    "down": "local.commands",
    "status": "local.commands",
    "url": "local.shell",
    "env": "local.shell",
    "logs": "operator.logs",
    "containers": "local.containers",
    "expose": "local.expose",
    "call": "carrier.command",
    "listen": "listener.command",
    "bridge": "bridge.command",
    "dialogflow": "dialogflow.command",
    "transcript": "operator.transcript",
    "tail": "reading.tail",
    "record": "reading.record",
    "replay": "reading.replay",
    "demo": "demo.command",
    "preflight": "preflight.command",
    "verify": "verify.command",
    "tenants": Group(
        "The customers that may use the gateway.",
        ["create", "list", "show", "update", "disable", "enable", "delete"],
    ),
    "credentials": Group(
        "The credentials of tenants, for each surface.", ["create", "list", "revoke", "delete"]
    ),
    "inboxes": Group(
        "Inboxes of tenants, for Clerk Chat's endpoint.", ["create", "list", "delete"]
    ),
    "routes": Group(
        "What a tenant may open streams for, at ASAPP's endpoints.", ["add", "remove", "list"]
    ),
    "agents": Group(
        "Agents: they get every call of a route or an inbox automatically, and may answer.",
        ["add", "list", "remove"],
    ),
    "connections": Group(
        "How a tenant's virtual agents at Dialogflow are reached.", ["set", "list", "delete"]
    ),
    "limits": Group(
        "How many requests a tenant may make, and how much of it may run.",
        ["set", "show", "running"],
    ),
    "webhooks": Group("Where a tenant's callbacks go.", ["set", "clear", "show"]),
    "callback-keys": Group("The keys that a tenant verifies callbacks with.", ["show", "rotate"]),
    "callbacks": Group(
        "Callbacks about relays that wait to be sent again, or were given up.", ["list", "resend"]
    ),
    "twilio": Group("Whether a tenant's calls must be signed by Twilio.", ["set", "show", "clear"]),
    "streams": Group("Media streams: their states and counters.", ["list", "show"], lists=True),
    "calls": Group("Calls: their legs, streams and relays.", ["list", "show"], lists=True),
    "keys": Group("The keys that sign media URLs.", ["list", "rotate"]),
}
"""Every command with its module, or its group. A module has a command as a function of its name."""


class _ListingGroup(TyperGroup):
    """A group that means its `list` if no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own click
        """Read the group's arguments."""
        return super().parse_args(ctx, _with_list(args))


def build(arguments: Sequence[str]) -> typer.Typer:
    """Make the application, with the module of the command imported that `arguments` call."""
    app = typer.Typer(
        name="callstream",
        help="A serverless gateway for the audio of live phone calls.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    called = _called(arguments)
    for name, command in COMMANDS.items():
        if isinstance(command, Group):
            _add_group(app, name, command, arguments[1:] if name == called else None)
        else:
            _add_command(app, name, command, called)
    return app


def _add_group(app: typer.Typer, name: str, group: Group, arguments: Sequence[str] | None) -> None:
    """Add a group; `arguments` are those behind its name, None if another command is called."""
    commands = typer.Typer(
        no_args_is_help=True,
        cls=_ListingGroup if group.lists else TyperGroup,
        subcommand_metavar="[COMMAND] [ARGS]..." if group.lists else None,
    )
    if arguments is not None:
        called = _called(_with_list(arguments) if group.lists else arguments)
        for each in group.commands:
            _add_command(commands, each, f"operator.{name.replace('-', '_')}", called)
    aside = " Without a command, they are listed." if group.lists else ""
    app.add_typer(commands, name=name, help=group.summary + aside, short_help=group.summary)


def _add_command(app: typer.Typer, name: str, module: str, called: str | None) -> None:
    """Add a command. Only the called one is imported; only help and that one need its docstring."""
    function = f"{name}_" if hasattr(builtins, name) else name
    paragraphs = _docstrings(module)[function].split("\n\n") if called in {None, name} else [""]
    # One line for each paragraph: the terminal wraps them.
    paragraphs = [" ".join(paragraph.split()) for paragraph in paragraphs]
    summary = paragraphs[0].partition(". ")[0].removesuffix(".") + "."
    run = _loaded(module, function) if name == called else _not_called
    app.command(name, short_help=summary, help="\n\n".join(paragraphs))(run)


def _called(arguments: Sequence[str]) -> str | None:
    """The command that is called; None if help is shown. No option stands before a command."""
    return arguments[0] if arguments and not arguments[0].startswith("-") else None


def _with_list(arguments: Sequence[str]) -> list[str]:
    """The arguments of a group that lists, with `list` if no command is named."""
    is_complete = _called(arguments) is not None or _HELP in arguments[:1]
    return [*arguments] if is_complete else ["list", *arguments]


@cache
def _docstrings(module: str) -> Mapping[str, str]:
    """The docstrings of a module's functions, by name; the module is not imported."""
    path = Path(__file__).parent.joinpath(*module.split(".")).with_suffix(".py")
    return {
        node.name: ast.get_docstring(node) or ""
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }


def _loaded(module: str, function: str) -> Callable[..., object]:
    loaded: Callable[..., object] = getattr(import_module(f"callstream_cli.{module}"), function)
    return loaded


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - slow

        print_line(f"callstream {version('callstream-cli')}")
        raise typer.Exit


def _options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Take the options of `callstream` itself."""


def _not_called() -> None:
    """Stand in for the commands that are not called."""


def main() -> None:
    """Run the command line of this process."""
    broken_pipe.end_quietly()
    try:
        build(sys.argv[1:])()
    except KeyboardInterrupt:
        # Ctrl-C while a command's module is imported; a running command cleans up by itself.
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
