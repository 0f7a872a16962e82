"""ASAPP's webhook: the lines of a call's transcript, one request for each.

Source: docs.asapp.com, "AutoTranscribe Media Gateway for Twilio". ASAPP documents no other events
of a transcription, and no signature: the webhook may ask for a secret in a header of its own.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from callstream.callbacks.model import CallbackRequest, RelayCallback
from callstream.frames.records import Transcript, Word
from callstream.tenants.directory import Tenant


def urls(callback: RelayCallback, tenant: Tenant) -> Sequence[str]:
    """The tenant's webhook, and its failover URL. Only lines go there."""
    webhook = tenant.webhooks.get("asapp")
    return [] if webhook is None or callback.transcript is None else webhook.urls


def request(callback: RelayCallback, tenant: Tenant, _attempt: int, url: str) -> CallbackRequest:
    """The request: JSON, with the webhook's secret. See `callstream.callbacks.vendors`.

    A repeated line has the same `streamId` and `start`: the documented body has no id.
    """
    said, webhook = callback.transcript, tenant.webhooks["asapp"]
    if said is None:
        raise ValueError("`urls` gives no URL for this callback")
    body = {
        "type": "transcript",
        "externalConversationId": callback.relay.call_id,
        "streamId": said.transcript_id,
        "sender": {"externalId": said.external_id, "role": said.role},
        "autotranscribeResponse": transcript_message(said.line),
    }
    return CallbackRequest(
        method="POST",
        url=url,
        headers={"content-type": "application/json", **webhook.secret_headers},
        body=json.dumps(body, separators=(",", ":")).encode(),
    )


def sign(request: CallbackRequest, _master: str, _key_id: str, _now: datetime) -> CallbackRequest:
    """The request as it is: ASAPP signs no webhooks."""
    return request


def verification_key(_master: str, _key_id: str) -> dict[str, str]:
    """No key: see `sign`."""
    return {}


def transcript_message(line: Transcript) -> dict[str, Any]:
    """A line as ASAPP's message `transcript`.

    Both times count from the start of the audio, in milliseconds. `unredactedText` is our own name:
    ASAPP does not document how both texts come.
    """
    utterance: dict[str, Any] = {"text": line.text}
    if line.unredacted is not None:
        utterance["unredactedText"] = line.unredacted
    if line.words:
        utterance["tokens"] = [_token(word) for word in line.words]
    return {
        "message": "transcript",
        "start": line.start_ms,
        "end": line.end_ms,
        "utterance": [utterance],
    }


def _token(word: Word) -> dict[str, Any]:
    return {
        "content": word.text,
        "start": word.start_ms,
        "end": word.end_ms,
        "punctuationAfter": word.after,
        "punctuationBefore": word.before,
    }
