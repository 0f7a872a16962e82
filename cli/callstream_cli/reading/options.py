"""Arguments and options that the commands share that read streams."""

from typing import Annotated

import typer

from callstream_cli.deployment import Stack
from callstream_cli.operator.options import Json

__all__ = ["From", "Json", "Name", "Personal", "Stack"]

Name = Annotated[
    str,
    typer.Argument(
        metavar="CALL|STREAM",
        help="The id of a stream, or the carrier's id of the call, its session or the stream; the "
        "first characters are enough, and last is the newest call.",
    ),
]
From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="WHEN",
        help="Where to begin reading: start (the oldest record that is kept), now, "
        "how long ago (90s, 15m, 2h, 1d), or a time (2026-05-04T17:00).",
    ),
]
Personal = Annotated[
    bool,
    typer.Option(
        "--personal",
        help="Show what may be personal: phone numbers, keys pressed, parameters, tags, "
        "client state, and the content of unreadable messages.",
    ),
]
