"""What the template allows a function, and what a request of the function needs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests import template


@dataclass(frozen=True, order=True)
class Permission:
    """An action, for DynamoDB with the table, or the table's index, and a partition key.

    As a permission of the template, the key may be a pattern; `*` stands for all keys.
    """

    action: str
    table: str = ""
    key: str = ""

    def covers(self, needed: "Permission") -> bool:
        """Whether a request that needs that permission is allowed."""
        same = (self.action, self.table) == (needed.action, needed.table)
        return same and fnmatchcase(needed.key, self.key)


_OF_RUNS = {
    Permission("dynamodb:UpdateItem", "StreamsTable", "READS#*"),
    Permission("dynamodb:UpdateItem", "StreamsTable", "USAGE#*"),
    Permission("execute-api:Invoke"),
    Permission("execute-api:ManageConnections"),
    Permission("kinesis:GetRecords"),
    Permission("kinesis:GetShardIterator"),
    Permission("kinesis:ListShards"),
    Permission("kinesis:PutRecord"),
}
BEYOND_EVENTS = {
    # An event of a relay without a run would wait for the run for 15 s.
    "asapp_stop_streaming": {Permission("dynamodb:UpdateItem", "StreamsTable", "USAGE#*")},
    # The connections of events take every message, or none, and a worker has one second.
    "fan_out": {
        Permission("dynamodb:PutItem", "StreamsTable", "SUBSCRIPTIONS"),
        Permission("dynamodb:Query", "StreamsTable", "SUBSCRIPTIONS"),
        Permission("dynamodb:UpdateItem", "StreamsTable", "STREAM#*"),
    },
    "relay": _OF_RUNS
    | {
        Permission("dynamodb:GetItem", "DirectoryTable", "TENANT#*"),
        Permission("dynamodb:GetItem", "StreamsTable", "SESSION#*"),
        Permission("secretsmanager:GetSecretValue"),
    },
    "transcription": _OF_RUNS
    | {
        Permission("dynamodb:GetItem", "StreamsTable", "STREAM#*"),
        Permission("dynamodb:Query", "StreamsTable", "CALL#*"),
        Permission("lambda:InvokeFunction"),
        Permission("sqs:SendMessage"),
        Permission("transcribe:StartStreamTranscriptionWebSocket"),
    },
    "dialogflow": _OF_RUNS
    | {
        Permission("dynamodb:DeleteItem", "StreamsTable", "CALL#*"),
        Permission("dynamodb:GetItem", "DirectoryTable", "CONNECTIONS#*"),
        Permission("dynamodb:GetItem", "DirectoryTable", "TENANT#*"),
        Permission("dynamodb:GetItem", "StreamsTable", "SESSION#*"),
        Permission("dynamodb:GetItem", "StreamsTable", "STREAM#*"),
        Permission("dynamodb:PutItem", "StreamsTable", "CALL#*"),
        Permission("dynamodb:Query", "StreamsTable", "CALL#*"),
        Permission("dynamodb:UpdateItem", "StreamsTable", "CALL#*"),
        Permission("lambda:InvokeFunction"),
        Permission("secretsmanager:GetSecretValue"),
        Permission("sqs:SendMessage"),
    },
}
"""Permissions that only runs of relays need: events show how a run is refused, not how it goes."""


def allowed(function: str) -> set[Permission]:
    """The permissions that the template gives a function."""
    [properties] = [
        resource["Properties"]
        for resource in template.load()["Resources"].values()
        if resource["Properties"].get("CodeUri") == f"functions/{function}"
    ]
    return {
        Permission(action, table, key)
        for policy in properties["Policies"]
        for conditional in policy["Statement"]
        for statement in [conditional.get("Fn::If", [None, conditional])[1]]
        for action in _listed(statement["Action"])
        for table in _tables(action, statement["Resource"])
        for key in _keys(table, statement.get("Condition", {}))
    }


def needed(service: str, operation: str, body: Any) -> Iterator[Permission]:
    """The permissions that a request needs."""
    if service == "dynamodb":
        yield from _of_tables(operation, json.loads(body))
    elif service == "apigatewaymanagementapi":
        yield Permission("execute-api:ManageConnections")
    elif (service, operation) == ("lambda", "Invoke"):
        yield Permission("lambda:InvokeFunction")
    else:
        yield Permission(f"{service}:{operation}")


def _of_tables(operation: str, request: Mapping[str, Any]) -> Iterator[Permission]:
    match operation:
        case "TransactWriteItems":
            for item in request["TransactItems"]:
                for kind, part in item.items():
                    key = part["Item" if kind == "Put" else "Key"]["pk"]["S"]
                    yield Permission(f"dynamodb:{kind}Item", part["TableName"], key)
        case "BatchGetItem":
            for table, part in request["RequestItems"].items():
                for key in part["Keys"]:
                    yield Permission("dynamodb:BatchGetItem", table, key["pk"]["S"])
        case "Query":
            index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
            # The partition is the first that every key condition here names.
            key = request["ExpressionAttributeValues"][":v0"]["S"]
            yield Permission("dynamodb:Query", request["TableName"] + index, key)
        case _:
            key = request["Item" if operation == "PutItem" else "Key"]["pk"]["S"]
            yield Permission(f"dynamodb:{operation}", request["TableName"], key)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _tables(action: str, resource: Any) -> Iterable[str]:
    if not action.startswith("dynamodb:"):
        return [""]
    match resource:
        case {"Fn::GetAtt": str(arn)}:
            return [arn.removesuffix(".Arn")]
        case {"Fn::Sub": str(arn)}:
            return [arn.replace("${StreamsTable.Arn}", "StreamsTable")]
    raise AssertionError(f"the replay does not know the resource of {action}")


def _keys(table: str, condition: Mapping[str, Any]) -> Iterable[str]:
    if not table:
        return [""]
    if not condition:
        return ["*"]
    [(operator, compared)] = condition.items()
    assert operator in {"ForAllValues:StringLike", "ForAllValues:StringEquals"}
    patterns: list[str] = compared["dynamodb:LeadingKeys"]
    return patterns
