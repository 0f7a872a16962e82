"""The small AWS account in which events are replayed: tables, stream, queue, secrets, tenants.

The time in it is always `NOW`; names of resources are the template's logical ids.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import UUID, uuid5

import boto3
import msgspec

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.record_sinks import overflow_record
from callstream.callbacks.delivery import HttpAnswer, NoAnswer
from callstream.callbacks.model import CallbackRequest, decode
from callstream.destinations import Destination
from callstream.frames import records
from callstream.tenants.credentials import CREDENTIAL_FORMS, TWILIO_FORM, hash_secret
from callstream.tenants.directory import (
    ROUTES,
    SURFACES,
    Credential,
    Directory,
    Inbox,
    Limits,
    Tenant,
    Webhook,
)
from tests import deployment, template

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SIGNING_KEYS = {"replay": "only-for-replaying-events-" * 3}
PEPPER = "only-for-replaying-events"
CALLBACK_MASTER = "only-for-replaying-events"
STACK = deployment.STACK
DEPLOYMENT = deployment.Deployment(Transcriber="amazon", Dialogflow="google")
# The key of the published test vectors.
TWILIO_AUTH_TOKENS = {"acme": "12345"}
SECRET = "secret-of-the-replayed-events"
MEDIA_URL = "wss://media.example.com/{path}/{token}"
GIVEN = {
    "CALLSTREAM_TRANSCRIBER": "offline",
    "CALLSTREAM_MEDIA_URL": MEDIA_URL,
}

PROJECT = UUID("b08dacad-0000-4de1-93d6-cc732e0c0001")


def _tenant(tenant_id: str, **fields: Any) -> Tenant:
    """A tenant with all routes and a project of its own."""
    fields = {
        "name": tenant_id,
        "routes": ROUTES,
        "project_id": uuid5(PROJECT, tenant_id),
        "callback_key_id": tenant_id,
    } | fields
    return Tenant(tenant_id=tenant_id, **fields)


TENANTS: list[Tenant] = [
    _tenant(
        "acme",
        project_id=PROJECT,
        webhooks={
            "telnyx": Webhook(
                url="https://hooks.acme.example/telnyx",
                failover_url="https://b.acme.example/telnyx",
            )
        },
    ),
    _tenant("other"),
    _tenant("plain", routes=frozenset()),
    _tenant("gone", enabled=False),
    _tenant("busy", limits=dict.fromkeys(SURFACES, Limits(per_day=1))),
]
INBOXES: list[Inbox] = [
    Inbox(tenant_id="acme", external_id="inbox-123"),
    Inbox(tenant_id="other", external_id="inbox-of-other"),
]
# The same for every surface, but Twilio's ids are sids of API keys (`SKacme`), and each of its
# accounts has an AuthToken. All credentials have the same secret.
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


def credentials(surface: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The ids of a surface's credentials, with their fields."""
    if surface != "twilio":
        yield from CREDENTIALS.items()
        return
    for name, fields in CREDENTIALS.items():
        yield f"SK{name}", fields
    for tenant in TENANTS:
        auth_token = TWILIO_FORM.id_of(tenant.account_id("twilio"), SECRET)
        yield auth_token, {"tenant_id": tenant.tenant_id}


def seed(directory: Directory, *surfaces: str) -> None:
    """Create the tenants, with credentials for these surfaces."""
    for tenant in TENANTS:
        directory.save(tenant)
    for inbox in INBOXES:
        directory.save(inbox)
    secret_hash = hash_secret(SECRET, PEPPER)
    for surface, form in CREDENTIAL_FORMS.items():
        if surface not in surfaces:
            continue
        for credential_id, fields in credentials(surface):
            all_fields: dict[str, Any] = {"scopes": form.scopes} | fields
            directory.save(
                Credential(
                    surface=surface,
                    credential_id=credential_id,
                    secret_hash=secret_hash,
                    created_at=NOW,
                    **all_fields,
                )
            )


@dataclass(frozen=True)
class Clients:
    """The clients with which tests look at the account. Making clients takes longer than a test."""

    dynamodb: Any
    events: Any
    kinesis: Any
    sqs: Any
    secrets: Any
    streams: DynamoTable
    directory: DynamoTable


@cache
def clients() -> Clients:
    """The clients of this process."""
    return Clients(
        dynamodb=boto3.client("dynamodb"),
        events=boto3.client("events"),
        kinesis=boto3.client("kinesis"),
        sqs=boto3.client("sqs"),
        secrets=boto3.client("secretsmanager"),
        streams=DynamoTable("StreamsTable"),
        directory=DynamoTable("DirectoryTable"),
    )


