"""Entry point of the ``callstream`` command.

A command's module is imported only when that command is the one called, so that ``callstream
--help`` does not wait for botocore, numpy and the like.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from callstream_cli import broken_pipe

_INTERRUPTED: Final = 130
_HELP: Final = "--help"


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


@dataclass(frozen=True, slots=True)
class Group:
    """Commands behind a name of their own, such as ``callstream tenants create``."""

    summary: str
    commands: Mapping[str, LazyCommand]
    lists: bool = False
    """Whether `list` is meant if no command is named."""


_OPERATOR = "callstream_cli.operator"
_CONSUMER = "callstream_cli.reading"

COMMANDS: Mapping[str, LazyCommand | Group] = {
    "up": LazyCommand(
        "callstream_cli.local.commands", "up", "Start the local stack, or bring it up to date."
    ),
    "down": LazyCommand("callstream_cli.local.commands", "down", "Stop the local stack."),
    "status": LazyCommand(
        "callstream_cli.local.commands", "status", "Say whether the local stack runs, and where."
    ),
    "containers": LazyCommand(
        "callstream_cli.local.containers", "containers", "Let `sam local` reach the local stack."
    ),
    "call": LazyCommand(
        "callstream_cli.carrier.command", "call", "Call the gateway as a carrier would."
    ),
    "listen": LazyCommand(
        "callstream_cli.listener.command", "listen", "Take forks of calls, as a consumer would."
    ),
    "tail": LazyCommand(f"{_CONSUMER}.tail", "tail", "Follow streams live, in order."),
    "record": LazyCommand(f"{_CONSUMER}.record", "record", "Write a call as a WAV file."),
    "replay": LazyCommand(
        f"{_CONSUMER}.replay", "replay", "Play a recorded stream to any WebSocket."
    ),
    "demo": LazyCommand(
        "callstream_cli.demo.command", "demo", "Play a call through the gateway, with a verdict."
    ),
    "tenants": Group(
        "Who may use the gateway.",
        {
            "create": LazyCommand(f"{_OPERATOR}.tenants", "create", "Create a tenant."),
            "list": LazyCommand(f"{_OPERATOR}.tenants", "list_", "List all tenants."),
            "show": LazyCommand(
                f"{_OPERATOR}.tenants", "show", "Show a tenant: routes, limits, webhooks."
            ),
            "update": LazyCommand(f"{_OPERATOR}.tenants", "update", "Rename a tenant."),
            "disable": LazyCommand(
                f"{_OPERATOR}.tenants", "disable", "Refuse all of a tenant's requests."
            ),
            "enable": LazyCommand(
                f"{_OPERATOR}.tenants", "enable", "Let a disabled tenant in again."
            ),
            "delete": LazyCommand(
                f"{_OPERATOR}.tenants", "delete", "Delete a tenant and all that it has."
            ),
        },
    ),
    "credentials": Group(
        "What tenants sign in with, per surface.",
        {
            "create": LazyCommand(
                f"{_OPERATOR}.credentials", "create", "Create a credential; shows its secret once."
            ),
            "list": LazyCommand(f"{_OPERATOR}.credentials", "list_", "List credentials."),
            "revoke": LazyCommand(
                f"{_OPERATOR}.credentials", "revoke", "Make a credential worthless."
            ),
            "delete": LazyCommand(f"{_OPERATOR}.credentials", "delete", "Delete a credential."),
        },
    ),
    "inboxes": Group(
        "Inboxes of tenants, for Clerk Chat's endpoint.",
        {
            "create": LazyCommand(f"{_OPERATOR}.inboxes", "create", "Give a tenant an inbox."),
            "list": LazyCommand(f"{_OPERATOR}.inboxes", "list_", "List a tenant's inboxes."),
            "delete": LazyCommand(f"{_OPERATOR}.inboxes", "delete", "Delete an inbox."),
        },
    ),
    "routes": Group(
        "What a tenant may open streams for, at ASAPP's endpoints.",
        {
            "add": LazyCommand(f"{_OPERATOR}.routes", "add", "Give a tenant routes."),
            "remove": LazyCommand(f"{_OPERATOR}.routes", "remove", "Take routes from a tenant."),
            "list": LazyCommand(f"{_OPERATOR}.routes", "list_", "List a tenant's routes."),
        },
    ),
    "agents": Group(
        "Who gets the calls of a route or an inbox by themselves, and may answer.",
        {
            "add": LazyCommand(
                f"{_OPERATOR}.agents",
                "add",
                "Have a route's or an inbox's calls forked to an agent.",
            ),
            "list": LazyCommand(f"{_OPERATOR}.agents", "list_", "List a tenant's agents."),
            "remove": LazyCommand(f"{_OPERATOR}.agents", "remove", "Give an agent no more calls."),
        },
    ),
    "limits": Group(
        "How many requests a tenant may make.",
        {
            "set": LazyCommand(f"{_OPERATOR}.limits", "set_", "Set a tenant's limits."),
            "show": LazyCommand(f"{_OPERATOR}.limits", "show", "Show a tenant's limits."),
        },
    ),
    "webhooks": Group(
        "Where a tenant's callbacks go.",
        {
            "set": LazyCommand(f"{_OPERATOR}.webhooks", "set_", "Set where callbacks go."),
            "clear": LazyCommand(f"{_OPERATOR}.webhooks", "clear", "Forget where callbacks go."),
            "show": LazyCommand(f"{_OPERATOR}.webhooks", "show", "Show where callbacks go."),
        },
    ),
    "callback-keys": Group(
        "What a tenant verifies callbacks with.",
        {
            "show": LazyCommand(
                f"{_OPERATOR}.callback_keys", "show", "Show a tenant's callback keys."
            ),
            "rotate": LazyCommand(
                f"{_OPERATOR}.callback_keys", "rotate", "Give a tenant new callback keys."
            ),
        },
    ),
    "callbacks": Group(
        "What tenants are told of their relays: what waits, what was given up.",
        {
            "list": LazyCommand(
                f"{_OPERATOR}.callbacks", "list_", "List what waits, or was given up."
            ),
            "resend": LazyCommand(
                f"{_OPERATOR}.callbacks", "resend", "Deliver what was given up once more."
            ),
        },
    ),
    "twilio": Group(
        "Whether a tenant's calls must be signed by Twilio.",
        {
            "set": LazyCommand(
                f"{_OPERATOR}.twilio", "set_", "Set what is checked, and the auth token."
            ),
            "show": LazyCommand(
                f"{_OPERATOR}.twilio", "show", "Show what is checked; never the auth token."
            ),
            "clear": LazyCommand(
                f"{_OPERATOR}.twilio", "clear", "Check nothing, and forget the auth token."
            ),
        },
    ),
    "streams": Group(
        "Media streams: their states and counters.",
        {
            "list": LazyCommand(f"{_OPERATOR}.streams", "list_", "List the streams that are live."),
            "show": LazyCommand(
                f"{_OPERATOR}.streams", "show", "Show a stream: state, times, counters."
            ),
        },
        lists=True,
    ),
    "calls": Group(
        "Calls: their legs, streams and relays.",
        {
            "list": LazyCommand(
                f"{_OPERATOR}.calls", "list_", "List the calls that have live streams."
            ),
            "show": LazyCommand(
                f"{_OPERATOR}.calls", "show", "Show a call: legs, streams, relays."
            ),
        },
        lists=True,
    ),
    "keys": Group(
        "The keys that sign media URLs.",
        {
            "list": LazyCommand(
                f"{_OPERATOR}.keys", "list_", "List the keys; says which one signs now."
            ),
            "rotate": LazyCommand(f"{_OPERATOR}.keys", "rotate", "Sign with a new key."),
        },
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
    _add(app, COMMANDS, arguments)
    return app


class _Lists(TyperGroup):
    """A group whose `list` is meant if no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own click
        """Read what the group was called with."""
        return super().parse_args(ctx, _completed(args))


