"""Twilio's signature on the opening handshake of a media stream.

Twilio sends `X-Twilio-Signature` with the upgrade request: the base64 of the HMAC-SHA1, keyed with
the account's auth token, of the URL exactly as it stands in the TwiML, `wss` and trailing slash
included. (Sources: twilio.com, "Media Streams configuration" and "Webhooks security"; the algorithm
is twilio-python's `RequestValidator`.) Twilio and proxies do not agree on the port, so three forms
of the URL are accepted: as it is, without its port, and with port 443.

API Gateway does not see that URL: CloudFront moves the token from the path into the query, and puts
the host and path of the original request into two headers. A client that bypasses CloudFront can
forge these headers and gains nothing: the signature is over the URL that the headers make, and that
URL must hold the token that opens the connection.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest, digest
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlencode

from callstream.errors import TokenRejected
from callstream.identity import StreamToken

# The CloudFront function of template.yaml sets these, and overwrites what the client sent.
HOST_HEADER: Final = "x-callstream-host"
PATH_HEADER: Final = "x-callstream-path"

_SIGNATURE_HEADER: Final = "x-twilio-signature"
# `key=<id>,algorithm=<name>`; its absence means HMAC_SHA1 with the auth token.
_SETTINGS_HEADER: Final = "x-twilio-webhooks-signature-settings"
_ALGORITHM: Final = "HMAC_SHA1"

_ORIGIN: Final = re.compile(
    r"(?P<host>wss://(?:\[[^\]]*\]|[^/?#:\[\]]+))(?P<port>:\d*)?(?=[/?#]|$)"
)


def sign(url: str, auth_token: str) -> str:
    """The signature that Twilio would send with a handshake at `url`."""
    # Characters that no URL can hold must not raise: such a URL is forged and does not match.
    text = url.encode(errors="surrogatepass")
    return b64encode(digest(auth_token.encode(), text, "sha1")).decode()


def is_signed(url: str, signature: str, auth_token: str) -> bool:
    """Whether `signature` is Twilio's for any form of `url`; in constant time."""
    given = signature.encode(errors="surrogatepass")
    # Compare all forms, so that the time does not depend on which one matches.
    equal = [compare_digest(given, sign(form, auth_token).encode()) for form in _forms(url)]
    return any(equal)


def _forms(url: str) -> list[str]:
    """A URL as it is, without its port, and with the default port of `wss`."""
    origin = _ORIGIN.match(url)
    if origin is None:
        return [url]
    host, port, rest = origin["host"], origin["port"], url[origin.end() :]
    if port not in {None, ":443"}:
        return [url, host + rest]
    return [host + rest, f"{host}:443{rest}"]


@dataclass(frozen=True, slots=True)
class Handshake:
    """The parts of an opening handshake that its signature depends on.

    `token` is the query parameter of this name; `url` the public URL, as far as it can be known;
    `signature` and `settings` are headers, None without them.
    """

    token: str = field(repr=False)
    url: str = field(repr=False)  # holds the token too
    signature: str | None = field(repr=False)
    settings: str | None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read the event of API Gateway's authorizer.

        Without CloudFront's headers the URL is API Gateway's own, `wss://<host>/<stage>?<query>`.
        """
        # API Gateway keeps the case of the names; behind some custom domains they are lower case.
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        if HOST_HEADER in headers and PATH_HEADER in headers:
            url = f"wss://{headers[HOST_HEADER]}{headers[PATH_HEADER]}"
        else:
            context = event["requestContext"]
            given = event.get("multiValueQueryStringParameters") or {}
            query = urlencode(given, doseq=True, errors="replace")
            host = headers.get("host") or context["domainName"]
            url = f"wss://{host}/{context['stage']}?{query}"
        return cls(
            token=(event.get("queryStringParameters") or {}).get("token", ""),
            url=url,
            signature=headers.get(_SIGNATURE_HEADER),
            settings=headers.get(_SETTINGS_HEADER),
        )

    @property
    def url_holds_token(self) -> bool:
        """Whether the token that opens the connection is the one in the public URL."""
        path, _, query = self.url.partition("?")
        in_path = path.rstrip("/").rpartition("/")[2]
        return self.token in {in_path, *parse_qs(query).get("token", [])}

    @property
    def by_auth_token(self) -> bool:
        """Whether an auth token made the signature, and not a shared key."""
        named = [
            value.strip()
            for part in (self.settings or "").split(",")
            for name, _, value in [part.partition("=")]
            if name.strip() == "algorithm"
        ]
        return set(named) <= {_ALGORITHM}


def check(
    handshake: Handshake, token: StreamToken, auth_token: Callable[[str], str | None]
) -> None:
    """Check the signature of a handshake as the tenant demands.

    `off`: accept every handshake. `on`: accept a valid signature, and handshakes without one, as
    other carriers send them. `required`: accept a valid signature only.

    Args:
        handshake: the handshake that brought `token`.
        token: the verified token.
        auth_token: reads a tenant's Twilio auth token; None if the tenant has none. It is called
            only if there is a signature to check.

    Raises:
        TokenRejected: the signature is missing, wrong, of another kind or for another token, or the
            tenant's auth token is missing; and what `auth_token` raises.
    """
    if token.twilio_signature == "off":
        return
    if handshake.signature is None:
        if token.twilio_signature == "on":
            return
        raise TokenRejected("twilio_signature_missing")
    if not handshake.by_auth_token:
        raise TokenRejected("twilio_signature_algorithm")
    if not handshake.url_holds_token:
        raise TokenRejected("twilio_signature_of_another_url")
    secret = auth_token(token.tenant_id)
    if secret is None:
        raise TokenRejected("twilio_auth_token_missing")
    if not is_signed(handshake.url, handshake.signature, secret):
        raise TokenRejected("twilio_signature_wrong")
