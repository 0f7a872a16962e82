"""Arguments and options that the consumers' commands share."""

from typing import Annotated

import typer

from callstream_cli.deployment import Stack
from callstream_cli.operator.options import Json

__all__ = ["From", "Json", "Name", "Personal", "Stack"]

Name = Annotated[
    str,
    typer.Argument(
        metavar="CALL|STREAM",
        help="A stream's id, or what the carrier calls the call, its session or the stream.",
    ),
]
From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="WHEN",
        help="Where to begin reading: start (the oldest that is kept), now, "
        "how long ago (90s, 15m, 2h, 1d), or a time (2026-05-04T17:00).",
    ),
]
Personal = Annotated[
    bool,
    typer.Option(
        "--personal",
        help="Show what may be about persons: phone numbers, keys pressed, parameters, tags, "
        "client state, and what is in unreadable messages.",
    ),
]
