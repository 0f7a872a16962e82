"""Telnyx's webhooks, as documented and as its SDK verifies them."""

import json
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

import pytest
import telnyx
import time_machine

from callstream.callbacks import telnyx as telnyx_callbacks
from callstream.callbacks.model import (
    CallbackRequest,
    DialogueReport,
    RelayCallback,
    decode,
    encode,
)
from callstream.dialogues.virtual_agent import Heard, Reply
from callstream.relays.notifier import callback_of
from callstream.tenants.directory import Webhook
from tests.unit.callbacks.scenes import (
    FAILOVER,
    HOOK,
    MASTER,
    NOW,
    RELAY,
    RELAY_ID,
    REPORTS,
    TENANT,
    report_callback,
    telnyx_callback,
)


def test_started_and_stopped_webhooks_are_as_documented() -> None:
    for event in ("started", "stopped"):
        request = telnyx_callbacks.request(telnyx_callback(event), TENANT, 1, HOOK)

        assert (request.method, request.url) == ("POST", HOOK)
        assert request.headers == {"content-type": "application/json"}
        assert json.loads(request.body) == {
            "data": {
                "record_type": "event",
                "event_type": f"streaming.{event}",
                "id": telnyx_callback(event).callback_id,
                "occurred_at": "2026-08-21T10:15:00.123000Z",
                "payload": {
                    "call_control_id": "v3:example-call-control-id",
                    "call_leg_id": "v3:example-call-control-id",
                    "call_session_id": "c6e9c6d0-7c0f-11f0-9d6c-02420aef0001",
                    "client_state": "eyJjYXNlIjogNDJ9",
                    "connection_id": "1234567890123456789",
                    "stream_url": "wss://gw.example.com/telnyx",
                },
            },
            "meta": {"attempt": 1, "delivered_to": HOOK},
        }


def test_failed_webhook_is_as_documented() -> None:
    request = telnyx_callbacks.request(telnyx_callback("failed", "refused"), TENANT, 3, FAILOVER)

    body = json.loads(request.body)
    assert body["meta"] == {"attempt": 3, "delivered_to": FAILOVER}
    assert body["data"]["event_type"] == "streaming.failed"
    assert body["data"]["payload"] == {
        "call_control_id": "v3:example-call-control-id",
        "call_leg_id": "v3:example-call-control-id",
        "call_session_id": "c6e9c6d0-7c0f-11f0-9d6c-02420aef0001",
        "client_state": "eyJjYXNlIjogNDJ9",
        "connection_id": "1234567890123456789",
        "failure_reason": "connection_failed",
        "stream_id": RELAY_ID,
        "stream_params": {
            "stream_url": "wss://gw.example.com/telnyx",
            "track": "inbound_track",
        },
        "stream_type": "websocket",
    }


def test_failed_webhook_without_a_session_and_without_a_url() -> None:
    relay = RELAY.model_copy(update={"sink": "dialogflow", "url": None})
    callback = callback_of(relay, None, "failed", "feed_lost", NOW)
    payload = payload_of(callback)

    assert payload["call_session_id"] == payload["call_control_id"]
    assert payload["stream_type"] == "dialogflow"
    assert payload["failure_reason"] == "feed_lost"
    assert payload["client_state"] is None


def test_webhooks_of_a_dialogue_name_the_stream_instead_of_a_url() -> None:
    relay = RELAY.model_copy(update={"sink": "dialogflow", "url": None})
    for event in ("started", "stopped"):
        callback = callback_of(relay, None, event, None, NOW)
        payload = payload_of(callback)

        assert payload["stream_url"] is None
        assert (payload["stream_id"], payload["stream_type"]) == (RELAY_ID, "dialogflow")


CALL_FIELDS = {
    "call_control_id": "v3:example-call-control-id",
    "call_leg_id": "v3:example-call-control-id",
    "call_session_id": "c6e9c6d0-7c0f-11f0-9d6c-02420aef0001",
    "client_state": "eyJjYXNlIjogNDJ9",
    "connection_id": "1234567890123456789",
}


@pytest.mark.parametrize(
    ("event", "event_type", "own"),
    [
        (
            "heard",
            "call.transcription",
            {
                "transcription_data": {
                    "confidence": 0.9,
                    "is_final": True,
                    "transcript": "my card is 4242",
                    "transcription_track": "inbound",
                }
            },
        ),
        (
            "replied",
            "dialogflow.detectintent.response",
            {
                "confidence": 0.9,
                "fulfillment_messages": [{"text": ["Which card?"]}],
                "is_final": True,
                "stream_id": RELAY_ID,
                "transcript": "my card is 4242",
                "type": "final",
                "intent": "block card",
                "event": None,
                "match_confidence": 0.8,
                "parameters": {"card": 4242},
                "sentiment": {"score": -0.5, "magnitude": 0.7},
                "truncated": False,
            },
        ),
        (
            "ended",
            "dialogflow.ended",
            {
                "stream_id": RELAY_ID,
                "reason": "transfer",
                "metadata": {"why": "lost card"},
                "destination": "+15550100",
                "truncated": False,
            },
        ),
    ],
)
def test_reports_of_a_dialogue_are_in_the_envelope_of_the_others(
    event: Any, event_type: str, own: dict[str, Any]
) -> None:
    callback = decode(encode(report_callback(event)))
    body = json.loads(telnyx_callbacks.request(callback, TENANT, 1, HOOK).body)

    assert body == {
        "data": {
            "record_type": "event",
            "event_type": event_type,
            "id": callback.callback_id,
            "occurred_at": "2026-08-21T10:15:00.123000Z",
            "payload": CALL_FIELDS | own,
        },
        "meta": {"attempt": 1, "delivered_to": HOOK},
    }


