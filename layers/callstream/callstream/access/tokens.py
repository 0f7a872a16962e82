"""Stream tokens: the short-lived JWTs inside media URLs, and the ring of keys that signs them.

HS256 with at least 32 bytes of key, `kid` in the header, and a fixed list of algorithms. Claims:
`iss`, `aud`, `sub` (tenant), `iat`, `nbf`, `exp`, `jti`, `route` (what the stream is for) and
`use` (`many`: any number of streams until it expires, as ASAPP documents; `once`: exactly one).
Two more may be there: `attributes`, a map of texts that goes with the stream, and
`twilio_signature` (`on`, `required`; absent means `off`: `callstream.access.twilio_signature`).

A rotation adds a key. The new key signs as soon as it is older than any function's copy of the
ring, so that every verifier knows the key by then; no function has to read the ring again because
of an unknown key id. Old keys verify until every URL that they signed has expired, so that old URLs
stay valid and an operator can rotate twice in a minute.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from secrets import token_hex, token_urlsafe
from typing import Final, Self

import jwt

from callstream.errors import TokenRejected
from callstream.identity import StreamToken, TwilioSignature, Use

LIFETIME: Final = timedelta(minutes=5)
# Functions may keep a ring this long before they read it again.
RING_CACHE: Final = timedelta(seconds=60)
MAX_TOKEN_LENGTH: Final = 2048

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "callstream"
_AUDIENCE: Final = "callstream/media"
_REQUIRED: Final = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "route", "use"]
_CLOCK_SKEW: Final = timedelta(seconds=2)
_KEY_BYTES: Final = 48
_MIN_KEY_BYTES: Final = 32
_KID_TIME: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key; `created_at` is None for the key that the deployment generated."""

    kid: str
    secret: str
    created_at: datetime | None

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r}, secret='********')"


class KeyRing:
    """The signing keys of a deployment. The newest key that all verifiers know signs; all verify.

    Its stored form is the JSON object `{KID: SECRET, …}`, whose first key CloudFormation generates;
    the kids of later keys start with their time of creation.
    """

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        oldest = datetime.min.replace(tzinfo=UTC)
        self._keys = {
            key.kid: key for key in sorted(keys, key=lambda key: key.created_at or oldest)
        }

    @classmethod
    def from_secret(cls, secret: Mapping[str, str]) -> Self:
        """Read the stored form. Raises ValueError without keys, or if a key is too short."""
        if not secret or any(len(value) < _MIN_KEY_BYTES for value in secret.values()):
            raise ValueError(f"signing keys must be there and have {_MIN_KEY_BYTES} bytes or more")
        return cls(SigningKey(kid, value, _created_at(kid)) for kid, value in secret.items())

    def to_secret(self) -> dict[str, str]:
        """The stored form."""
        return {key.kid: key.secret for key in self._keys.values()}

    @property
    def kids(self) -> tuple[str, ...]:
        """The names of all keys, the newest last."""
        return tuple(self._keys)

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        """All keys, the newest last."""
        return tuple(self._keys.values())

    def rotated(self, now: datetime) -> Self:
        """A ring with one more key, and without the keys whose last URLs have expired.

        A key's last URL is signed when its successor begins to sign.
        """
        *replaced, newest = self._keys.values()
        kept = [
            key
            for key, successor in pairwise([*replaced, newest])
            if successor.created_at is None
            or now < successor.created_at + RING_CACHE + LIFETIME + _CLOCK_SKEW
        ]
        kid = f"{now.astimezone(UTC):{_KID_TIME}}-{token_hex(3)}"
        added = SigningKey(kid, token_urlsafe(_KEY_BYTES), _created_at(kid))
        return type(self)([*kept, newest, added])

    def signing_key(self, now: datetime) -> SigningKey:
        """The newest key that every verifier knows at this time."""
        *_, newest = (
            key
            for index, key in enumerate(self._keys.values())
            if index == 0 or key.created_at is None or key.created_at + RING_CACHE <= now
        )
        return newest

    def sign(
        self,
        *,
        tenant_id: str,
        route: str,
        use: Use,
        now: datetime,
        attributes: Mapping[str, str] | None = None,
        twilio_signature: TwilioSignature = "off",
    ) -> str:
        """Mint a token for one tenant and route."""
        claims: dict[str, object] = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": tenant_id,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "jti": token_hex(16),
            "route": route,
            "use": use,
        }
        if attributes:
            claims["attributes"] = dict(attributes)
        if twilio_signature != "off":
            claims["twilio_signature"] = twilio_signature
        key = self.signing_key(now)
        return jwt.encode(claims, key.secret, _ALGORITHM, headers={"kid": key.kid})

    def verify(self, token: str) -> StreamToken:
        """Check a token's form, signature, times, issuer, audience and claims.

        Raises:
            TokenRejected: for every token that did not come from `sign` in the last five minutes.
        """
        key = self._keys.get(_kid(token))
        if key is None:
            raise TokenRejected("unknown_key")
        try:
            claims = jwt.decode(
                token,
                key.secret,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                leeway=_CLOCK_SKEW,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
            return StreamToken(
                token_id=_text(claims["jti"]),
                tenant_id=_text(claims["sub"]),
                route=_text(claims["route"]),
                use=_use(claims["use"]),
                expires_at=datetime.fromtimestamp(claims["exp"], UTC),
                attributes=_texts(claims.get("attributes", {})),
                twilio_signature=_twilio_signature(claims.get("twilio_signature", "off")),
            )
        except jwt.InvalidTokenError as error:
            raise TokenRejected(_reason(error)) from None
        except (TypeError, ValueError, OverflowError, OSError):  # times that are no times
            raise TokenRejected("bad_claim") from None


def _kid(token: str) -> str:
    if len(token) > MAX_TOKEN_LENGTH:
        raise TokenRejected("too_long")
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.InvalidTokenError, UnicodeError):  # the latter for a lone surrogate
        raise TokenRejected("not_a_token") from None
    if not isinstance(kid, str):
        raise TokenRejected("unknown_key")
    return kid


def _created_at(kid: str) -> datetime | None:
    try:
        return datetime.strptime(kid.partition("-")[0], _KID_TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TokenRejected("bad_claim")
    return value


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TokenRejected("bad_claim")
    return {_text(name): _text(text) for name, text in value.items()}


def _use(value: object) -> Use:
    if value == "once" or value == "many":  # noqa: PLR1714 - so that mypy narrows to the literals
        return value
    raise TokenRejected("bad_claim")


def _twilio_signature(value: object) -> TwilioSignature:
    # An unreadable value must not count as "off".
    match value:
        case "off" | "on" | "required":
            return value
        case _:
            raise TokenRejected("bad_claim")


_REASONS: Final[dict[type[jwt.InvalidTokenError], str]] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not_yet_valid",
    jwt.InvalidAudienceError: "wrong_audience",
    jwt.InvalidIssuerError: "wrong_issuer",
    jwt.MissingRequiredClaimError: "missing_claim",
    jwt.InvalidAlgorithmError: "wrong_algorithm",
    jwt.InvalidSignatureError: "wrong_signature",
}


def _reason(error: jwt.InvalidTokenError) -> str:
    return _REASONS.get(type(error), "not_a_token")
