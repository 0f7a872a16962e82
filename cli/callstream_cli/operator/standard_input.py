"""Values that are never arguments, since others see command lines: read from standard input."""

import sys
from typing import Final

import typer

from callstream_cli.operator.errors import BadValueError

STANDARD_INPUT: Final = "-"
"""The argument that stands for a line of standard input."""
# Far above any value that a surface takes.
_LONGEST: Final = 16_384


def read_line(what: str) -> str:
    """Read the next line; a terminal is asked for it, without echo.

    Raises:
        BadValueError: there is no line, or it is blank.
    """
    if _is_terminal():
        text = str(typer.prompt(f"The {what}", hide_input=True, err=True)).strip()
    else:
        text = sys.stdin.readline(_LONGEST).strip()
    if not text:
        raise BadValueError(f"standard input has no {what}")
    return text


def _is_terminal() -> bool:
    return sys.stdin.isatty()
