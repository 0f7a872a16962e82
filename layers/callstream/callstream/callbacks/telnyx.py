"""Telnyx's callbacks of a stream: the webhooks `streaming.started`, `.stopped` and `.failed`.

With `dialogue_events` also `call.transcription` and `dialogflow.detectintent.response`, the latter
with fields of our own, and in the same envelope `dialogflow.ended`, which is our own.

Sources: Telnyx's OpenAPI specification (CallStreamingStarted, CallStreamingStopped,
CallStreamingFailed, Transcription), "Dialogflow ES" and "Receiving webhooks" at
developers.telnyx.com, and the verifier in its SDKs.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import to_builtins
from msgspec.structs import replace

from callstream.callbacks.keys import derive
from callstream.callbacks.model import (
    INVALID_URL,
    UNREACHABLE,
    CallbackRequest,
    DialogueReport,
    Event,
    RelayCallback,
)
from callstream.destinations import without_credentials
from callstream.tenants.directory import Tenant

SIGNATURE_HEADER: Final = "telnyx-signature-ed25519"
TIMESTAMP_HEADER: Final = "telnyx-timestamp"

# The only reason that Telnyx documents. Other failures have our own reasons.
_CONNECTION_FAILED: Final = "connection_failed"
_TYPES: Final[Mapping[Event, str]] = {
    "heard": "call.transcription",
    "replied": "dialogflow.detectintent.response",
    "ended": "dialogflow.ended",
}


def urls(callback: RelayCallback, tenant: Tenant) -> Sequence[str]:
    """The tenant's webhook, and its failover URL.

    Lines of transcripts go to neither; reports of dialogues only if the tenant asks for them.
    """
    webhook = tenant.webhooks.get("telnyx")
    if webhook is None or callback.event == "transcript":
        return []
    if callback.dialogue is not None and not tenant.gets_dialogue_events("telnyx"):
        return []
    return webhook.urls


def request(callback: RelayCallback, _tenant: Tenant, attempt: int, url: str) -> CallbackRequest:
    """The unsigned request: JSON. See `callstream.callbacks.vendors`."""
    body = {
        "data": {
            "record_type": "event",
            "event_type": _TYPES.get(callback.event, f"streaming.{callback.event}"),
            "id": callback.callback_id,
            "occurred_at": _instant(callback.happened),
            "payload": _payload(callback),
        },
        "meta": {"attempt": attempt, "delivered_to": without_credentials(url)[0]},
    }
    return CallbackRequest(
        method="POST",
        url=url,
        headers={"content-type": "application/json"},
        body=json.dumps(body, separators=(",", ":")).encode(),
    )


def sign(request: CallbackRequest, master: str, key_id: str, now: datetime) -> CallbackRequest:
    """The request with the headers that Telnyx's verifiers look at: `<timestamp>|<body>`, signed.

    Telnyx's SDKs refuse a signature that is more than 300 seconds old.
    """
    timestamp = str(int(now.timestamp()))
    signature = _private_key(master, key_id).sign(timestamp.encode() + b"|" + request.body)
    signed = {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: b64encode(signature).decode()}
    return replace(request, headers={**request.headers, **signed})


def verification_key(master: str, key_id: str) -> dict[str, str]:
    """The public half of the tenant's Ed25519 key, in base64 as Telnyx's portal shows keys."""
    public_key = _private_key(master, key_id).public_key()
    return {"public_key": b64encode(public_key.public_bytes_raw()).decode()}


def _private_key(master: str, key_id: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(derive(master, "telnyx", key_id))


def _payload(callback: RelayCallback) -> dict[str, Any]:
    relay = callback.relay
    payload: dict[str, Any] = {
        "call_control_id": relay.call_id,
        # Carriers other than Telnyx have one id for the call, the leg and the session.
        "call_leg_id": relay.call_id,
        "call_session_id": relay.session_id or relay.call_id,
        "client_state": relay.client_state,
        "connection_id": relay.account_id,
    }
    if callback.dialogue is not None:
        return payload | _report(callback.dialogue, relay.relay_id)
    if callback.event != "failed":
        payload["stream_url"] = relay.url
        if relay.sink == "websocket":
            return payload
        # No URL shows which of a command's streams this is; these are the names of a failure.
        return payload | {"stream_id": relay.relay_id, "stream_type": relay.sink}
    return payload | {
        "failure_reason": _failure(callback.reason),
        "stream_id": relay.relay_id,
        "stream_params": {"stream_url": relay.url, "track": relay.track},
        "stream_type": relay.sink,
    }


def _report(report: DialogueReport, stream_id: str) -> dict[str, Any]:
    heard: dict[str, Any] = {
        # 0 stands for a confidence that is not known, as in Google's API.
        "confidence": (report.heard and report.heard.confidence) or None,
        "is_final": True,
        "transcript": report.heard.text if report.heard else "",
    }
    if (reply := report.reply) is not None:
        return heard | {
            "fulfillment_messages": [{"text": [reply.text]}] if reply.text else [],
            "stream_id": stream_id,
            # Our own:
            "type": "partial" if reply.is_partial else "final",
            "intent": reply.intent,
            "event": reply.event,
            "match_confidence": reply.match_confidence,
            "parameters": reply.parameters,
            "sentiment": reply.sentiment and to_builtins(reply.sentiment),
            "truncated": report.is_truncated,
        }
    if report.reason is None:
        return {"transcription_data": heard | {"transcription_track": "inbound"}}
    return {
        "stream_id": stream_id,
        "reason": report.reason,
        "metadata": report.end.metadata if report.end else {},
        "destination": report.end and report.end.destination,
        "truncated": report.is_truncated,
    }


def _failure(reason: str | None) -> str:
    if reason is None or reason in UNREACHABLE or reason == INVALID_URL:
        return _CONNECTION_FAILED
    return reason


def _instant(time: datetime) -> str:
    """As in Telnyx's examples: UTC, with microseconds, and a Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
