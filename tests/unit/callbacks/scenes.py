"""A deployment's part that delivers callbacks, and callbacks for tests."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from callstream.callbacks.delivery import (
    Backoff,
    Delivery,
    DeliveryOutcome,
    HttpAnswer,
    HttpClient,
    NoAnswer,
)
from callstream.callbacks.model import (
    CallbackRequest,
    DialogueReport,
    RelayCallback,
    encode,
)
from callstream.callbacks.pending import PendingCallbacks
from callstream.callbacks.shares import Shares
from callstream.callbacks.worker import CallbackWorker
from callstream.destinations import Destination
from callstream.dialogues.virtual_agent import DialogueEnd, Heard, Reply, Sentiment
from callstream.errors import ConditionFailed, Unavailable
from callstream.frames.records import Transcript
from callstream.ports import Item
from callstream.relays.notifier import callback_of, callback_of_line, callback_of_report
from callstream.tenants.directory import Directory, Tenant, Webhook
from callstream.transcription.model import Speaker
from tests.relays import make_relay
from tests.unit.items import active_call

NOW = datetime(2026, 8, 21, 10, 15, 0, 123000, tzinfo=UTC)
MASTER = "master-of-the-tests"
PROJECT = "b08dacad-0000-4de1-93d6-cc732e0c0001"
HOOK = "https://app.example.com/webhooks"
FAILOVER = "https://b.example.com/webhooks"
STATUS = "https://app.example.com/status?tenant=1"
RELAY_ID = "7a2f7b1e-2f0e-4a0b-9a55-0d6bd1b2a001"

TENANT = Tenant(tenant_id="acme", name="Acme", project_id=UUID(PROJECT), callback_key_id="acme")
IN_FLIGHT = TENANT.running.callbacks_in_flight or 0
RELAY = make_relay(
    RELAY_ID, call_id="v3:example-call-control-id", url="wss://gw.example.com/telnyx"
)
CALL = active_call(
    RELAY.call_id,
    session_id="c6e9c6d0-7c0f-11f0-9d6c-02420aef0001",
    account_id="1234567890123456789",
    client_state="eyJjYXNlIjogNDJ9",
)


def telnyx_callback(
    event: Any = "started", reason: str | None = None, at: datetime = NOW
) -> RelayCallback:
    return callback_of(RELAY, CALL, event, reason, at)


def signalwire_callback(
    event: Any = "started", reason: str | None = None, **fields: Any
) -> RelayCallback:
    fields = {"surface": "signalwire", "status_callback": STATUS, "name": "my-stream"} | fields
    return callback_of(RELAY.model_copy(update=fields), CALL, event, reason, NOW)


def line_callback(surface: Any = "asapp", **fields: Any) -> RelayCallback:
    """The callback of a line of ASAPP's documented example, with other fields of the line."""
    relay = make_relay(
        RELAY_ID,
        call_id="CA0123456789abcdef0123456789abcdef",
        surface=surface,
        status_callback=STATUS,
    )
    line: dict[str, Any] = {
        "relay_id": RELAY_ID,
        "number": 1,
        "track": "inbound",
        "start_ms": 0,
        "end_ms": 1840,
        "language": "en-US",
        "text": "Hello, I need help with my bill.",
    }
    speaker = Speaker(transcript_id="stream-c1", role="customer", external_id="cust-42")
    return callback_of_line(relay, speaker, Transcript(**line | fields), NOW)


REPORTS: Mapping[Any, DialogueReport] = {
    "heard": DialogueReport(1, heard=Heard("my card is 4242", is_final=True, confidence=0.9)),
    "replied": DialogueReport(
        2,
        heard=Heard("my card is 4242", is_final=True, confidence=0.9),
        reply=Reply(
            b"",
            "Which card?",
            intent="block card",
            match_confidence=0.8,
            parameters={"card": 4242},
            sentiment=Sentiment(-0.5, 0.7),
        ),
    ),
    "ended": DialogueReport(
        3,
        reason="transfer",
        end=DialogueEnd("transfer", {"why": "lost card"}, "+15550100"),
    ),
}
"""A report of each event of a dialogue."""


def report_callback(event: Any, report: DialogueReport | None = None) -> RelayCallback:
    """The callback of a report of a dialogue on a call; `REPORTS` has reports."""
    relay = RELAY.model_copy(update={"sink": "dialogflow", "url": None})
    return callback_of_report(relay, CALL, event, report or REPORTS[event], NOW)


