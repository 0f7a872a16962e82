"""The account's answers to requests of the signed client."""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from callstream.adapters.aws.kept_connections import Answer, KeptConnections, NoAnswer
from tests.replay.world import clients, connections_of


def exchange(
    kept: KeptConnections, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    """Make the request by botocore, so that it is seen and answered as botocore's requests are."""
    try:
        return Answer(200, {}, msgspec.json.encode(_call(kept.host, method, path, headers, body)))
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        refusal = {"__type": error.response["Error"]["Code"]}
        return Answer(status, {}, json.dumps(refusal).encode())
    except BotoCoreError as error:
        raise NoAnswer(type(error).__name__, is_sent=False) from error


def _call(host: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
    match headers.get("x-amz-target"):
        case "Kinesis_20131202.PutRecord":
            record = json.loads(body)
            return clients().kinesis.put_record(**record | {"Data": b64decode(record["Data"])})
        case "AmazonSQS.SendMessage":
            return clients().sqs.send_message(**json.loads(body))
        case "DynamoDB_20120810.GetItem":
            return clients().dynamodb.get_item(**json.loads(body))
        case "DynamoDB_20120810.UpdateItem":
            return clients().dynamodb.update_item(**json.loads(body))
        case "AWSEvents.PutEvents":
            return clients().events.put_events(**json.loads(body))
    return _call_connection(host, method, path, body)


def _call_connection(host: str, method: str, path: str, body: bytes) -> Any:
    before, _, connection_id = path.rpartition("/")
    assert before.endswith("/@connections")
    client = connections_of(f"https://{host}{before.removesuffix('/@connections')}")
    connection = {"ConnectionId": unquote(connection_id)}
    match method:
        case "POST":
            return client.post_to_connection(**connection, Data=body)
        case "DELETE":
            return client.delete_connection(**connection)
        case "GET":
            answer = client.get_connection(**connection)
            return {"lastActiveAt": answer["LastActiveAt"]}
    raise AssertionError(f"the replay does not know {method} {path}")
