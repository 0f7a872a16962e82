"""Who may open a media WebSocket: decided before the handshake ends."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from callstream.adapters.secrets import rotate_signing_keys
from callstream.tokens import LIFETIME, MAX_TOKEN_LENGTH, KeyRing
from callstream_cli.local import aws
from tests.stack.conftest import DeployedStack

REFUSED = {401, 403}


def now() -> datetime:
    return datetime.now(UTC)


def claims(**changes: Any) -> dict[str, Any]:
    return {
        "iss": "callstream",
        "aud": "callstream/media",
        "sub": "demo",
        "iat": now(),
        "nbf": now(),
        "exp": now() + LIFETIME,
        "jti": "hand-made",
        "route": "genagent",
        "use": "many",
    } | changes


def sign(ring: KeyRing, payload: dict[str, Any], *, algorithm: str = "HS256") -> str:
    kid = ring.kids[0]
    key = ring.to_secret()[kid] if algorithm != "none" else ""
    return jwt.encode(payload, key, algorithm, headers={"kid": kid})


def handshake(stack: DeployedStack, token: str) -> int:
    """The status with which the handshake ends; 101 is a WebSocket."""
    try:
        with connect(stack.media_url(token), proxy=None, compression=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def without(claim: str) -> dict[str, Any]:
    return {name: value for name, value in claims().items() if name != claim}


BAD: dict[str, Callable[[KeyRing], str]] = {
    "wrong key": lambda ring: jwt.encode(
        claims(), "x" * 64, "HS256", headers={"kid": ring.kids[0]}
    ),
    "unknown key": lambda _: jwt.encode(claims(), "x" * 64, "HS256", headers={"kid": "other"}),
    "alg none": lambda ring: sign(ring, claims(), algorithm="none"),
    "another algorithm": lambda ring: sign(ring, claims(), algorithm="HS512"),
    "expired": lambda ring: sign(ring, claims(exp=now() - timedelta(seconds=10))),
    "not yet valid": lambda ring: sign(ring, claims(nbf=now() + timedelta(minutes=1))),
    "wrong audience": lambda ring: sign(ring, claims(aud="callstream/else")),
    "wrong issuer": lambda ring: sign(ring, claims(iss="somebody")),
    "oversized": lambda ring: sign(ring, claims(pad="x" * MAX_TOKEN_LENGTH)),
    "garbage": lambda _: "garbage",
    "empty": lambda _: "",
    **{
        f"without {claim}": lambda ring, claim=claim: sign(ring, without(claim))  # type: ignore[misc]
        for claim in claims()
    },
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_token_is_refused(stack: DeployedStack, case: str) -> None:
    assert handshake(stack, BAD[case](stack.key_ring())) in REFUSED


def test_no_token_at_all_is_refused(stack: DeployedStack) -> None:
    url = stack.media_url("x").partition("?")[0]
    with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
        pass

    assert refused.value.response.status_code in REFUSED


def test_a_hand_made_token_with_all_claims_is_let_in(stack: DeployedStack) -> None:
    # So that each of the tokens above is refused for the one thing that is wrong with it.
    assert handshake(stack, sign(stack.key_ring(), claims())) == 101


def test_a_one_shot_token_opens_one_stream(stack: DeployedStack) -> None:
    token = stack.key_ring().sign(tenant_id="demo", route="genagent", use="once", now=now())

    assert handshake(stack, token) == 101
    assert handshake(stack, token) in REFUSED


def test_an_asapp_url_opens_many(stack: DeployedStack) -> None:
    path = "/mg-genagent/v1/twilio-media-stream-url"
    url = stack.asapp(path, stack.credentials()).body["streamingUrl"]
    token = url.partition("token=")[2]

    assert [handshake(stack, token) for _ in range(3)] == [101, 101, 101]


def test_old_urls_survive_a_rotation(stack: DeployedStack) -> None:
    def token() -> str:
        path = "/mg-autotranscribe/v1/twilio-media-stream-url"
        url: str = stack.asapp(path, stack.credentials()).body["streamingUrl"]
        return url.partition("token=")[2]

    old = token()
    with aws.talking_to(stack.description["aws_endpoint_url"]):
        ring = rotate_signing_keys(stack.outputs["SigningKeysSecretArn"], now())

    assert len(ring.kids) == 2
    assert handshake(stack, old) == 101
    assert handshake(stack, token()) == 101
