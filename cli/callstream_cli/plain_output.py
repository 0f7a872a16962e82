"""Writes the text of commands, so that no text from outside can drive a terminal.

Ids, names, codes and reasons come from carriers, tenants and consumers. Everything that a terminal
might obey or hide in them is shown escaped, as Python writes it: control characters, escape
sequences, newlines, marks that turn the direction of text. It is the same in a pipe, because the
text may still reach a terminal. `consoles` does this for rich.
"""

import json
from collections.abc import Callable

import typer


def visible(text: str) -> str:
    """The text with each character escaped that is not printable; always one line."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def print_line(text: str = "", *, err: bool = False, colour: str | None = None) -> None:
    """Write one line. `colour` is one of click's, for terminals only."""
    typer.secho(visible(text), err=err, fg=colour)


def print_error(text: object) -> None:
    """Write why a command fails: one line on standard error."""
    print_line(f"callstream: {text}", err=True)


def print_json(
    value: object,
    *,
    indent: int | None = None,
    default: Callable[[object], object] | None = None,
) -> None:
    """Write JSON, whose own escapes leave ASCII only; `default` is as `json.dumps` has it."""
    typer.echo(json.dumps(value, indent=indent, default=default))


def print_document(text: str) -> None:
    """Write a document of several lines, in which what is not ours has been made `visible`."""
    typer.echo(text, nl=False)
