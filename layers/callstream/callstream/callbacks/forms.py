"""StatusCallbacks of a stream as forms: Twilio's, and SignalWire's, which are like them.

Source: twilio.com, "<Stream>" (the parameters), "Validating requests" (the signature).
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urldefrag, urlencode, urlsplit

from msgspec.structs import replace

from callstream.callbacks.model import CallbackRequest, Event, RelayCallback
from callstream.tenants.directory import Tenant

_EVENTS: Final[Mapping[Event, str]] = {
    "started": "stream-started",
    "stopped": "stream-stopped",
    "failed": "stream-error",
}


def status_callback(callback: RelayCallback, _tenant: Tenant) -> Sequence[str]:
    """The StatusCallback of the command, if it had one. Lines of transcripts are not documented."""
    url = callback.relay.status_callback
    return [] if url is None or callback.event not in _EVENTS else [url]


def form_request(
    callback: RelayCallback,
    tenant: Tenant,
    url: str,
    stream_error: str,
    own: Mapping[str, str] = MappingProxyType({}),
) -> CallbackRequest:
    """The unsigned request: a form in the body, or with GET in the query, after the URL's query.

    Args:
        callback: the callback.
        tenant: the tenant that gets the callback.
        url: the URL that gets the callback.
        stream_error: the vendor's `StreamError`, for a failure.
        own: the parameters that only this vendor documents.
    """
    relay = callback.relay
    parameters = {
        "AccountSid": tenant.account_id(callback.surface),
        "CallSid": relay.call_id,
        "StreamEvent": _EVENTS[callback.event],
        "StreamName": relay.name or relay.relay_id,
        "StreamSid": relay.relay_id,
        "Timestamp": _instant(callback.happened),
        **own,
    }
    error = {"StreamError": stream_error} if callback.event == "failed" else {}
    form = urlencode(dict(sorted(parameters.items())) | error)
    url = urldefrag(url).url
    if callback.relay.status_callback_method == "GET":
        separator = "&" if urlsplit(url).query else ("" if url.endswith("?") else "?")
        return CallbackRequest(method="GET", url=f"{url}{separator}{form}")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return CallbackRequest(method="POST", url=url, headers=headers, body=form.encode())


def sign_form(request: CallbackRequest, key: str, headers: Iterable[str]) -> CallbackRequest:
    """The request with its signature in these headers.

    The signature is base64 of HMAC-SHA1 over the URL with its query, followed by the names and
    values of the body's fields in the order of the names.
    """
    fields = sorted(parse_qsl(request.body.decode(), keep_blank_values=True))
    text = request.url + "".join(name + value for name, value in fields)
    digest = hmac.digest(key.encode(), text.encode(), "sha1")
    signature = b64encode(digest).decode()
    return replace(request, headers={**request.headers, **dict.fromkeys(headers, signature)})


def _instant(time: datetime) -> str:
    """ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"
