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
)
from callstream.relays.notifier import callback_of
from tests.unit.callbacks.scenes import (
    FAILOVER,
    HOOK,
    MASTER,
    NOW,
    RELAY,
    RELAY_ID,
    TENANT,
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
    payload = json.loads(telnyx_callbacks.request(callback, TENANT, 1, HOOK).body)["data"][
        "payload"
    ]

    assert payload["call_session_id"] == payload["call_control_id"]
    assert payload["stream_type"] == "dialogflow"
    assert payload["failure_reason"] == "feed_lost"
    assert payload["client_state"] is None


@pytest.mark.parametrize("event", ["started", "stopped", "failed"])
def test_telnyx_sdk_accepts_signed_webhooks(event: str) -> None:
    request, client = signed(event)
    with time_machine.travel(NOW + timedelta(seconds=299), tick=False):
        unwrapped: Any = client.webhooks.unwrap(request.body.decode(), headers=request.headers)

    assert unwrapped.data.event_type == f"streaming.{event}"
    assert unwrapped.data.payload.call_control_id == RELAY.call_id


def test_telnyx_sdk_refuses_changed_webhooks() -> None:
    request, client = signed("started")
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


def signed(event: str) -> tuple[CallbackRequest, telnyx.Telnyx]:
    """A signed request, and a client that knows the tenant's public key as it is shown."""
    request = telnyx_callbacks.request(telnyx_callback(event, None), TENANT, 1, HOOK)
    key = telnyx_callbacks.verification_key(MASTER, "acme")
    client = telnyx.Telnyx(api_key="KEY", public_key=key["public_key"])
    return telnyx_callbacks.sign(request, MASTER, "acme", NOW), client
