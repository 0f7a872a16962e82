"""Callbacks on the deployed stack: from the queue to a tenant's server, and dead letters."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import pytest
import telnyx
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from callstream.adapters.aws.callback_queues import SqsCallbackQueue
from callstream.callbacks.model import DialogueReport, Event
from callstream.dialogues.model import DialogueSettings
from callstream.dialogues.virtual_agent import Heard, Reply
from callstream.relays.notifier import callback_of, callback_of_report
from callstream_cli.local import aws
from tests.relays import make_relay
from tests.stack.conftest import DeployedStack, eventually
from tests.stack.tenant_server import TenantServer
from tests.stack.test_carrier_webhooks import running
from tests.stack.test_operator import Operator, operator, type_in
from tests.template import ROOT

__all__ = ["operator"]

DIALOGUE = DialogueSettings(connection_id="app-1")


class FormServer(TenantServer):
    """Takes SignalWire's forms: `answer` says what it answers to each request, in their order.

    It wants a user name and a password.
    """

    def __init__(self) -> None:
        self.got: list[dict[str, str]] = []
        self.signatures: list[str] = []
        self.answer: Callable[[int], int] = lambda _number: 204
        super().__init__(self._take)
        self.url = f"{self.origin}/status".replace("://", "://user:word@")

    def events(self, relay_id: str) -> list[str]:
        """What it was told of a relay, in that order."""
        return [each["StreamEvent"] for each in self.got if each["StreamSid"] == relay_id]

    def _take(self, _path: str, headers: Message, body: bytes) -> int:
        if headers["authorization"] != "Basic dXNlcjp3b3Jk":
            return 401
        self.got.append(dict(parse_qsl(body.decode())))
        self.signatures.append(headers["x-signalwire-signature"])
        return self.answer(len(self.got))


@pytest.fixture
def server() -> Iterator[FormServer]:
    server = FormServer()
    yield server
    server.stop()


class Teller:
    """Tells the demo tenant of relays, as who runs them does."""

    def __init__(self, stack: DeployedStack, url: str) -> None:
        self._url = url
        with aws.talking_to(stack.description["aws_endpoint_url"]):
            self._queue = SqsCallbackQueue(stack.outputs["CallbackQueueUrl"])

    def tell(self, relay_id: str, event: Event, reason: str | None = None) -> str:
        relay = make_relay(
            relay_id,
            tenant_id="demo",
            call_id="CA-told",
            surface="signalwire",
            url="wss://agent.example/secret-of-the-url",
            track="both_tracks",
            status_callback=self._url,
        )
        callback = callback_of(relay, None, event, reason, datetime.now(UTC))
        self._queue.send(callback)
        return callback.callback_id


@pytest.fixture
def teller(stack: DeployedStack, server: FormServer) -> Teller:
    return Teller(stack, server.url)


def test_callbacks_of_each_relay_come_in_order(
    stack: DeployedStack, server: FormServer, teller: Teller
) -> None:
    relays = [str(uuid4()) for _ in range(5)]
    # What fails at first holds back what comes after it.
    server.answer = lambda number: 500 if number % 2 else 200
    for relay_id in relays:
        teller.tell(relay_id, "started")
    for relay_id in relays:
        teller.tell(relay_id, "started")  # the same, which counts once
        teller.tell(relay_id, "stopped")

    def all_told() -> bool:
        return all(server.events(relay)[-1:] == ["stream-stopped"] for relay in relays)

    eventually(all_told)
    for relay_id in relays:
        told = server.events(relay_id)
        assert set(told) == {"stream-started", "stream-stopped"}
        assert sorted(told) == told
    key = str(stack.description["credentials"]["signalwire"]["signing_key"])
    for form, signature in zip(server.got, server.signatures, strict=True):
        assert RequestValidator(key).validate(server.url, form, signature)


def test_failed_callback_is_listed_and_sent_again(
    server: FormServer, teller: Teller, operator: Operator
) -> None:
    server.answer = lambda _: 503
    callback_id = teller.tell(str(uuid4()), "started")

    def waiting() -> Any:
        rows = operator("callbacks", "list")
        return next((row for row in rows if row["callback_id"] == callback_id), None)

    row = eventually(waiting)
    assert (row["tenant_id"], row["reason"]) == ("demo", "status_503")
    server.answer = lambda _: 200
    eventually(lambda: not waiting())


def test_refused_callback_waits_until_it_is_resent(
    stack: DeployedStack, server: FormServer, teller: Teller, operator: Operator
) -> None:
    server.answer = lambda _: 400
    relay_id = str(uuid4())
    ids = [teller.tell(relay_id, "started"), teller.tell(relay_id, "stopped")]

    def dead() -> list[dict[str, Any]]:
        rows = operator("callbacks", "list", "--dead", "--tenant", "demo")
        return [row for row in rows if row["relay_id"] == relay_id]

    eventually(lambda: len(dead()) == 2)
    # At once: neither was tried twice.
    assert server.events(relay_id) == ["stream-started", "stream-stopped"]
    assert [(row["callback_id"], row["reason"], row["attempts"]) for row in dead()] == [
        (callback_id, "status_400", 1) for callback_id in ids
    ]
    assert operator("callbacks", "list", "--dead", "--tenant", "nobody") == []
    shown = type_in(stack, "callbacks", "list", "--dead").stdout
    assert "secret-of-the-url" not in shown
    assert server.url not in shown

    server.answer = lambda _: 200
    [sent] = operator("callbacks", "resend", ids[0][:12])
    assert sent["callback_id"] == ids[0]
    eventually(lambda: len(server.events(relay_id)) == 3)
    sent = operator("callbacks", "resend", "--all", "--yes")
    assert [row["callback_id"] for row in sent if row["relay_id"] == relay_id] == [ids[1]]
    eventually(lambda: len(server.events(relay_id)) == 4)
    assert server.events(relay_id)[2:] == ["stream-started", "stream-stopped"]
    assert dead() == []

    refused = type_in(stack, "callbacks", "resend", str(uuid4()))
    assert (refused.returncode, refused.stdout) == (1, "")
    for wrong in (("resend",), ("resend", "--all", ids[0])):
        assert type_in(stack, "callbacks", *wrong).returncode == 2


def test_telnyx_callback_fails_over(
    stack: DeployedStack, operator: Operator, tenant_server: "JsonServer"
) -> None:
    operator(
        *("webhooks", "set", "demo", "telnyx", f"{tenant_server.origin}/down"),
        *("--failover", f"{tenant_server.origin}/up"),
    )
    with aws.talking_to(stack.description["aws_endpoint_url"]):
        queue = SqsCallbackQueue(stack.outputs["CallbackQueueUrl"])
    relay = make_relay(str(uuid4()), tenant_id="demo", call_id="v3:call", track="both_tracks")
    queue.send(callback_of(relay, None, "failed", "refused", datetime.now(UTC)))

    eventually(lambda: len(tenant_server.got) == 2)
    operator("webhooks", "clear", "demo", "telnyx")
    assert [path for path, _ in tenant_server.got] == ["/down", "/up"]
    assert tenant_server.got[1][1]["meta"] == {
        "attempt": 1,
        "delivered_to": f"{tenant_server.origin}/up",
    }


def test_reports_of_a_dialogue_are_signed_and_listed_without_what_was_said(
    stack: DeployedStack, operator: Operator, tenant_server: "JsonServer"
) -> None:
    def set_webhook(url: str) -> None:
        operator("webhooks", "set", "demo", "telnyx", url, "--dialogue-events")

    set_webhook(f"{tenant_server.origin}/refuses")
    relay = make_relay(str(uuid4()), tenant_id="demo", sink="dialogflow", dialogue=DIALOGUE)
    heard = Heard("my card is lost", is_final=True)
    reports: list[tuple[Event, DialogueReport]] = [
        ("heard", DialogueReport(1, heard=heard)),
        ("replied", DialogueReport(2, heard=heard, reply=Reply(b"", "Which card?"))),
        ("ended", DialogueReport(3, reason="hangup")),
    ]
    with aws.talking_to(stack.description["aws_endpoint_url"]):
        queue = SqsCallbackQueue(stack.outputs["CallbackQueueUrl"])
    for event, report in reports:
        queue.send(callback_of_report(relay, None, event, report, datetime.now(UTC)))
    types = ["call.transcription", "dialogflow.detectintent.response", "dialogflow.ended"]
    eventually(lambda: [body["data"]["event_type"] for _, body in tenant_server.got] == types)
    key = stack.description["credentials"]["telnyx"]["public_key"]
    client = telnyx.Telnyx(api_key="KEY", public_key=str(key))
    for raw, headers in tenant_server.raw:
        client.webhooks.unwrap(raw.decode(), headers=headers)

    def dead() -> list[dict[str, Any]]:
        rows = operator("callbacks", "list", "--dead")
        return [row for row in rows if row["relay_id"] == relay.relay_id]

    listed = eventually(lambda: found if len(found := dead()) == len(reports) else None)
    assert [row["event"] for row in listed] == ["heard", "replied", "ended"]
    assert "card" not in json.dumps(listed)
    with running(sys.executable, ROOT / "examples" / "telnyx_events.py", PORT="0") as example:
        assert example.stdout is not None
        set_webhook(f"http://127.0.0.1:{example.stdout.readline().split()[-1]}/")
        operator("callbacks", "resend", "--all", "--yes")
        assert [example.stdout.readline() for _ in reports] == [
            "call.transcription caller: my card is lost\n",
            "dialogflow.detectintent.response Which card?\n",
            "dialogflow.ended (hangup)\n",
        ]
    operator("webhooks", "clear", "demo", "telnyx")


class JsonServer(TenantServer):
    """Takes Telnyx's webhooks, and is down at one path, and refuses at another."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.raw: list[tuple[bytes, dict[str, str]]] = []
        super().__init__(self._take)

    def of(self, call_id: str) -> list[tuple[str, str]]:
        """The events of a call, each with what the caller has said, or the reason."""
        events = [body["data"] for _, body in self.got]
        return [
            (each["event_type"], payload.get("transcript") or payload.get("reason") or "")
            for each in events
            if each["payload"]["call_control_id"] == call_id
            for payload in [each["payload"] | each["payload"].get("transcription_data", {})]
        ]

    def _take(self, path: str, headers: Message, body: bytes) -> int:
        self.raw.append((body, {name.lower(): value for name, value in headers.items()}))
        self.got.append((path, json.loads(body)))
        return {"/down": 502, "/refuses": 400}.get(path, 200)


@pytest.fixture
def tenant_server() -> Iterator[JsonServer]:
    server = JsonServer()
    yield server
    server.stop()
