"""What Telnyx tells of a stream: the webhooks `streaming.started`, `.stopped` and `.failed`.

Sources: Telnyx's OpenAPI specification (CallStreamingStarted, CallStreamingStopped,
CallStreamingFailed), "Receiving webhooks" at developers.telnyx.com, and the verifier in its SDKs.
"""

import json
from base64 import b64encode
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from callstream.callbacks.model import INVALID_URL, UNREACHABLE, CallbackRequest, RelayCallback

SIGNATURE_HEADER: Final = "telnyx-signature-ed25519"
TIMESTAMP_HEADER: Final = "telnyx-timestamp"

# The only one that Telnyx documents. For what else goes wrong we use our own words.
_CONNECTION_FAILED: Final = "connection_failed"


def build(callback: RelayCallback, attempt: int, url: str) -> CallbackRequest:
    """The request, unsigned.

    Args:
        callback: what to tell.
        attempt: the how manieth delivery this is, from 1.
        url: the tenant's webhook, or its failover.
    """
    body = {
        "data": {
            "record_type": "event",
            "event_type": f"streaming.{callback.event}",
            "id": callback.callback_id,
            "occurred_at": _instant(callback.happened),
            "payload": _payload(callback),
        },
        "meta": {"attempt": attempt, "delivered_to": url},
    }
    return CallbackRequest(
        method="POST",
        url=url,
        headers={"content-type": "application/json"},
        body=json.dumps(body, separators=(",", ":")).encode(),
    )


def sign(request: CallbackRequest, private_key: bytes, now: datetime) -> CallbackRequest:
    """The request with the headers that Telnyx's verifiers look at: `<timestamp>|<body>`, signed.

    Args:
        request: what `build` made.
        private_key: the tenant's (`callback_keys.telnyx_private_key`).
        now: Telnyx's SDKs refuse what was signed more than 300 seconds ago.
    """
    timestamp = str(int(now.timestamp()))
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    signature = key.sign(timestamp.encode() + b"|" + request.body)
    signed = {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: b64encode(signature).decode()}
    return replace(request, headers={**request.headers, **signed})


def _payload(callback: RelayCallback) -> dict[str, Any]:
    relay = callback.relay
    payload: dict[str, Any] = {
        "call_control_id": relay.call_id,
        # Carriers other than Telnyx have one id for all of this.
        "call_leg_id": relay.call_id,
        "call_session_id": relay.session_id or relay.call_id,
        "client_state": relay.client_state,
        "connection_id": relay.account_id,
    }
    if callback.event != "failed":
        return payload | {"stream_url": relay.url}
    return payload | {
        "failure_reason": _failure(callback.reason),
        "stream_id": relay.relay_id,
        "stream_params": {"stream_url": relay.url, "track": relay.track},
        "stream_type": relay.sink,
    }


def _failure(reason: str | None) -> str:
    if reason is None or reason in UNREACHABLE or reason == INVALID_URL:
        return _CONNECTION_FAILED
    return reason


def _instant(time: datetime) -> str:
    """As in Telnyx's examples: UTC, with microseconds, and a Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
