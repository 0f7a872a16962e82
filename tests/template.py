"""Reads template.yaml for tests, so that test resources have one source."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref X`) as {"Ref": "X"}."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any = None
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def load(path: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """Load the template, or another template at ``path``."""
    template: dict[str, Any] = yaml.load(path.read_text(), _Loader)  # noqa: S506
    return template


def create_table(client: Any, logical_id: str) -> str:
    """Create a table in (a mock of) DynamoDB as the template defines it; returns its name."""
    properties = load()["Resources"][logical_id]["Properties"]
    client.create_table(
        TableName=logical_id,
        AttributeDefinitions=properties["AttributeDefinitions"],
        KeySchema=properties["KeySchema"],
        BillingMode=properties["BillingMode"],
        **{name: properties[name] for name in ("GlobalSecondaryIndexes",) if name in properties},
    )
    return logical_id
