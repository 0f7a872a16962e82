"""Arguments and options that the operator's commands share."""

from typing import Annotated

import typer

from callstream.tenants.directory import SURFACES, Surface
from callstream_cli.deployment import Json, Stack

__all__ = ["Json", "OfSurface", "OfTenant", "Stack", "Yes", "confirm"]

OfTenant = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")]
OfSurface = Annotated[
    Surface, typer.Argument(metavar="SURFACE", help=f"A vendor's API: {', '.join(SURFACES)}.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def confirm(question: str, *, yes: bool) -> None:
    """Ask for confirmation on standard error, unless `yes`. Raises `typer.Abort` without it."""
    if not yes:
        typer.confirm(question, abort=True, err=True)
