"""What SignalWire tells of a stream: the StatusCallback of its Compatibility API.

Sources: developer.signalwire.com, "Create a Stream" and "<Stream>" (parameters and the values of
StreamError), "Webhook security", and `RequestValidator` of SignalWire's SDK for Python.
"""

import hmac
from base64 import b64encode
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urldefrag, urlencode, urlsplit

from msgspec.structs import replace

from callstream.callbacks.model import (
    INVALID_URL,
    UNREACHABLE,
    CallbackRequest,
    Event,
    RelayCallback,
)

SIGNATURE_HEADERS: Final = ("x-signalwire-signature", "x-twilio-signature")
"""Both have the same value: SignalWire documents the second for who comes from Twilio."""

_EVENTS: Final[dict[Event, str]] = {
    "started": "stream-started",
    "stopped": "stream-stopped",
    "failed": "stream-error",
}
_ERRORS: Final = {
    INVALID_URL: "invalid_url",
    "refused": "connection_refused",
    **dict.fromkeys(UNREACHABLE - {"refused"}, "connection_refused_timeout_or_ssl_error"),
}
_OTHER_ERROR: Final = "general_error"


def build(callback: RelayCallback, account_sid: str, url: str) -> CallbackRequest:
    """The request, unsigned: a form in the body, or with GET in the query.

    Args:
        callback: what to tell.
        account_sid: the tenant's project.
        url: the relay's StatusCallback. A query that it has stays in front.
    """
    form = urlencode(_parameters(callback, account_sid))
    url = urldefrag(url).url
    if callback.relay.status_callback_method == "GET":
        separator = "&" if urlsplit(url).query else ("" if url.endswith("?") else "?")
        return CallbackRequest(method="GET", url=f"{url}{separator}{form}")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return CallbackRequest(method="POST", url=url, headers=headers, body=form.encode())


def sign(request: CallbackRequest, signing_key: str) -> CallbackRequest:
    """The request with its signature, as SignalWire signs forms: like Twilio.

    That is base64 of HMAC-SHA1 over the URL with its query, followed by the names and values of the
    body's fields in the order of the names. (Hexadecimal over the raw body is for JSON.)

    Args:
        request: what `build` made.
        signing_key: the tenant's (`callback_keys.signalwire_signing_key`).
    """
    fields = sorted(parse_qsl(request.body.decode(), keep_blank_values=True))
    text = request.url + "".join(name + value for name, value in fields)
    digest = hmac.digest(signing_key.encode(), text.encode(), "sha1")
    signature = b64encode(digest).decode()
    return replace(
        request, headers={**request.headers, **dict.fromkeys(SIGNATURE_HEADERS, signature)}
    )


def _parameters(callback: RelayCallback, account_sid: str) -> dict[str, str]:
    relay = callback.relay
    parameters = {
        "AccountSid": account_sid,
        "CallSid": relay.call_id,
        "StreamEvent": _EVENTS[callback.event],
        "StreamName": relay.name or relay.relay_id,
        "StreamSid": relay.relay_id,
        "StreamTrack": relay.track,
        "Timestamp": _instant(callback.happened),
        "Unique-ID": relay.call_id,
    }
    if callback.event == "failed":
        parameters["StreamError"] = _ERRORS.get(callback.reason or "", _OTHER_ERROR)
    return parameters


def _instant(time: datetime) -> str:
    """ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"
