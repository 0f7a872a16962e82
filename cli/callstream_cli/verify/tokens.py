"""Which tokens open a connection: good ones, and none that is forged, too old or used up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from callstream.access.tokens import LIFETIME, KeyRing, SigningKey
from callstream.access.twilio_signature import sign
from callstream_cli.verify.findings import Finding, judged

OPENED: Final = 101
REFUSED: Final = frozenset({401, 403})
_PATIENCE_SECONDS: Final = 30


async def handshake(url: str, headers: Mapping[str, str] | None = None) -> int:
    """The status with which a media URL answers the opening handshake; 0 if there is no answer."""
    try:
        async with connect(
            url,
            additional_headers=dict(headers or {}),
            proxy=None,
            compression=None,
            open_timeout=_PATIENCE_SECONDS,
        ):
            return OPENED
    except InvalidStatus as refused:
        return refused.response.status_code
    except (OSError, InvalidHandshake):
        return 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A connection that is tried, and whether it should be opened."""

    check: str
    url: str
    opens: bool
    headers: Mapping[str, str] | None = None

    async def finding(self) -> Finding:
        """Try it."""
        return answered(self.check, await handshake(self.url, self.headers), opens=self.opens)


def answered(check: str, status: int, *, opens: bool) -> Finding:
    """Judge the status of a handshake."""
    seen = "no answer" if not status else f"answered with HTTP {status}"
    if opens:
        wrong = [f"refused: {seen}"] * (status != OPENED)
        return judged(check, wrong, "opened", status=status)
    wrong = [f"not refused: {'opened' if status == OPENED else seen}"] * (status not in REFUSED)
    return judged(check, wrong, f"refused with HTTP {status}", status=status)


def attempts(once: str, many: str, ring: KeyRing, tenant_id: str, other_id: str) -> list[Attempt]:
    """What is tried, in this order.

    Args:
        once: a media URL that opens one stream, and has opened none.
        many: a media URL that opens any number of streams.
        ring: the deployment's signing keys.
        tenant_id: the tenant of both URLs.
        other_id: another tenant.
    """
    token = token_of(many)
    header, claims, signature = token.split(".")
    now = datetime.now(UTC)

    def signed(keys: KeyRing, at: datetime) -> str:
        return keys.sign(tenant_id=tenant_id, route="genagent", use="many", now=at)

    of_other = ring.sign(tenant_id=other_id, route="genagent", use="many", now=now).split(".")[1]
    key = ring.signing_key(now)
    forged_ring = KeyRing([SigningKey(key.kid, "x" * len(key.secret), key.created_at)])
    unknown_ring = KeyRing([SigningKey("unknown", "x" * 64, None)])
    refused = {
        "a token whose claims were changed": f"{header}.{of_other}.{signature}",
        "a token without its signature": f"{header}.{claims}.",
        "a token signed with another key": signed(forged_ring, now),
        "a token of another deployment": signed(unknown_ring, now),
        "an expired token": signed(ring, now - LIFETIME - timedelta(minutes=1)),
    }
    return [
        Attempt("a one-shot token, the first time", once, opens=True),
        Attempt("a one-shot token, again", once, opens=False),
        Attempt("a token for many streams, the first time", many, opens=True),
        Attempt("a token for many streams, again", many, opens=True),
        *(Attempt(check, many.replace(token, bad), opens=False) for check, bad in refused.items()),
        Attempt("no token", many.replace(f"?token={token}", "").replace(token, ""), opens=False),
    ]


def signature_attempts(url: str, other: str, auth_token: str, *, is_local: bool) -> list[Attempt]:
    """What is tried of a tenant whose handshakes Twilio must sign.

    Args:
        url: a media URL of the tenant.
        other: another one.
        auth_token: of the tenant's account at Twilio.
        is_local: whether the URL is the local stack's, whose own path Twilio would not know.
    """
    if is_local:
        # The local stack takes a token in the path too, as CloudFront does.
        url, other = (each.replace("?token=", "/") for each in (url, other))

    def by(signer: str, of: str) -> Mapping[str, str]:
        return {"X-Twilio-Signature": sign(of.replace("ws://", "wss://"), signer)}

    return [
        Attempt("Twilio's signature", url, opens=True, headers=by(auth_token, url)),
        Attempt("no signature of Twilio's", url, opens=False),
        Attempt(
            "Twilio's signature with another auth token", url, opens=False, headers=by("wrong", url)
        ),
        Attempt(
            "Twilio's signature of another URL", url, opens=False, headers=by(auth_token, other)
        ),
    ]


def token_of(url: str) -> str:
    """The token in a media URL."""
    parts = urlsplit(url)
    return parts.query.rpartition("token=")[2] or parts.path.rpartition("/")[2]
