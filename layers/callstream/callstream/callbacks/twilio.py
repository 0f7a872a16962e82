"""Twilio's callbacks of a stream: the StatusCallback of its Streams resource.

Sources: twilio.com, "<Stream>" (parameters), "Error and warning dictionary" (319xx), and
`RequestValidator` of Twilio's SDK for Python.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from callstream.callbacks.forms import form_request, sign_form
from callstream.callbacks.forms import status_callback as urls
from callstream.callbacks.keys import derive
from callstream.callbacks.model import INVALID_URL, CallbackRequest, RelayCallback
from callstream.tenants.directory import Tenant

__all__ = ["request", "sign", "sign_handshake", "urls", "verification_key"]

_AUTH_TOKEN_DIGITS: Final = 32
# Twilio documents that StreamError is an error message, and the titles of these errors.
_ERRORS: Final = {
    "timeout": "31901: Stream - WebSocket - Connection Timeout",
    "refused": "31902: Stream - WebSocket - Connection Refused",
    "closed": "31903: Stream - WebSocket - Connection Broken Pipe",
    "unknown_host": "31904: Stream - WebSocket - Host Unreachable",
    INVALID_URL: "31904: Stream - WebSocket - Host Unreachable",
    "tls": "31910: Stream - WebSocket - TLS Protocol Error",
    "handshake": "31920: Stream - WebSocket - Handshake Error",
}


def request(callback: RelayCallback, tenant: Tenant, _attempt: int, url: str) -> CallbackRequest:
    """The unsigned request. See `callstream.callbacks.vendors`."""
    error = _ERRORS.get(callback.reason or "", "Stream - Internal Error")
    return form_request(callback, tenant, url, error)


def sign(
    request: CallbackRequest, master: str, key_id: str, _now: datetime | None = None
) -> CallbackRequest:
    """The request with its signature. See `callstream.callbacks.vendors`."""
    key = verification_key(master, key_id)["auth_token"]
    return sign_form(request, key, ["x-twilio-signature"])


def sign_handshake(url: str, master: str, key_id: str) -> Mapping[str, str]:
    """The header with the signature of a handshake with a consumer at this URL."""
    return sign(CallbackRequest(method="GET", url=url), master, key_id).headers


def verification_key(master: str, key_id: str) -> dict[str, str]:
    """The tenant's AuthToken: Twilio signs with the same secret that opens its API.

    The API itself knows the AuthToken as a credential (`callstream.tenants.issuing`).
    """
    return {"auth_token": derive(master, "twilio", key_id).hex()[:_AUTH_TOKEN_DIGITS]}
