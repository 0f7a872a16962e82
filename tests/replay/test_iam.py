"""The rules by which replayed requests are allowed are those of IAM."""

from typing import Any

import pytest

from tests.replay.iam import Request, allows

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/T"


def statement(**changed: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE} | changed


def request(*keys: str, action: str = "dynamodb:GetItem", resource: str = TABLE) -> Request:
    return Request(action, resource, {"dynamodb:LeadingKeys": keys} if keys else {})


def keys(operator: str, *patterns: str) -> dict[str, Any]:
    return statement(Condition={operator: {"dynamodb:LeadingKeys": list(patterns)}})


LIKE, EQUALS = "ForAllValues:StringLike", "ForAllValues:StringEquals"


@pytest.mark.parametrize(
    ("statements", "wanted", "is_allowed"),
    [
        ([], request(), False),
        ([statement()], request(), True),
        # Actions
        ([statement()], request(action="dynamodb:PutItem"), False),
        ([statement(Action=["dynamodb:PutItem", "dynamodb:GetItem"])], request(), True),
        ([statement(Action="dynamodb:*Item")], request(), True),
        ([statement(Action="DynamoDB:getitem")], request(), True),
        ([statement(Action="dynamodb:Get")], request(), False),
        # Resources
        ([statement(Resource=TABLE.lower())], request(), False),
        ([statement(Resource="*")], request(), True),
        ([statement(Resource=f"{TABLE}/*")], request(), False),
        ([statement(Resource=f"{TABLE}?")], request(resource=f"{TABLE}2"), True),
        ([statement(Resource=TABLE)], request(resource=f"{TABLE}/index/I"), False),
        ([statement(Resource=[TABLE[:-1], TABLE])], request(), True),
        ([statement(Resource=TABLE.replace(":", "."))], request(), False),
        # Conditions
        ([keys(LIKE, "A#*", "B#*")], request("A#1", "B#2"), True),
        ([keys(LIKE, "A#*", "B#*")], request("A#1", "C#2"), False),
        ([keys(LIKE, "A#*")], request("XA#1"), False),
        ([keys(EQUALS, "A#*")], request("A#1"), False),
        ([keys(EQUALS, "A")], request("A"), True),
        ([keys(LIKE, "A#*")], request(), True),  # no key, as in a scan
        ([keys("StringEquals", "A")], request("A"), True),
        ([keys("StringEquals", "A")], request(), False),
        ([keys(LIKE, "A#*"), keys(LIKE, "B#*")], request("A#1", "B#2"), False),
        # Denials
        ([statement(), statement(Effect="Deny")], request(), False),
        ([statement(Effect="Deny"), statement()], request(), False),
        ([statement(), keys(LIKE, "A#*") | {"Effect": "Deny"}], request("B#1"), True),
    ],
)
def test_policy_is_evaluated_as_iam_does(
    statements: list[dict[str, Any]], wanted: Request, *, is_allowed: bool
) -> None:
    assert allows(statements, wanted) == is_allowed


def test_elements_that_are_not_evaluated_are_refused() -> None:
    with pytest.raises(AssertionError, match="NotResource"):
        allows([statement(NotResource="*")], request())
