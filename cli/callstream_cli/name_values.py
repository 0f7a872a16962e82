"""Options that give names their values."""

from collections.abc import Iterable


def name_values(given: Iterable[str]) -> dict[str, str]:
    """Read `NAME=VALUE`s. Raises `ValueError`, whose text shows no value."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise ValueError("--parameter takes NAME=VALUE")
        if name in found:
            raise ValueError(f"the parameter {name} is there twice")
        found[name] = value
    return found
