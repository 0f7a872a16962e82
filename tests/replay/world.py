"""The small AWS account in which events are replayed: tables, stream, queue, secrets, tenants.

The time in it is always `NOW`; names of resources are the template's logical ids.
"""

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import msgspec
from tests import template

from callstream import records
from callstream.adapters.sinks import overflow_record
from callstream.adapters.tables import DynamoTable
from callstream.credentials import hash_secret
from callstream.directory import Credential, Directory, Limits, Tenant

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SIGNING_KEYS = {"replay": "only-for-replaying-events-" * 3}
PEPPER = "only-for-replaying-events"
SECRET = "secret-of-the-replayed-events"
MEDIA_URL = "wss://media.example.com/{path}/{token}"

BOTH = frozenset({"genagent", "autotranscribe"})
TENANTS = [
    Tenant(tenant_id="acme", name="Acme", routes=BOTH),
    Tenant(tenant_id="plain", name="Without routes"),
    Tenant(tenant_id="gone", name="Disabled", routes=BOTH, enabled=False),
    Tenant(tenant_id="busy", name="At its limit", routes=BOTH, limits=Limits(per_day=1)),
]
CREDENTIALS: dict[str, dict[str, Any]] = {
    "acme": {"tenant_id": "acme", "scopes": BOTH},
    "acme-revoked": {"tenant_id": "acme", "scopes": BOTH, "enabled": False},
    "acme-unscoped": {"tenant_id": "acme"},
    "plain": {"tenant_id": "plain", "scopes": BOTH},
    "gone": {"tenant_id": "gone", "scopes": BOTH},
    "busy": {"tenant_id": "busy", "scopes": BOTH},
    "orphan": {"tenant_id": "nobody", "scopes": BOTH},
}


class World:
    """The account, as boto3 sees it (a mock of it, in these tests)."""

    def __init__(self) -> None:
        dynamodb, kinesis = boto3.client("dynamodb"), boto3.client("kinesis")
        self._sqs, secrets = boto3.client("sqs"), boto3.client("secretsmanager")
        self.streams = DynamoTable(template.create_table(dynamodb, "StreamsTable"))
        self.directory = DynamoTable(template.create_table(dynamodb, "DirectoryTable"))
        kinesis.create_stream(StreamName="FramesStream", ShardCount=1)
        self._kinesis = kinesis
        self._queue_url = self._sqs.create_queue(QueueName="OverflowQueue")["QueueUrl"]
        secrets.create_secret(Name="SigningKeys", SecretString=json.dumps(SIGNING_KEYS))
        secrets.create_secret(Name="CredentialPepper", SecretString=PEPPER)
        self._seed()

    def _seed(self) -> None:
        directory = Directory(self.directory)
        for tenant in TENANTS:
            directory.save_tenant(tenant)
        secret_hash = hash_secret(SECRET, PEPPER)
        for credential_id, fields in CREDENTIALS.items():
            directory.save_credential(
                Credential.model_validate(
                    {
                        "surface": "asapp",
                        "credential_id": credential_id,
                        "secret_hash": secret_hash,
                        **fields,
                    }
                )
            )

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
        if name == "CALLSTREAM_MEDIA_URL":
            return MEDIA_URL
        parameters = template.load()["Parameters"]
        match value:
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


def _plain(partition_key: str, data: bytes) -> dict[str, Any]:
    record = records.decode(data)
    assert partition_key == record.stream_id
    plain: dict[str, Any] = json.loads(msgspec.json.encode(record))  # bytes become base64
    return plain
