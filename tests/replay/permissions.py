"""What the template allows a function, and what a request of the function needs."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from tests.deployment import ACCOUNT, REGION
from tests.replay.iam import Request, Statement, allows, listed
from tests.replay.world import DEPLOYMENT

STREAMS: Final = "table/StreamsTable"
DIRECTORY: Final = "table/DirectoryTable"
FRAMES: Final = "stream/FramesStream"
CARRIERS: Final = "mediaapi/media/*/@connections/*"


class Permission(NamedTuple):
    """One action, resource and value of a condition that a statement allows.

    The resource is its ARN without the service, region and account. The value is a pattern of
    partition keys; it is empty if the statement has no condition.
    """

    action: str
    resource: str
    value: str = ""


_OF_RUNS = {
    Permission("dynamodb:UpdateItem", STREAMS, "READS#*"),
    Permission("dynamodb:UpdateItem", STREAMS, "USAGE#*"),
    Permission("execute-api:Invoke", "relayapi/relay/$connect"),
    Permission("execute-api:ManageConnections", CARRIERS),
    Permission("kinesis:GetRecords", FRAMES),
    Permission("kinesis:GetShardIterator", FRAMES),
    Permission("kinesis:ListShards", FRAMES),
    Permission("kinesis:PutRecord", FRAMES),
}
BEYOND_EVENTS = {
    # An event of a relay without a run would wait for the run for 15 s.
    "asapp_stop_streaming": {Permission("dynamodb:UpdateItem", STREAMS, "USAGE#*")},
    # The connections of events take every message, or none, and a worker has one second.
    "fan_out": {
        Permission("dynamodb:PutItem", STREAMS, "SUBSCRIPTIONS"),
        Permission("dynamodb:Query", STREAMS, "SUBSCRIPTIONS"),
        Permission("dynamodb:UpdateItem", STREAMS, "STREAM#*"),
    },
    "relay": _OF_RUNS
    | {
        Permission("dynamodb:GetItem", DIRECTORY, "TENANT#*"),
        Permission("dynamodb:GetItem", STREAMS, "SESSION#*"),
        Permission("lambda:InvokeFunction", "function:replay-relay"),
        Permission("secretsmanager:GetSecretValue", "secret:CallbackMaster-AbCdEf"),
    },
    "transcription": _OF_RUNS
    | {
        Permission("dynamodb:GetItem", STREAMS, "STREAM#*"),
        Permission("dynamodb:Query", STREAMS, "CALL#*"),
        Permission("lambda:InvokeFunction", "function:replay-transcription"),
        Permission("sqs:SendMessage", "CallbackQueue.fifo"),
        Permission("transcribe:StartStreamTranscriptionWebSocket", "*"),
    },
    "dialogflow": _OF_RUNS
    | {
        Permission("dynamodb:DeleteItem", STREAMS, "CALL#*"),
        Permission("dynamodb:GetItem", DIRECTORY, "CONNECTIONS#*"),
        Permission("dynamodb:GetItem", DIRECTORY, "TENANT#*"),
        Permission("dynamodb:GetItem", STREAMS, "SESSION#*"),
        Permission("dynamodb:GetItem", STREAMS, "STREAM#*"),
        Permission("dynamodb:PutItem", STREAMS, "CALL#*"),
        Permission("dynamodb:Query", STREAMS, "CALL#*"),
        Permission("dynamodb:UpdateItem", STREAMS, "CALL#*"),
        Permission("lambda:InvokeFunction", "function:replay-dialogflow"),
        Permission("secretsmanager:GetSecretValue", "secret:replay/dialogflow/*"),
        Permission("sqs:SendMessage", "CallbackQueue.fifo"),
    },
}
"""Permissions that only runs of relays need: events show how a run is refused, not how it goes."""


@cache
def statements(function: str) -> Sequence[Statement]:
    """The statements of a function's policies, as they are deployed."""
    policies = DEPLOYMENT.function(function)["Policies"]
    return tuple(statement for policy in policies for statement in policy["Statement"])


