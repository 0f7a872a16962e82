"""The values that a DynamoDB table gives the core. The stores' tests show its errors."""

from collections.abc import Callable, Iterator
from decimal import Decimal

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.ports import Item
from tests.template import create_table

KEY = {"pk": "CALL#acme#CA1", "sk": "CALL"}
VALUES: Item = {
    "number": 5,
    "large": 2**60,
    "text": "text",
    "none": None,
    "flag": True,
    "binary": b"\x00\xff",
    "names": {"a", "b"},
    "nested": {"list": [1, {"deep": 2}], "binary": b"\x01"},
}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield DynamoTable(create_table(boto3.client("dynamodb"), "StreamsTable"))


READS: list[Callable[[DynamoTable], Item | None]] = [
    lambda table: table.get(KEY),
    lambda table: table.query(KEY["pk"], "CALL")[0],
    lambda table: next(table.scan()),
    lambda table: table.update(
        {
            "Key": KEY,
            "UpdateExpression": "SET #number = :number",
            "ExpressionAttributeNames": {"#number": "number"},
            "ExpressionAttributeValues": {":number": 5},
        }
    ),
]


@pytest.mark.parametrize("read", READS, ids=["get", "query", "scan", "update"])
def test_dynamo_table_gives_plain_python_values(
    table: DynamoTable, read: Callable[[DynamoTable], Item | None]
) -> None:
    table.put(KEY | VALUES)

    # `repr` tells a Decimal from an int, and Binary from bytes, at every depth.
    found = read(table) or {}
    assert found == KEY | VALUES
    assert {name: repr(found[name]) for name in VALUES if name != "names"} == {
        name: repr(value) for name, value in VALUES.items() if name != "names"
    }


def test_dynamo_table_gives_fractions_as_floats(table: DynamoTable) -> None:
    table.put(KEY | {"half": Decimal("0.5")})

    assert repr((table.get(KEY) or {})["half"]) == "0.5"
