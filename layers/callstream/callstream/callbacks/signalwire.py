"""SignalWire's callbacks of a stream: the StatusCallback of its Compatibility API.

Sources: developer.signalwire.com, "Create a Stream" and "<Stream>" (parameters and the values of
StreamError), "Webhook security", and `RequestValidator` of SignalWire's SDK for Python.
"""

from datetime import datetime
from typing import Final

from callstream.callbacks.forms import form_request, sign_form
from callstream.callbacks.forms import status_callback as urls
from callstream.callbacks.keys import derive
from callstream.callbacks.model import INVALID_URL, UNREACHABLE, CallbackRequest, RelayCallback
from callstream.tenants.directory import Tenant

__all__ = ["SIGNATURE_HEADERS", "request", "sign", "urls", "verification_key"]

SIGNATURE_HEADERS: Final = ("x-signalwire-signature", "x-twilio-signature")
"""Both have the same value: SignalWire documents the second for clients migrating from Twilio."""

_ERRORS: Final = {
    INVALID_URL: "invalid_url",
    "refused": "connection_refused",
    **dict.fromkeys(UNREACHABLE - {"refused"}, "connection_refused_timeout_or_ssl_error"),
}


def request(callback: RelayCallback, tenant: Tenant, _attempt: int, url: str) -> CallbackRequest:
    """The unsigned request. See `callstream.callbacks.vendors`."""
    own = {"StreamTrack": callback.relay.track, "Unique-ID": callback.relay.call_id}
    error = _ERRORS.get(callback.reason or "", "general_error")
    return form_request(callback, tenant, url, error, own)


def sign(request: CallbackRequest, master: str, key_id: str, _now: datetime) -> CallbackRequest:
    """The request with its signature, as SignalWire signs forms: like Twilio.

    (Hexadecimal over the raw body is for JSON.) See `callstream.callbacks.vendors`.
    """
    key = verification_key(master, key_id)["signing_key"]
    return sign_form(request, key, SIGNATURE_HEADERS)


def verification_key(master: str, key_id: str) -> dict[str, str]:
    """The tenant's signing key: SignalWire signs and verifies with the same key."""
    return {"signing_key": f"PSK_{derive(master, 'signalwire', key_id).hex()}"}