def _add(
    app: typer.Typer, commands: Mapping[str, LazyCommand | Group], arguments: Sequence[str]
) -> None:
    # Neither the application nor a group has an option that takes a value.
    words = [argument for argument in arguments if not argument.startswith("-")]
    called = words[0] if words else None
    for name, command in commands.items():
        match command:
            case Group():
                rest: list[str] = []
                if name == called:
                    rest = list(arguments[arguments.index(name) + 1 :])
                    rest = _completed(rest) if command.lists else rest
                aside = " Without a command, they are listed." if command.lists else ""
                group = typer.Typer(
                    no_args_is_help=True,
                    cls=_Lists if command.lists else TyperGroup,
                    subcommand_metavar="[COMMAND] [ARGS]..." if command.lists else None,
                )
                _add(group, command.commands, rest)
                app.add_typer(
                    group, name=name, help=command.summary + aside, short_help=command.summary
                )
            case LazyCommand():
                function = command.load() if name == called else _placeholder
                app.command(name, short_help=command.summary, help=_flowing(function))(function)


def _completed(arguments: list[str]) -> list[str]:
    """The arguments of a group that lists, with the command that they mean."""
    names_one = arguments and (not arguments[0].startswith("-") or arguments[0] == _HELP)
    return arguments if names_one else ["list", *arguments]


def _flowing(function: Callable[..., object]) -> str:
    """A function's docstring with a line a paragraph, for the terminal to wrap."""
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def main() -> None:
    """Run the command line of this process."""
    broken_pipe.ends_the_command()
    try:
        build(sys.argv[1:])()
    except KeyboardInterrupt:
        # While a command's module was being imported; a running command cleans up on its own.
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
