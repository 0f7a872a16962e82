"""The values that a DynamoDB table gives the core. The stores' tests show its errors."""

from collections.abc import Callable, Iterator
from decimal import Decimal

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.errors import Unavailable
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
    lambda table: table.get_some([KEY, KEY | {"sk": "absent"}])[0],
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


@pytest.mark.parametrize("read", READS, ids=["get", "get some", "query", "scan", "update"])
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


def test_dynamo_table_asks_again_for_items_that_dynamodb_left_out(
    table: DynamoTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [KEY | {"sk": str(number)} for number in range(3)]
    asked: list[list[Item]] = []

    def one_at_once(_: object, **request: Item) -> Item:
        [(name, wanted)] = request["RequestItems"].items()
        asked.append(wanted["Keys"])
        first, *rest = wanted["Keys"]
        left_out = {name: {"Keys": rest}} if rest else {}
        return {"Responses": {name: [first]}, "UnprocessedKeys": left_out}

    monkeypatch.setattr("callstream.adapters.aws.dynamodb.time.sleep", lambda _: None)
    client = type(table._table.meta.client)
    monkeypatch.setattr(client, "batch_get_item", one_at_once, raising=False)

    assert table.get_some(keys) == keys
    assert asked == [keys, keys[1:], keys[2:]]
    with pytest.raises(Unavailable, match="UnprocessedKeys"):
        table.get_some(keys * 3)


def test_dynamo_table_reads_an_index_behind_a_key(table: DynamoTable) -> None:
    for name in "abc":
        table.put({"pk": name, "sk": "STREAM", "live": "yes"})

    found = table.index("LiveItems", "live", "yes", after={"pk": "a", "sk": "STREAM"})
    assert [each["pk"] for each in found] == ["b", "c"]
    gone = table.index("LiveItems", "live", "yes", after={"pk": "bb", "sk": "gone"})
    assert [each["pk"] for each in gone] == ["c"]