@cache
def connections_of(endpoint: str) -> Any:
    """The client for the connections of an API."""
    return boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)


_SEEDED: dict[str, list[dict[str, Any]]] = {}


class World:
    """The account, as boto3 sees it (a mock of it, in these tests).

    It has credentials for the surface of this function only: more would take longer than the test.
    """

    def __init__(self, function: str) -> None:
        secrets, self._kinesis, self._sqs = clients().secrets, clients().kinesis, clients().sqs
        for name in ("StreamsTable", "DirectoryTable"):
            template.create_table(clients().dynamodb, name)
        self.streams, self.directory = clients().streams, clients().directory
        self._kinesis.create_stream(StreamName="FramesStream", ShardCount=1)
        self._queues = {"OverflowQueue": self._sqs.create_queue(QueueName="OverflowQueue")}
        if function in {"callback_delivery", "dialogflow", "relay", "sweep", "transcription"}:
            for name in ("CallbackQueue", "CallbackDeadLetterQueue"):
                self._queues[name] = self._sqs.create_queue(
                    QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"}
                )
        secrets.create_secret(Name="SigningKeys", SecretString=json.dumps(SIGNING_KEYS))
        secrets.create_secret(Name="CredentialPepper", SecretString=PEPPER)
        secrets.create_secret(Name="CallbackMaster", SecretString=CALLBACK_MASTER)
        for tenant_id, token in TWILIO_AUTH_TOKENS.items():
            secrets.create_secret(Name=f"{STACK}/twilio/{tenant_id}", SecretString=token)
        self._seed(function.partition("_")[0])

    def _seed(self, surface: str) -> None:
        """Create the tenants; those of a surface that was seeded before by one request."""
        dynamodb = clients().dynamodb
        if surface not in _SEEDED:
            seed(Directory(self.directory), surface)
            items = dynamodb.scan(TableName="DirectoryTable")["Items"]
            _SEEDED[surface] = [{"PutRequest": {"Item": item}} for item in items]
        else:
            dynamodb.batch_write_item(RequestItems={"DirectoryTable": _SEEDED[surface]})

    def put_agent_keys(self, keys: Mapping[str, str]) -> None:
        """Store keys of connections to virtual agents, by names without the prefix."""
        for name, key in keys.items():
            clients().secrets.create_secret(Name=f"{STACK}/dialogflow/{name}", SecretString=key)

    def agent_keys(self) -> list[str]:
        """The names of all such keys."""
        prefix = f"{STACK}/dialogflow/"
        found = clients().secrets.list_secrets()["SecretList"]
        names = [each["Name"] for each in found if each["Name"].startswith(prefix)]
        return sorted(name.removeprefix(prefix) for name in names)

    def connections(self) -> list[dict[str, Any]]:
        """The connections to virtual agents, and what is left of deleted ones."""
        found = [each for each in self.directory.scan() if each["pk"].startswith("CONNECTIONS#")]
        return sorted(found, key=lambda item: item["sk"])

    def environment(self, function: str) -> dict[str, str]:
        """A function's variables, as the template sets them."""
        [properties] = [
            resource["Properties"]
            for resource in template.load()["Resources"].values()
            if resource["Properties"].get("CodeUri") == f"functions/{function}"
        ]
        return {
            name: GIVEN[name] if name in GIVEN else self._value(value)
            for name, value in properties["Environment"]["Variables"].items()
        }

    def _value(self, value: Any) -> str:
        match value:
            # The mock has other URLs, and finds secrets by their names.
            case {"Ref": str(queue)} if queue in self._queues:
                return str(self._queues[queue]["QueueUrl"])
            case {"Ref": "SigningKeys" | "CredentialPepper" | "CallbackMaster" as secret}:
                return str(secret)
        return str(DEPLOYMENT.resolve(value))

    def records(self) -> list[dict[str, Any]]:
        """The records on the frames stream."""
        [shard] = self._kinesis.list_shards(StreamName="FramesStream")["Shards"]
        iterator = self._kinesis.get_shard_iterator(
            StreamName="FramesStream",
            ShardId=shard["ShardId"],
            ShardIteratorType="TRIM_HORIZON",
        )["ShardIterator"]
        found = self._kinesis.get_records(ShardIterator=iterator)["Records"]
        return [_plain(record["PartitionKey"], record["Data"]) for record in found]

    def overflow(self) -> list[dict[str, Any]]:
        """The messages in the overflow queue."""
        found = self._sqs.receive_message(
            QueueUrl=self._queues["OverflowQueue"]["QueueUrl"],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
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

    def queued(self) -> list[dict[str, Any]]:
        """The callbacks that wait: their events and reasons."""
        if "CallbackQueue" not in self._queues:
            return []
        found = self._sqs.receive_message(
            QueueUrl=self._queues["CallbackQueue"]["QueueUrl"], MaxNumberOfMessages=10
        ).get("Messages", [])
        callbacks = [decode(message["Body"]) for message in found]
        return [{"event": each.event, "reason": each.reason} for each in callbacks]

    def buried(self) -> list[dict[str, Any]]:
        """The callbacks that were given up: ids, reasons, attempts."""
        if "CallbackDeadLetterQueue" not in self._queues:
            return []
        # Callstream's own reader would wait for more messages, and time stands still here.
        found = self._sqs.receive_message(
            QueueUrl=self._queues["CallbackDeadLetterQueue"]["QueueUrl"],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        return [
            {
                "callback_id": decode(message["Body"]).callback_id,
                "attempts": int(message["MessageAttributes"]["Attempts"]["StringValue"]),
                "reason": message["MessageAttributes"]["Reason"]["StringValue"],
            }
            for message in found
        ]


class Servers:
    """The tenants' own servers, below the HTTP client: their answers, and the requests they got.

    `answers` has by URL a status, a status and a Retry-After, or the reason why there is none.
    """

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers
        self.sent: list[dict[str, Any]] = []
        self.put_off: list[dict[str, Any]] = []

    def resolve(self, host: str, *_: object, **__: object) -> list[tuple[Any, ...]]:
        """The answer of getaddrinfo. Names under `.inside` are private."""
        address = "10.0.0.1" if host.endswith(".inside") else "203.0.114.7"
        return [(None, None, None, "", (address, 443))]

    def send(self, request: CallbackRequest, _destination: Destination) -> HttpAnswer:
        """Take a request."""
        body = request.body.decode()
        is_json = request.headers.get("content-type") == "application/json"
        self.sent.append(
            {
                "method": request.method,
                "url": request.url,
                "headers": dict(request.headers),
                "body": json.loads(body) if is_json else dict(parse_qsl(body)),
            }
        )
        answer = self._answers.get(request.url, 200)
        if isinstance(answer, str):
            raise NoAnswer(answer)
        return HttpAnswer(*answer) if isinstance(answer, list) else HttpAnswer(int(answer))

    def answer(self, request: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """SQS's answer to ChangeMessageVisibility, as botocore's endpoint returns it."""
        body = json.loads(request["body"])
        self.put_off.append(
            {"handle": body["ReceiptHandle"], "seconds": str(body["VisibilityTimeout"])}
        )
        return SimpleNamespace(status_code=200), {}


class Sockets:
    """The connections of an API: `active` says when each was last used, in ISO 8601."""

    def __init__(self, active: Mapping[str, str]) -> None:
        self._active = active
        self.posted: list[dict[str, Any]] = []
        self.closed: list[str] = []

    def answer(self, operation: str, request: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """API Gateway's answer, as botocore's endpoint returns it."""
        connection_id = unquote(request["url_path"].rpartition("/")[2])
        if connection_id not in self._active:
            error = {"Code": "GoneException", "Message": ""}
            return SimpleNamespace(status_code=410), {
                "Error": error,
                "ResponseMetadata": {"HTTPStatusCode": 410},
            }
        if operation == "PostToConnection":
            self.posted.append({"connection_id": connection_id, **_opened(request["body"])})
        if operation == "DeleteConnection":
            self.closed.append(connection_id)
        active_at = datetime.fromisoformat(self._active[connection_id])
        return SimpleNamespace(status_code=200), {"LastActiveAt": active_at}


def _opened(body: bytes) -> dict[str, Any]:
    """A posted message: JSON to a carrier, other text to a relay."""
    if body.startswith(b"{"):
        message: dict[str, Any] = json.loads(body)
        return message
    return {"text": body.decode()}


def _plain(partition_key: str, data: bytes) -> dict[str, Any]:
    record = records.decode(data)
    assert partition_key == record.stream_id
    plain: dict[str, Any] = json.loads(msgspec.json.encode(record))  # bytes become base64
    return plain
