"""How AWS decides whether a policy allows a request.

Source: the IAM user guide, "Policy evaluation logic", "Elements: Action, Resource, Condition" and
"Set operators for multivalued context keys".
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

type Statement = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What a principal wants to do. `context` has the values of the condition keys."""

    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)


def allows(statements: Iterable[Statement], request: Request) -> bool:
    """Whether the statements of a principal's policies allow a request: a denial beats all else."""
    effects = {each["Effect"] for each in statements if _applies(each, request)}
    return effects == {"Allow"}


def listed(value: Any) -> list[Any]:
    """The values of an element, which may be one value or a list."""
    return value if isinstance(value, list) else [value]


def _applies(statement: Statement, request: Request) -> bool:
    known = {"Sid", "Effect", "Action", "Resource", "Condition"}
    assert statement.keys() <= known, f"not evaluated: {statement.keys() - known}"
    return (
        # Names of actions have no case.
        _is_like(request.action.lower(), [each.lower() for each in listed(statement["Action"])])
        and _is_like(request.resource, listed(statement["Resource"]))
        and all(
            _OPERATORS[operator](request.context.get(key, ()), listed(values))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _is_like(value: str, patterns: Iterable[str]) -> bool:
    return any(_expression(pattern).fullmatch(value) for pattern in patterns)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(each, re.escape(each)) for each in pattern), re.DOTALL)


def _is_one_of(given: Sequence[str], wanted: Sequence[str]) -> bool:
    # A key of one value: with several, AWS's answer would not be this one.
    assert len(given) <= 1
    return bool(given) and given[0] in wanted


_OPERATORS: Final[Mapping[str, Callable[[Sequence[str], Sequence[str]], bool]]] = {
    "StringEquals": _is_one_of,
    # These two are also true of a request without the key.
    "ForAllValues:StringEquals": lambda given, wanted: set(given) <= set(wanted),
    "ForAllValues:StringLike": lambda given, wanted: all(_is_like(each, wanted) for each in given),
}
