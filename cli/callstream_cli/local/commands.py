"""``callstream up``, ``down`` and ``status``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callstream_cli.local.errors import LocalStackError
from callstream_cli.local.progress import ConsoleProgress
from callstream_cli.local.stack import DEFAULT_PORT, LocalStack
from callstream_cli.plain_output import print_error, print_line

if TYPE_CHECKING:
    from callstream_cli.consoles import SafeConsole

_RECORDING = "cli/callstream_cli/assets/conversation.wav"

ROOT = Path(__file__).parents[3]
"""The repository. The command is always installed in place, so its files are in the repository."""

Port = Annotated[
    int | None,
    typer.Option(
        envvar="CALLSTREAM_PORT",
        min=1,
        max=65535,
        help="Port on 127.0.0.1; without it that of the running or last local stack, or "
        f"{DEFAULT_PORT}.",
    ),
]


def local_stack(port: int | None = None) -> LocalStack:
    """The local stack that commands work on; CALLSTREAM_STATE_DIR names another directory."""
    state_dir = os.environ.get("CALLSTREAM_STATE_DIR")
    return LocalStack(ROOT, state_dir=Path(state_dir) if state_dir else None, port=port)


def up(
    port: Port = None,
    *,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget all tenants and secrets of before.")
    ] = False,
) -> None:
    """Start the local stack, or bring it up to date.

    Builds template.yaml, deploys it to an AWS emulator on this machine, creates a demo tenant and
    writes the addresses of everything into .local/stack.json. Safe to repeat. Tenants, credentials,
    secrets and URLs are those of the stack before; its calls, streams and records are forgotten.
    """
    from callstream_cli.consoles import SafeConsole  # noqa: PLC0415 - slow, and only `up` needs it

    console = SafeConsole()
    stack = local_stack(port)
    with explained():
        stack.up(ConsoleProgress(console), fresh=fresh)
    console.print(
        f"Ready at {stack.endpoint}, described in {_shown(stack.description_file)}.", soft_wrap=True
    )
    show_next_steps(console, is_up=True)


def show_next_steps(console: "SafeConsole", *, is_up: bool) -> None:
    """Show what to try next: three lines."""
    from callstream_cli.hanging import print_hanging  # noqa: PLC0415 - imports rich

    steps = [
        (f"./callstream call {_RECORDING}", "play a call"),
        ("./callstream streams --all", "its streams"),
        ("./callstream url", "a media URL"),
    ]
    if not is_up:
        steps = [("make up", "keep it up"), *steps[:2]]
    width = max(len(command) for command, _ in steps)
    for heading, (command, what) in zip(("Try", "", ""), steps, strict=True):
        print_hanging(console, f"{heading:<4} {command:<{width}}  ", what)


def down() -> None:
    """Stop the local stack. Fine if it does not run.

    The next `up` restores its tenants, credentials and URLs; calls, streams and records are
    forgotten.
    """
    with explained():
        running = local_stack().down()
    print_line("The local stack is stopped." if running else "The local stack was not running.")


def status() -> None:
    """Show whether the local stack runs, and where. Ends with status 1 if it does not run."""
    stack = local_stack()
    description = stack.describe()
    if description is None:
        print_line("The local stack is not running. `callstream up` starts it.")
        raise typer.Exit(1)
    lines = {
        "AWS": f"{description['aws_endpoint_url']}  ({description['region']})",
        **description["rest"],
        "media": description["media_url"],
        "frames": description["frames_stream"],
        "logs": f"{_shown(stack.function_log)}  (callstream logs)",
        "emulator": _shown(stack.log),
        "more in": f"{_shown(stack.description_file)}  (callstream env, callstream url)",
    }
    for name, text in lines.items():
        print_line(f"{name:<10} {text}")


@contextmanager
def explained() -> Iterator[None]:
    """End the command with an error's text instead of its traceback.

    Raises:
        typer.Exit: the local stack has failed.
    """
    try:
        yield
    except LocalStackError as error:
        print_error(error)
        raise typer.Exit(1) from None


def _shown(path: Path) -> Path:
    """Return ``path`` relative to the repository, if it is in there."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
