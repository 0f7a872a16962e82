"""Where the reading commands read: the frames stream of a deployment."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

from callstream.adapters.aws.kinesis_reader import (
    POLL_SECONDS,
    FrameStreamReader,
    Position,
    kinesis_client,
)
from callstream_cli.consoles import SafeConsole
from callstream_cli.deployment import outputs_of
from callstream_cli.operator.errors import BadValueError

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C."""

_AGO: Final = re.compile(r"(\d+)([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# The local stack has no quota.
_LOCAL_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames stream of a deployment."""

    open: Callable[[Position], FrameStreamReader]
    """Makes a reader of the stream that begins there."""
    outputs: Mapping[str, str]
    """Of the deployment's stack."""


@contextmanager
def frames_stream(stack: str | None) -> Iterator[Frames]:
    """The frames stream of a deployment; Ctrl-C ends the command with status 130.

    Raises:
        typer.Exit: there is no such deployment, it does not answer, or the command was ended.
    """
    try:
        with outputs_of(stack) as outputs:
            client = kinesis_client()
            pace = POLL_SECONDS if stack else _LOCAL_POLL_SECONDS
            yield Frames(
                lambda position: FrameStreamReader(
                    client, outputs["FramesStreamName"], position, poll_seconds=pace
                ),
                outputs,
            )
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def busy(title: str) -> Iterator[None]:
    """Show on standard error, if that is a terminal, what the command waits for."""
    if sys.stderr.isatty():
        with SafeConsole(stderr=True).status(f"{title} …"):
            yield
    else:
        yield


def position(text: str, now: datetime) -> Position:
    """Where to begin, as typed: `start`, `now`, how long ago (`90s`, `15m`, `2h`, `1d`) or a time.

    A time is in ISO 8601, and local if it does not say otherwise.

    Raises:
        BadValueError: the text is none of these.
    """
    if text == "start":
        return "TRIM_HORIZON"
    if text == "now":
        return "LATEST"
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadValueError(
            f"{text!r} is neither start nor now, nor like 15m or 2026-05-04T17:00"
        ) from None
