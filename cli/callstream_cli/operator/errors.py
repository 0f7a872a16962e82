"""The failures of the operator's commands, in words for the person who typed them.

::

    OperatorError               the command does not fit the stored data; ends with status 1
    └── BadValueError           an argument can never have this value; ends with status 2
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar


class OperatorError(Exception):
    """The command fails. The text is one line."""

    status: ClassVar[int] = 1


class BadValueError(OperatorError):
    """An argument has a value that it can never have."""

    status: ClassVar[int] = 2


@contextmanager
def good_values() -> Iterator[None]:
    """Check the values that the operator typed.

    Raises:
        BadValueError: instead of pydantic's ValidationError, with the first error.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - slow, and loaded by those who need it

    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadValueError(f"{where}: {first['msg']}") from None


def must_be_of(names: Collection[str], known: Collection[str], what: str) -> None:
    """Check names that an operator typed. Raises `BadValueError` if a name is not known."""
    for name in names:
        if name not in known:
            raise BadValueError(f"{name!r} is not a {what}; there are: {', '.join(sorted(known))}")


def output(outputs: Mapping[str, str], name: str) -> str:
    """One of a stack's outputs. Raises `OperatorError` if there is no output of that name."""
    try:
        return outputs[name]
    except KeyError:
        raise OperatorError(
            f"the stack has no output {name}: it is not a Callstream stack, or of another version"
        ) from None
