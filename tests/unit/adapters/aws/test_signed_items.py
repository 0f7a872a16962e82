"""Items by the signed client: as DynamoDB takes and gives them, by botocore's own reading."""

import json
from collections.abc import Mapping

import pytest

from callstream.adapters.aws.kept_connections import Answer, KeptConnections, NoAnswer
from callstream.adapters.aws.signed_items import SignedItems
from callstream.errors import ConditionFailed, Throttled, Unavailable
from callstream.table_requests import set_request

KEY = {"pk": "PLACEMENT", "sk": "PLACEMENT"}
TYPED_KEY = {"pk": {"S": "PLACEMENT"}, "sk": {"S": "PLACEMENT"}}


class DynamoDB:
    """Answers every request in the same way, and remembers the requests."""

    def __init__(self) -> None:
        self.answer: Answer | NoAnswer = Answer(200, {}, b"{}")
        self.requests: list[tuple[str, dict[str, object]]] = []

    def exchange(self, _: str, __: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.requests.append((headers["x-amz-target"], json.loads(body)))
        if isinstance(self.answer, NoAnswer):
            raise self.answer
        return self.answer

    def says(self, status: int, body: object) -> None:
        self.answer = Answer(status, {}, json.dumps(body).encode())


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> DynamoDB:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    service = DynamoDB()
    monkeypatch.setattr(KeptConnections, "exchange", lambda _, *request: service.exchange(*request))
    return service


def test_items_are_read_consistently(dynamodb: DynamoDB) -> None:
    dynamodb.says(200, {"Item": TYPED_KEY | {"p0": {"N": "3"}, "p1": {"N": "-1"}}})

    assert SignedItems("streams").get(KEY) == KEY | {"p0": 3, "p1": -1}
    request = {"TableName": "streams", "Key": TYPED_KEY, "ConsistentRead": True}
    assert dynamodb.requests == [("DynamoDB_20120810.GetItem", request)]


def test_item_that_is_not_there_is_none(dynamodb: DynamoDB) -> None:
    dynamodb.says(200, {})

    assert SignedItems("streams").get(KEY) is None


def test_items_are_updated_and_returned(dynamodb: DynamoDB) -> None:
    dynamodb.says(200, {"Attributes": TYPED_KEY | {"p7": {"N": "4"}}})
    request = set_request(KEY, {}, "attribute_exists(pk)", add={"p7": 1})

    assert SignedItems("streams").update(request) == KEY | {"p7": 4}
    [(target, sent)] = dynamodb.requests
    assert target == "DynamoDB_20120810.UpdateItem"
    assert sent == {
        "TableName": "streams",
        "Key": TYPED_KEY,
        "UpdateExpression": "ADD #p7 :p7",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeNames": {"#p7": "p7"},
        "ExpressionAttributeValues": {":p7": {"N": "1"}},
        "ReturnValues": "ALL_NEW",
    }


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "ConditionalCheckFailedException", ConditionFailed),
        (400, "ProvisionedThroughputExceededException", Throttled),
        (500, "InternalServerError", Unavailable),
        (400, "AccessDeniedException", Unavailable),
    ],
)
def test_refused_request_is_sent_once(
    dynamodb: DynamoDB, status: int, code: str, error: type[Exception]
) -> None:
    dynamodb.says(status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}"})
    with pytest.raises(error):
        SignedItems("streams").update(set_request(KEY, {}, "", add={"p7": 1}))

    # A repeated addition would count twice.
    assert len(dynamodb.requests) == 1


def test_items_without_an_answer_are_unavailable(dynamodb: DynamoDB) -> None:
    dynamodb.answer = NoAnswer("ReadTimeoutError", is_sent=True)
    with pytest.raises(Unavailable, match="ReadTimeoutError"):
        SignedItems("streams").get(KEY)

    assert len(dynamodb.requests) == 1
