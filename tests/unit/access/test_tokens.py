"""Stream tokens: what opens a connection, and what does not."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import jwt
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from callstream.access.tokens import LIFETIME, RING_CACHE, KeyRing
from callstream.errors import TokenRejected
from callstream.identity import TwilioSignature

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = {"initial": "k" * 64}
RING = KeyRing.from_secret(SECRET)


def claims(**changes: Any) -> dict[str, Any]:
    return {
        "iss": "callstream",
        "aud": "callstream/media",
        "sub": "acme",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + LIFETIME,
        "jti": "0123",
        "route": "genagent",
        "use": "once",
    } | changes


def token(payload: dict[str, Any], key: str = SECRET["initial"], **options: Any) -> str:
    options = {"algorithm": "HS256", "headers": {"kid": "initial"}} | options
    return jwt.encode(payload, key, **options)


def crafted(header: dict[str, Any], key: str = SECRET["initial"]) -> str:
    """A token with any header, and a right signature."""

    def part(content: bytes) -> str:
        return urlsafe_b64encode(content).rstrip(b"=").decode()

    payload = token(claims()).split(".")[1]
    signed = f"{part(json.dumps(header).encode())}.{payload}"
    signature = hmac.digest(key.encode(), signed.encode(), "sha256")
    return f"{signed}.{part(signature)}"


def without(claim: str) -> dict[str, Any]:
    return {name: value for name, value in claims().items() if name != claim}


def sign(ring: KeyRing, now: datetime = NOW) -> str:
    return ring.sign(tenant_id="acme", route="genagent", use="many", now=now)


def test_token_has_the_claims_that_were_signed() -> None:
    with time_machine.travel(NOW, tick=False):
        verified = RING.verify(sign(RING))

    assert (verified.tenant_id, verified.route, verified.use) == ("acme", "genagent", "many")
    assert verified.expires_at == NOW + timedelta(minutes=5)


@pytest.mark.parametrize("mode", get_args(TwilioSignature))
def test_token_has_the_tenants_choice_about_twilios_signature(mode: TwilioSignature) -> None:
    text = RING.sign(tenant_id="acme", route="genagent", use="many", now=NOW, twilio_signature=mode)
    with time_machine.travel(NOW, tick=False):
        verified = RING.verify(text)

    assert verified.twilio_signature == mode
    assert verified.attributes == {}


def test_token_of_an_older_version_asks_for_no_signature() -> None:
    with time_machine.travel(NOW, tick=False):
        assert RING.verify(token(claims())).twilio_signature == "off"


def test_tokens_with_the_same_claims_differ() -> None:
    assert sign(RING) != sign(RING)


def test_verify_takes_a_hand_made_token_with_all_claims() -> None:
    with time_machine.travel(NOW, tick=False):
        assert RING.verify(token(claims())).use == "once"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (token(claims(), key="x" * 64), "wrong_signature"),
        (token(claims(), key="", algorithm="none"), "wrong_algorithm"),
        (token(claims(), algorithm="HS512"), "wrong_algorithm"),
        (token(claims(), headers={"kid": "other"}), "unknown_key"),
        (token(claims(), headers={}), "unknown_key"),
        (
            token(claims(iat=NOW - LIFETIME, nbf=NOW - LIFETIME, exp=NOW - timedelta(seconds=3))),
            "expired",
        ),
        (token(claims(nbf=NOW + timedelta(seconds=30))), "not_yet_valid"),
        (token(claims(aud="somebody/else")), "wrong_audience"),
        (token(claims(iss="somebody else")), "wrong_issuer"),
        (token(claims(use="twice")), "bad_claim"),
        (token(claims(route="")), "bad_claim"),
        (token(claims(twilio_signature="maybe")), "bad_claim"),
        (token(claims(twilio_signature=None)), "bad_claim"),
        (token(claims(twilio_signature=["required"])), "bad_claim"),
        *[(token(without(name)), "missing_claim") for name in claims()],
        (token(claims(exp=str(int(NOW.timestamp()) + 60))), "bad_claim"),
        (token(claims(exp=1e18)), "bad_claim"),
        (token(claims(exp=[])), "not_a_token"),
        (token(claims(exp=float("inf"))), "not_a_token"),
        (token(claims(iat=float("-inf"))), "not_a_token"),
        (token(claims(nbf={})), "not_a_token"),
        ("", "not_a_token"),
        ("garbage", "not_a_token"),
        ("a.b.c", "not_a_token"),
        ("é\x00.é.é", "not_a_token"),
        ("a.\ud800.c", "not_a_token"),
        (token(claims()) + "\udfff", "not_a_token"),
        (token(claims(pad="x" * 2048)), "too_long"),
    ],
)
def test_verify_rejects_a_bad_token_with_the_reason(text: str, reason: str) -> None:
    with time_machine.travel(NOW, tick=False), pytest.raises(TokenRejected) as caught:
        RING.verify(text)

    assert caught.value.reason == reason


HEADER = {"alg": "HS256", "typ": "JWT", "kid": "initial"}
KIDS: tuple[object, ...] = (
    *(None, [], ["initial"], {}, 7, True, "", "Initial", "initial\x00", "../initial", "/dev/null"),
    "x' UNION SELECT 'key",
)
ALGORITHMS = (None, "", "none", "None", "NONE", "hs256", "HS384", "RS256", "ES256", "EdDSA")
HEADERS: dict[str, dict[str, Any]] = {
    **{f"kid {kid!r}": HEADER | {"kid": kid} for kid in KIDS},
    **{f"alg {name!r}": HEADER | {"alg": name} for name in ALGORITHMS},
    "crit": HEADER | {"crit": ["exp"], "exp": 0},
    "b64": HEADER | {"b64": False, "crit": ["b64"]},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_verify_rejects_a_token_with_a_hostile_header(header: dict[str, Any]) -> None:
    with time_machine.travel(NOW, tick=False):
        # So that it is the header for which a token is refused.
        assert RING.verify(crafted(HEADER)).tenant_id == "acme"
        with pytest.raises(TokenRejected):
            RING.verify(crafted(header))


@pytest.mark.parametrize("name", ["jwk", "jku", "x5c", "x5u"])
def test_verify_takes_no_key_from_the_token(name: str) -> None:
    theirs = "x" * 64
    key = {"kty": "oct", "k": urlsafe_b64encode(theirs.encode()).decode()}

    with time_machine.travel(NOW, tick=False), pytest.raises(TokenRejected) as caught:
        RING.verify(crafted(HEADER | {name: key}, theirs))
    assert caught.value.reason == "wrong_signature"


@pytest.mark.parametrize("secret", [{}, {"weak": "k" * 31}, {"good": "k" * 32, "weak": ""}])
def test_key_ring_needs_keys_of_32_bytes(secret: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeyRing.from_secret(secret)


@given(position=st.integers(min_value=0), replacement=st.characters())
def test_verify_rejects_a_tampered_token(position: int, replacement: str) -> None:
    with time_machine.travel(NOW, tick=False):
        good = sign(RING)
        index = position % len(good)
        bad = good[:index] + replacement + good[index + 1 :]
        try:
            verified = RING.verify(bad)
        except TokenRejected:
            return
        # The last character of a base64url part holds bits that mean nothing.
        assert verified == RING.verify(good)


def kid_of(text: str) -> str:
    kid: str = jwt.get_unverified_header(text)["kid"]
    return kid


def test_a_new_key_signs_when_every_verifier_knows_it() -> None:
    rotated = RING.rotated(NOW)

    assert kid_of(sign(rotated, NOW)) == "initial"
    assert kid_of(sign(rotated, NOW + RING_CACHE - timedelta(seconds=1))) == "initial"
    assert kid_of(sign(rotated, NOW + RING_CACHE)) == rotated.kids[-1] != "initial"


def test_an_old_key_verifies_until_its_last_url_has_expired() -> None:
    rotated = RING.rotated(NOW)
    last_signed_at = NOW + RING_CACHE - timedelta(seconds=1)
    url = sign(RING, last_signed_at)

    with time_machine.travel(last_signed_at + LIFETIME - timedelta(seconds=1), tick=False):
        again = rotated.rotated(datetime.now(UTC))
        assert again.verify(url) == RING.verify(url)

    assert "initial" not in rotated.rotated(NOW + RING_CACHE + LIFETIME + timedelta(seconds=2)).kids


def test_rotating_twice_in_a_minute_keeps_the_key_that_signs() -> None:
    twice = RING.rotated(NOW).rotated(NOW + timedelta(seconds=30))

    assert len(twice.kids) == 3
    assert kid_of(sign(twice, NOW + timedelta(seconds=59))) == "initial"
    assert kid_of(sign(twice, NOW + timedelta(seconds=61))) == twice.kids[1]
    assert kid_of(sign(twice, NOW + timedelta(seconds=91))) == twice.kids[2]


def test_key_ring_is_the_same_after_it_was_stored() -> None:
    ring = RING.rotated(NOW)

    assert KeyRing.from_secret(ring.to_secret()).kids == ring.kids
    assert all(len(value) >= 64 for value in ring.to_secret().values())


def test_signing_key_does_not_show_its_secret() -> None:
    assert SECRET["initial"] not in repr(vars(RING))
