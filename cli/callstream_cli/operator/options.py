"""Arguments and options that the operator's commands share."""

import sys
from typing import Annotated

import typer

from callstream.tenants.directory import SURFACES, Surface
from callstream_cli.deployment import Json, Stack
from callstream_cli.plain_output import print_line

__all__ = ["Json", "OfSurface", "OfTenant", "Stack", "Wide", "Yes", "confirm"]

OfTenant = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")]
OfSurface = Annotated[
    Surface, typer.Argument(metavar="SURFACE", help=f"A vendor's API: {', '.join(SURFACES)}.")
]
Wide = Annotated[
    bool,
    typer.Option("--wide", help="All columns and whole ids, also on a narrow terminal."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def confirm(question: str, *, yes: bool) -> None:
    """Ask for confirmation on standard error, unless `yes`. Raises `typer.Abort` without it."""
    if yes:
        return
    agreed = False
    try:
        agreed = typer.confirm(question, err=True)
    finally:
        # Only a terminal shows the line break that was typed.
        if not sys.stdin.isatty():
            print_line(err=True)
    if not agreed:
        raise typer.Abort
