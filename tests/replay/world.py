"""The small AWS account in which events are replayed: tables, stream, queue, secrets, tenants.

The time in it is always `NOW`; names of resources are the template's logical ids.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid5

import boto3
import msgspec

from callstream import records
from callstream.adapters.sinks import overflow_record
from callstream.adapters.tables import DynamoTable
from callstream.credentials import hash_secret
from callstream.directory import ROUTES, SCOPES, Credential, Directory, Inbox, Limits, Tenant
from tests import template

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SIGNING_KEYS = {"replay": "only-for-replaying-events-" * 3}
PEPPER = "only-for-replaying-events"
STACK = "replay"
# The key of the published test vectors.
TWILIO_AUTH_TOKENS = {"acme": "12345"}
SECRET = "secret-of-the-replayed-events"
MEDIA_URL = "wss://media.example.com/{path}/{token}"
URLS = {
    "CALLSTREAM_MEDIA_URL": MEDIA_URL,
    "CALLSTREAM_CONNECTIONS_URL": "https://media.example.com/media",
}

PROJECT = UUID("b08dacad-0000-4de1-93d6-cc732e0c0001")


def _tenant(tenant_id: str, **fields: Any) -> Tenant:
    """A tenant with all routes; every one has a project of its own."""
    fields = {
        "name": tenant_id,
        "routes": ROUTES,
        "project_id": uuid5(PROJECT, tenant_id),
        "callback_key_id": tenant_id,
    } | fields
    return Tenant(tenant_id=tenant_id, **fields)


TENANTS: list[Tenant] = [
    _tenant("acme", project_id=PROJECT),
    _tenant("other"),
    _tenant("plain", routes=frozenset()),
    _tenant("gone", enabled=False),
    _tenant("busy", limits=dict.fromkeys(SCOPES, Limits(per_day=1))),
]
INBOXES: list[Inbox] = [
    Inbox(tenant_id="acme", external_id="inbox-123"),
    Inbox(tenant_id="other", external_id="inbox-of-other"),
]
# The same for every surface; all have the same secret.
CREDENTIALS: dict[str, dict[str, Any]] = {
    "acme": {"tenant_id": "acme"},
    "acme-revoked": {"tenant_id": "acme", "enabled": False},
    "acme-unscoped": {"tenant_id": "acme", "scopes": frozenset()},
    "other": {"tenant_id": "other"},
    "plain": {"tenant_id": "plain"},
    "gone": {"tenant_id": "gone"},
    "busy": {"tenant_id": "busy"},
    "orphan": {"tenant_id": "nobody"},
}


def seed(directory: Directory, *surfaces: str) -> None:
    """Create the tenants, with credentials for these surfaces."""
    for tenant in TENANTS:
        directory.save(tenant)
    for inbox in INBOXES:
        directory.save(inbox)
    secret_hash = hash_secret(SECRET, PEPPER)
    for surface, scopes in SCOPES.items():
        if surface not in surfaces:
            continue
        for credential_id, fields in CREDENTIALS.items():
            all_fields: dict[str, Any] = {"scopes": scopes} | fields
            directory.save(
                Credential(
                    surface=surface,
                    credential_id=credential_id,
                    secret_hash=secret_hash,
                    created_at=NOW,
                    **all_fields,
                )
            )


class World:
    """The account, as boto3 sees it (a mock of it, in these tests).

    It has credentials for the surface of this function only: more would take longer than the test.
    """

    def __init__(self, function: str) -> None:
        dynamodb, kinesis = boto3.client("dynamodb"), boto3.client("kinesis")
        self._sqs, secrets = boto3.client("sqs"), boto3.client("secretsmanager")
        self.streams = DynamoTable(template.create_table(dynamodb, "StreamsTable"))
        self.directory = DynamoTable(template.create_table(dynamodb, "DirectoryTable"))
        kinesis.create_stream(StreamName="FramesStream", ShardCount=1)
        self._kinesis = kinesis
        self._queue_url = self._sqs.create_queue(QueueName="OverflowQueue")["QueueUrl"]
        secrets.create_secret(Name="SigningKeys", SecretString=json.dumps(SIGNING_KEYS))
        secrets.create_secret(Name="CredentialPepper", SecretString=PEPPER)
        for tenant_id, token in TWILIO_AUTH_TOKENS.items():
            secrets.create_secret(Name=f"{STACK}/twilio/{tenant_id}", SecretString=token)
        seed(Directory(self.directory), function.partition("_")[0])

    def environment(self, function: str) -> dict[str, str]:
        """A function's variables, as the template sets them."""
        [properties] = [
            resource["Properties"]
            for resource in template.load()["Resources"].values()
            if resource["Properties"].get("CodeUri") == f"functions/{function}"
        ]
        return {
            name: self._value(name, value)
            for name, value in properties["Environment"]["Variables"].items()
        }

    def _value(self, name: str, value: Any) -> str:
        if name in URLS:
            return URLS[name]
        # For who deploys to AWS and changes no parameter.
        value = value["Fn::If"][1] if "Fn::If" in value else value
        parameters = template.load()["Parameters"]
        match value:
            case str():
                return value
            case {"Fn::Sub": str(text)}:
                return text.replace("${AWS::StackName}", STACK)
            case {"Ref": "OverflowQueue"}:
                return self._queue_url
            case {"Ref": str(parameter)} if parameter in parameters:
                return str(parameters[parameter]["Default"])
            case {"Ref": str(resource)}:
                return resource
        raise AssertionError(f"the replay does not know how to give {name}")

    def records(self) -> list[dict[str, Any]]:
        """What is on the frames stream."""
        [shard] = self._kinesis.list_shards(StreamName="FramesStream")["Shards"]
        iterator = self._kinesis.get_shard_iterator(
            StreamName="FramesStream",
            ShardId=shard["ShardId"],
            ShardIteratorType="TRIM_HORIZON",
        )["ShardIterator"]
        found = self._kinesis.get_records(ShardIterator=iterator)["Records"]
        return [_plain(record["PartitionKey"], record["Data"]) for record in found]

    def overflow(self) -> list[dict[str, Any]]:
        """What is in the overflow queue."""
        found = self._sqs.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        return [
            _plain(
                *overflow_record(
                    {
                        "body": message["Body"],
                        "messageAttributes": {
                            name: {"stringValue": value["StringValue"]}
                            for name, value in message["MessageAttributes"].items()
                        },
                    }
                )
            )
            for message in found
        ]


class Sockets:
    """The connections of the media API: `active` says when each was last used, in ISO 8601."""

    def __init__(self, active: Mapping[str, str]) -> None:
        self._active = active
        self.posted: list[dict[str, Any]] = []
        self.closed: list[str] = []

    def answer(self, operation: str, request: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What botocore's endpoint makes of API Gateway's answer."""
        connection_id = unquote(request["url_path"].rpartition("/")[2])
        if connection_id not in self._active:
            error = {"Code": "GoneException", "Message": ""}
            return SimpleNamespace(status_code=410), {
                "Error": error,
                "ResponseMetadata": {"HTTPStatusCode": 410},
            }
        if operation == "PostToConnection":
            self.posted.append({"connection_id": connection_id, **json.loads(request["body"])})
        if operation == "DeleteConnection":
            self.closed.append(connection_id)
        active_at = datetime.fromisoformat(self._active[connection_id])
        return SimpleNamespace(status_code=200), {"LastActiveAt": active_at}


def _plain(partition_key: str, data: bytes) -> dict[str, Any]:
    record = records.decode(data)
    assert partition_key == record.stream_id
    plain: dict[str, Any] = json.loads(msgspec.json.encode(record))  # bytes become base64
    return plain
