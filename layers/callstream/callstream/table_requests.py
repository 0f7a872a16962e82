"""What all stores of the DynamoDB tables have in common: the update request, and the retry loop."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from callstream.errors import ConditionFailed, Unavailable
from callstream.ports import Item

# In a condition, `#name` stands for the attribute `name`, and `:name` for a value.
_ATTRIBUTE: Final = re.compile(r"#(\w+)")


def set_request(
    key: Item,
    values: Item,
    condition: str,
    arguments: Item | None = None,
    *,
    remove: Sequence[str] = (),
    add: Mapping[str, object] | None = None,
    delete: Mapping[str, object] | None = None,
) -> Item:
    """The UpdateItem request that gives one item new attribute values.

    Args:
        key: the item's key.
        values: the new attribute values by attribute name.
        condition: the condition expression; "" for none. It writes the attribute `name` as
            `#name`, which also works for DynamoDB's reserved words, and the new value of `name` as
            `:name`.
        arguments: further values that the condition uses, by their names without the colon. No name
            is one of `values`.
        remove: the names of the attributes to remove. None is a reserved word.
        add: numbers to add to attributes, and sets of members to add, by attribute name.
        delete: sets of members to take out of attributes, by attribute name.
    """
    add, delete = add or {}, delete or {}
    clauses = {
        "SET": [f"#{name} = :{name}" for name in values],
        "REMOVE": remove,
        "ADD": [f"#{name} :{name}" for name in add],
        "DELETE": [f"#{name} :{name}" for name in delete],
    }
    given = {**values, **add, **delete}
    return {
        "Key": key,
        "UpdateExpression": " ".join(
            f"{clause} {', '.join(actions)}" for clause, actions in clauses.items() if actions
        ),
        **({"ConditionExpression": condition} if condition else {}),
        "ExpressionAttributeNames": {
            f"#{name}": name for name in [*given, *_ATTRIBUTE.findall(condition)]
        },
        "ExpressionAttributeValues": {
            f":{name}": value for name, value in {**given, **(arguments or {})}.items()
        },
    }


def optimistically[Result](attempt: Callable[[], Result], tries: int) -> Result:
    """Read and write conditionally, and begin again whenever another writer comes between.

    Args:
        attempt: reads what it needs, then writes on the condition that nothing has changed. It
            raises `ConditionFailed` if something has.
        tries: how many attempts to make.

    Returns:
        What the first attempt that succeeds returns.

    Raises:
        Unavailable: `Contended`: another writer came between in every attempt.
    """
    for _ in range(tries):
        try:
            return attempt()
        except ConditionFailed:
            continue
    raise Unavailable("dynamodb", "Contended")