def test_reports_without_details() -> None:
    heard = DialogueReport(1, heard=Heard("yes", is_final=True))
    replied = DialogueReport(2, reply=Reply(b"", is_partial=True))
    ended = DialogueReport(3, reason="hangup")

    assert payload_of(report_callback("heard", heard))["transcription_data"]["confidence"] is None
    reply = payload_of(report_callback("replied", replied))
    assert (reply["type"], reply["sentiment"], reply["parameters"]) == ("partial", None, {})
    assert (reply["transcript"], reply["fulfillment_messages"]) == ("", [])
    end = payload_of(report_callback("ended", ended))
    assert (end["reason"], end["metadata"], end["destination"]) == ("hangup", {}, None)


@pytest.mark.parametrize("event", REPORTS)
def test_reports_go_only_to_tenants_that_ask_for_them(event: str) -> None:
    hook = Webhook(url=HOOK)
    asked = hook.model_copy(update={"dialogue_events": True})
    silent, curious = (TENANT.model_copy(update={"webhooks": {"telnyx": h}}) for h in (hook, asked))
    redacted = curious.model_copy(update={"always_redacts": True})
    callback = report_callback(event)

    assert telnyx_callbacks.urls(callback, curious) == [HOOK]
    assert not telnyx_callbacks.urls(callback, silent)
    assert not telnyx_callbacks.urls(callback, redacted)
    assert telnyx_callbacks.urls(telnyx_callback(), redacted) == [HOOK]


@pytest.mark.parametrize("event", REPORTS)
def test_telnyx_sdk_accepts_signed_reports(event: str) -> None:
    request, client = signed(report_callback(event))
    with time_machine.travel(NOW, tick=False):
        unwrapped: Any = client.webhooks.unwrap(request.body.decode(), headers=request.headers)

    payload = unwrapped.data.payload
    if event == "heard":
        assert payload.call_control_id == RELAY.call_id
        assert payload.transcription_data.transcript == "my card is 4242"
    else:  # an event that the SDK does not know has a dictionary
        assert payload["call_control_id"] == RELAY.call_id
        assert payload["stream_id"] == RELAY_ID


@pytest.mark.parametrize("event", ["started", "stopped", "failed"])
def test_telnyx_sdk_accepts_signed_webhooks(event: str) -> None:
    request, client = signed(telnyx_callback(event))
    with time_machine.travel(NOW + timedelta(seconds=299), tick=False):
        unwrapped: Any = client.webhooks.unwrap(request.body.decode(), headers=request.headers)

    assert unwrapped.data.event_type == f"streaming.{event}"
    assert unwrapped.data.payload.call_control_id == RELAY.call_id


def test_telnyx_sdk_refuses_changed_webhooks() -> None:
    request, client = signed(telnyx_callback())
    body, headers = request.body.decode(), dict(request.headers)
    signature = bytearray(b64decode(headers["telnyx-signature-ed25519"]))
    signature[0] ^= 1
    seconds = headers["telnyx-timestamp"]
    changed: list[tuple[str, dict[str, str]]] = [
        (body.replace("started", "stopped"), headers),
        (body, headers | {"telnyx-timestamp": str(int(seconds) + 1)}),
        (body, headers | {"telnyx-signature-ed25519": b64encode(signature).decode()}),
    ]
    with time_machine.travel(NOW, tick=False):
        client.webhooks.unwrap(body, headers=headers)
        for text, with_headers in changed:
            with pytest.raises(ValueError, match="Signature verification failed"):
                client.webhooks.unwrap(text, headers=with_headers)


def payload_of(callback: RelayCallback) -> Any:
    return json.loads(telnyx_callbacks.request(callback, TENANT, 1, HOOK).body)["data"]["payload"]


def signed(callback: RelayCallback) -> tuple[CallbackRequest, telnyx.Telnyx]:
    """A signed request, and a client that knows the tenant's public key as it is shown."""
    request = telnyx_callbacks.request(callback, TENANT, 1, HOOK)
    key = telnyx_callbacks.verification_key(MASTER, "acme")
    client = telnyx.Telnyx(api_key="KEY", public_key=key["public_key"])
    return telnyx_callbacks.sign(request, MASTER, "acme", NOW), client