def permissions(function: str) -> dict[Permission, Statement]:
    """What the policies allow, each permission with a statement that allows nothing else."""
    return {
        Permission(action, _name(resource), value): {
            "Effect": statement["Effect"],
            "Action": action,
            "Resource": resource,
            "Condition": condition,
        }
        for statement in statements(function)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        for value, condition in _conditions(statement)
    }


def is_needed(statement: Statement, taken: Iterable[Request]) -> bool:
    """Whether a statement that allows one thing allows a request, or a part of the request."""
    return any(allows([statement], part) for request in taken for part in _parts(request))


def requests(service: str, operation: str, request: Mapping[str, Any]) -> Iterator[Request]:
    """What IAM is asked for when botocore sends a request."""
    match service:
        case "dynamodb":
            yield from _of_tables(operation, json.loads(request["body"]))
        case "apigatewaymanagementapi":
            url = urlsplit(request["url"])
            api, path = url.netloc.partition(".")[0], unquote(url.path)
            stage, _, connection = path.removeprefix("/").partition("/")
            resource = f"{api}/{stage}/{request['method']}/{connection}"
            yield Request("execute-api:ManageConnections", _arn("execute-api", resource))
        case "lambda":
            name = unquote(request["url_path"]).split("/")[3]
            assert operation == "Invoke"
            yield Request("lambda:InvokeFunction", _arn("lambda", f"function:{name}"))
        case "events":
            for entry in json.loads(request["body"])["Entries"]:
                source = {"events:source": (entry["Source"],)}
                yield Request(f"events:{operation}", _arn("events", "event-bus/default"), source)
        case _:
            resource = _RESOURCES[service](json.loads(request["body"]))
            yield Request(f"{service}:{operation}", _arn(service, resource))


_RESOURCES: Final[Mapping[str, Callable[[Mapping[str, str]], str]]] = {
    # Of records that follow, an iterator says where; the stream is in the iterator.
    "kinesis": lambda body: f"stream/{body.get('StreamName', 'FramesStream')}",
    "secretsmanager": lambda body: f"secret:{body.get('SecretId') or body['Name']}-AbCdEf",
    "sqs": lambda body: body["QueueUrl"].rpartition("/")[2],
}


def _of_tables(operation: str, request: Mapping[str, Any]) -> Iterator[Request]:
    """DynamoDB asks for each operation of a transaction, and for the keys of a batch together."""
    match operation:
        case "TransactWriteItems":
            for item in request["TransactItems"]:
                for kind, part in item.items():
                    key = part["Item" if kind == "Put" else "Key"]
                    yield _of_items(f"{kind}Item", part["TableName"], key)
        case "BatchGetItem":
            for table, part in request["RequestItems"].items():
                yield _of_items("BatchGetItem", table, *part["Keys"])
        case "Query":
            index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
            # The partition is the first that every key condition here names.
            key = {"pk": request["ExpressionAttributeValues"][":v0"]}
            yield _of_items("Query", request["TableName"] + index, key)
        case _:
            key = request["Item" if operation == "PutItem" else "Key"]
            yield _of_items(operation, request["TableName"], key)


def _of_items(operation: str, table: str, *keys: Mapping[str, Any]) -> Request:
    leading = tuple(key["pk"]["S"] for key in keys)
    resource = _arn("dynamodb", f"table/{table}")
    return Request(f"dynamodb:{operation}", resource, {"dynamodb:LeadingKeys": leading})


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _name(resource: str) -> str:
    """An ARN without what all ARNs of a deployment share."""
    return resource.split(":", 5)[-1]


def _conditions(statement: Statement) -> Iterator[tuple[str, dict[str, Any]]]:
    """The values of a statement's condition, each with a condition for the value alone."""
    if "Condition" not in statement:
        yield "", {}
        return
    [(operator, keys)] = statement["Condition"].items()
    [(key, values)] = keys.items()
    for value in listed(values):
        yield value, {operator: {key: value}}


def _parts(request: Request) -> Iterator[Request]:
    """A request for several keys, as requests for one."""
    for key, values in request.context.items():
        for value in values:
            yield Request(request.action, request.resource, {key: (value,)})
    if not request.context:
        yield request
