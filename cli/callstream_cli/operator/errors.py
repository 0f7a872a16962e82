"""What an operator's command refuses to do, in words for the person who typed it.

::

    OperatorError               what was asked does not fit what is there; ends with status 1
    └── BadValueError           what was asked makes no sense anywhere; ends with status 2
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from pydantic import ValidationError


class OperatorError(Exception):
    """The command cannot do what was asked. Its text is one line."""

    status: ClassVar[int] = 1


class BadValueError(OperatorError):
    """An argument has a value that it can never have."""

    status: ClassVar[int] = 2


@contextmanager
def good_values() -> Iterator[None]:
    """Make something of what the operator typed.

    Raises:
        BadValueError: instead of pydantic's ValidationError, with what is wrong first.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadValueError(f"{where}: {first['msg']}") from None


def output(outputs: Mapping[str, str], name: str) -> str:
    """One of a stack's outputs. Raises `OperatorError` if it has none of that name."""
    try:
        return outputs[name]
    except KeyError:
        raise OperatorError(
            f"the stack has no output {name}: it is not a Callstream, or of another version"
        ) from None
