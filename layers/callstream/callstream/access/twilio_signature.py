"""Twilio's signature on the opening handshake of a media stream.

Twilio sends `X-Twilio-Signature` with the upgrade request: the base64 of the HMAC-SHA1, keyed with
the account's auth token, of the URL exactly as it stands in the TwiML, `wss` and trailing slash
included. (Sources: twilio.com, "Media Streams configuration" and "Webhooks security"; the algorithm
is twilio-python's `RequestValidator`.) Twilio and those between do not agree on the port, so the
URL is tried as it is, without its port, and with 443.

That URL is not what API Gateway is asked for: CloudFront moves the token from the path into the
query, and tells in two headers what it was asked for itself. Who goes round CloudFront can write
these headers too, and gains nothing by it: the signature is over the URL that they make, and
that URL must hold the very token that opens the connection.
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

# Set by the CloudFront function of template.yaml, whatever the client sent under these names.
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
    # What no URL can hold must not raise: it is a forger's, and does not match.
    text = url.encode(errors="surrogatepass")
    return b64encode(digest(auth_token.encode(), text, "sha1")).decode()


def is_signed(url: str, signature: str, auth_token: str) -> bool:
    """Whether `signature` is Twilio's for `url`, give or take its port; in constant time."""
    given = signature.encode(errors="surrogatepass")
    # All are compared, whichever is right.
    equal = [compare_digest(given, sign(form, auth_token).encode()) for form in _forms(url)]
    return any(equal)


def _forms(url: str) -> list[str]:
    """A URL as it is, without its port, and with the port that `wss` has anyway."""
    origin = _ORIGIN.match(url)
    if origin is None:
        return [url]
    host, port, rest = origin["host"], origin["port"], url[origin.end() :]
    if port not in {None, ":443"}:
        return [url, host + rest]
    return [host + rest, f"{host}:443{rest}"]


@dataclass(frozen=True, slots=True)
class Handshake:
    """What an opening handshake says that is about its signature.

    `token` is what was given as `?token=`; `url` the public URL, as far as it can be known;
    `signature` and `settings` are headers, None if they are not there.
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
        # API Gateway keeps the case of the names, or makes all small behind some custom domains.
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
        """Whether the signature is the one that an auth token makes, and not a shared key's."""
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
    """Let a handshake through if its signature is what the tenant asks for.

    `off`: whatever it is. `on`: right, or not there, as with the calls of other carriers.
    `required`: right.

    Args:
        handshake: the one that brought `token`.
        token: verified.
        auth_token: gives a tenant's Twilio auth token, None if it has none. Asked only if there is
            a signature to check.

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