class Memory:
    """A table in memory."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.is_down = False

    def get(self, key: Item) -> Item | None:
        if self.is_down:
            raise Unavailable("dynamodb", "Down")
        return self.items.get((key["pk"], key["sk"]))

    def put(self, item: Item) -> None:
        if self.is_down:
            raise Unavailable("dynamodb", "Down")
        self.items[item["pk"], item["sk"]] = item

    def delete(self, key: Item) -> None:
        self.items.pop((key["pk"], key["sk"]), None)

    def update(self, request: Item) -> Item:
        """Update an item as the counts of callbacks do: with ADD, and comparisons of numbers."""
        if self.is_down:
            raise Unavailable("dynamodb", "Down")
        values = request["ExpressionAttributeValues"]
        key: Item = request["Key"]
        item = self.items.get((key["pk"], key["sk"])) or key
        condition = request.get("ConditionExpression", "")
        condition = re.sub(r"attribute_not_exists\((\w+)\)", r"'\1' not in item", condition)
        condition = re.sub(r":(\w+)", r"values[':\1']", condition)
        condition = re.sub(r"\b(\w+) <", r"item['\1'] <", condition)
        condition = condition.replace("OR", "or").replace("AND", "and")
        if condition and not eval(condition):  # noqa: S307 - an expression of our own
            raise ConditionFailed
        added = re.findall(r"(\w+) (:\w+)", request["UpdateExpression"].partition("ADD ")[2])
        changed = {name: item.get(name, 0) + values[value] for name, value in added}
        self.items[item["pk"], item["sk"]] = item | changed
        return item | changed

    def query(self, partition: str, prefix: str) -> list[Item]:
        assert prefix  # DynamoDB takes no empty prefix
        found = self.items.items()
        return [item for (pk, sk), item in found if pk == partition and sk.startswith(prefix)]


class Servers:
    """The tenants' servers: what each URL answers."""

    def __init__(self) -> None:
        self.answers: dict[str, HttpAnswer | str] = {}
        self.got: list[tuple[CallbackRequest, Destination]] = []

    def send(self, request: CallbackRequest, destination: Destination) -> HttpAnswer:
        self.got.append((request, destination))
        answer = self.answers.get(request.url, HttpAnswer(200))
        if isinstance(answer, str):
            raise NoAnswer(answer)
        return answer

    @property
    def urls(self) -> list[str]:
        return [request.url for request, _ in self.got]


NAMES = {
    "app.example.com": ["203.0.114.7"],
    "b.example.com": ["203.0.114.8"],
    "inside.example": ["10.0.0.1"],
    "rebound.example": ["203.0.114.7", "169.254.169.254"],
    "127.0.0.1": ["127.0.0.1"],
}


def resolve(host: str, _port: int) -> Sequence[str]:
    return NAMES.get(host, [])


class Scene:
    """A deployment's part that delivers callbacks."""

    def __init__(self, *, local: bool = False) -> None:
        self.tenants, self.states = Memory(), Memory()
        self.directory = Directory(self.tenants)  # type: ignore[arg-type]
        self.servers = Servers()
        self.postponed: list[tuple[str, int]] = []
        self.given_up: list[tuple[str, int, str, str]] = []
        self.shares = Shares(self.states)  # type: ignore[arg-type]
        self.now = NOW
        self.master_is_down = False
        self.is_local = local
        self.retries = PendingCallbacks(self.states)  # type: ignore[arg-type]
        self.worker = self.make_worker(self.servers, lambda: self.now)
        self.set_webhook(Webhook(url=HOOK, failover_url=FAILOVER))

    def make_worker(self, client: HttpClient, now: Callable[[], datetime]) -> CallbackWorker:
        self.delivery = Delivery(
            self.directory, self._master, client, resolve, self.shares, local=self.is_local
        )
        return CallbackWorker(
            delivery=self.delivery,
            queue=self,
            dead_letters=self,
            pending=self.retries,
            shares=self.shares,
            backoff=Backoff(),
            now=now,
            random=lambda: 1.0,
        )

    def _master(self) -> str:
        if self.master_is_down:
            raise Unavailable("secretsmanager", "Down")
        return MASTER

    def set_webhook(self, webhook: Webhook | None, surface: str = "telnyx") -> None:
        webhooks: Mapping[Any, Webhook] = {} if webhook is None else {surface: webhook}
        self.directory.save(TENANT.model_copy(update={"webhooks": dict(webhooks)}))

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        self.postponed.append((receipt_handle, seconds))

    def give_up(self, callback: RelayCallback, attempts: int, reason: str, message_id: str) -> None:
        self.given_up.append((callback.callback_id, attempts, reason, message_id))

    def deliver(self, callback: RelayCallback) -> DeliveryOutcome:
        return self.delivery.deliver(callback, 1, lambda: NOW)

    def take(
        self,
        callback: RelayCallback,
        attempt: int = 1,
        waited: float = 0,
        handle: str = "handle-1",
    ) -> bool:
        queued_at = self.worker.now() - timedelta(seconds=waited)
        return self.worker.take(
            {
                "messageId": "message-1",
                "receiptHandle": handle,
                "body": encode(callback),
                "attributes": {
                    "ApproximateReceiveCount": str(attempt),
                    "SentTimestamp": str(int(queued_at.timestamp() * 1000)),
                },
            }
        )
