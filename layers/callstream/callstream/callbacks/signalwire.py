"""SignalWire's callbacks of a stream: the StatusCallback of its Compatibility API.

Sources: developer.signalwire.com, "Create a Stream" and "<Stream>" (parameters and the values of
StreamError), "Webhook security", and `RequestValidator` of SignalWire's SDK for Python.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urldefrag, urlencode, urlsplit

from msgspec.structs import replace

from callstream.callbacks.keys import derive
from callstream.callbacks.model import (
    INVALID_URL,
    UNREACHABLE,
    CallbackRequest,
    Event,
    RelayCallback,
)
from callstream.tenants.directory import Tenant

SIGNATURE_HEADERS: Final = ("x-signalwire-signature", "x-twilio-signature")
"""Both have the same value: SignalWire documents the second for clients migrating from Twilio."""

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


def urls(callback: RelayCallback, _tenant: Tenant) -> Sequence[str]:
    """The StatusCallback of the command, if it had one."""
    url = callback.relay.status_callback
    return [] if url is None else [url]


def request(callback: RelayCallback, tenant: Tenant, _attempt: int, url: str) -> CallbackRequest:
    """The unsigned request: a form in the body, or with GET in the query, after the URL's query.

    See `callstream.callbacks.vendors`.
    """
    form = urlencode(_parameters(callback, str(tenant.project_id)))
    url = urldefrag(url).url
    if callback.relay.status_callback_method == "GET":
        separator = "&" if urlsplit(url).query else ("" if url.endswith("?") else "?")
        return CallbackRequest(method="GET", url=f"{url}{separator}{form}")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return CallbackRequest(method="POST", url=url, headers=headers, body=form.encode())


def sign(request: CallbackRequest, master: str, key_id: str, _now: datetime) -> CallbackRequest:
    """The request with its signature. See `callstream.callbacks.vendors`."""
    return sign_form(request, verification_key(master, key_id)["signing_key"])


def sign_form(request: CallbackRequest, signing_key: str) -> CallbackRequest:
    """The request with its signature, as SignalWire signs forms: like Twilio.

    That is base64 of HMAC-SHA1 over the URL with its query, followed by the names and values of the
    body's fields in the order of the names. (Hexadecimal over the raw body is for JSON.)
    """
    fields = sorted(parse_qsl(request.body.decode(), keep_blank_values=True))
    text = request.url + "".join(name + value for name, value in fields)
    digest = hmac.digest(signing_key.encode(), text.encode(), "sha1")
    signature = b64encode(digest).decode()
    return replace(
        request, headers={**request.headers, **dict.fromkeys(SIGNATURE_HEADERS, signature)}
    )


def verification_key(master: str, key_id: str) -> dict[str, str]:
    """The tenant's signing key: SignalWire signs and verifies with the same key."""
    return {"signing_key": f"PSK_{derive(master, 'signalwire', key_id).hex()}"}


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
