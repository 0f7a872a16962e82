"""Ids by their first characters."""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from callstream_cli.operator.errors import OperatorError

WHOLE_ID: Final = 32
"""Ids of carriers and of ours are at least as long; longer texts are not looked up."""

_MOST_NAMED: Final = 5


def pick[Entry](
    text: str, entries: Collection[Entry], ids: Callable[[Entry], Iterable[str | None]], noun: str
) -> Entry | None:
    """The entry with this id, or else the only one whose id begins so; None if there is none.

    Args:
        text: what the operator typed.
        entries: where to look.
        ids: the ids of an entry, the first of which names the entry.
        noun: what the entries are, for the error.

    Raises:
        OperatorError: several entries have ids that begin so.
    """
    named = [entry for entry in entries if text in ids(entry)]
    begun = named or [
        entry for entry in entries if any(each and each.startswith(text) for each in ids(entry))
    ]
    if len(begun) > 1 and text:
        raise _ambiguous(text, [str(next(iter(ids(entry)))) for entry in begun], noun)
    return begun[0] if begun and text else None


def _ambiguous(text: str, ids: Iterable[str], noun: str) -> OperatorError:
    """The error about an id that means several entries, which it lists."""
    found = sorted(set(ids))
    more = len(found) - _MOST_NAMED
    listed = ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return OperatorError(f"several {noun}s have ids that begin with {text!r}: {listed}")
