"""What a surface's document is made of: its operations, and the words that code has no need of.

The words live here and not beside the models, because every cold start of a function would load
them. What can be said twice is said by the models: types, limits, defaults, statuses, paths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from callstream.errors import Invalid
from callstream.surfaces.bodies import validate
from callstream.surfaces.pipeline import Operation, VendorSurface

type Example = Mapping[str, object]
"""A body, as JSON has it; of a form, its fields."""


@dataclass(frozen=True, slots=True)
class Described:
    """An operation, what it does in a few sentences, and an example of both directions."""

    operation: Operation
    description: str
    answer: Example | None = None
    body: Example | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of a path."""

    description: str
    example: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that a surface answers with, and when; the surface itself makes the answer of it."""

    error: Exception
    when: str


@dataclass(frozen=True, slots=True)
class Header:
    """A header of answers, with the statuses that it comes with."""

    description: str
    schema: Mapping[str, object]
    statuses: frozenset[int]


@dataclass(frozen=True, slots=True)
class Document:
    """All about one surface.

    `security` are the schemes that a request needs together. `words` say what each property of
    each schema is.
    """

    surface: VendorSurface
    title: str
    description: str
    security: Mapping[str, Mapping[str, str]]
    operations: Sequence[Described]
    error: type[BaseModel]
    failures: Sequence[Failure]
    words: Mapping[str, Mapping[str, str]]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    headers: Mapping[str, Header] = field(default_factory=dict)


def rejected(operation: Operation, body: Example, when: str) -> Failure:
    """The failure that an invalid body causes, and when it occurs.

    Raises:
        ValueError: the body is valid.
    """
    if operation.body is None:
        raise ValueError(f"{operation.name} takes no body")
    try:
        validate(operation.body, dict(body), strict=operation.encoding == "json")
    except Invalid as error:
        return Failure(error, when)
    raise ValueError(f"{operation.name} takes {body}")
