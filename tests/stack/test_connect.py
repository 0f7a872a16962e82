"""Which handshakes open a media WebSocket, and which are refused."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import jwt
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from callstream.access.tokens import LIFETIME, MAX_TOKEN_LENGTH, KeyRing
from callstream.access.twilio_signature import HOST_HEADER, PATH_HEADER
from callstream.access.twilio_signature import sign as sign_as_twilio
from callstream.adapters.aws.secrets_manager import rotate_signing_keys
from callstream.identity import TwilioSignature
from callstream_cli.local import aws
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.signatures import set_twilio
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


def handshake(stack: DeployedStack, token: str, headers: Mapping[str, str] | None = None) -> int:
    """The status with which the handshake ends; 101 is a WebSocket."""
    return handshake_at(stack.media_url(token), headers)


def in_path(stack: DeployedStack, token: str) -> str:
    """The media URL in the form that Twilio takes: with the token at the end of the path."""
    return f"{stack.media_url('').partition('?')[0]}/mg-twilio-genagent/twilio-media/{token}"


def handshake_at(url: str, headers: Mapping[str, str] | None = None) -> int:
    try:
        with connect(url, additional_headers=headers, proxy=None, compression=None):
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
def test_bad_token_is_refused(stack: DeployedStack, case: str) -> None:
    assert handshake(stack, BAD[case](stack.key_ring())) in REFUSED


def test_missing_token_is_refused(stack: DeployedStack) -> None:
    url = stack.media_url("x").partition("?")[0]
    with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
        pass

    assert refused.value.response.status_code in REFUSED


@pytest.mark.parametrize("case", BAD)
def test_bad_token_in_the_path_is_refused(stack: DeployedStack, case: str) -> None:
    assert handshake_at(in_path(stack, BAD[case](stack.key_ring()))) in REFUSED


def test_token_in_the_path_opens_a_stream(stack: DeployedStack) -> None:
    token = sign(stack.key_ring(), claims())

    assert handshake_at(in_path(stack, token)) == 101
    assert handshake_at(f"{in_path(stack, token)}/?token=e30.e30.e30") == 101
    assert handshake_at(f"{in_path(stack, 'e30.e30.e30')}?token={token}") in REFUSED


def test_hand_made_token_with_all_claims_is_accepted(stack: DeployedStack) -> None:
    # So that each of the tokens above is refused for the one thing that is wrong with it.
    assert handshake(stack, sign(stack.key_ring(), claims())) == 101


def test_one_shot_token_opens_one_stream(stack: DeployedStack) -> None:
    token = stack.key_ring().sign(tenant_id="demo", route="genagent", use="once", now=now())

    assert handshake(stack, token) == 101
    assert handshake(stack, token) in REFUSED


def test_asapp_url_opens_many_streams(stack: DeployedStack) -> None:
    path = "/mg-genagent/v1/twilio-media-stream-url"
    url = stack.asapp(path, stack.credentials()).body["streamingUrl"]
    token = url.partition("token=")[2]

    assert [handshake(stack, token) for _ in range(3)] == [101, 101, 101]


def test_old_urls_stay_valid_after_a_rotation(stack: DeployedStack) -> None:
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


AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC_HOST = "media.example.com"


@pytest.fixture
def signed_tenant(stack: DeployedStack) -> Iterator[Callable[[TwilioSignature], str]]:
    """Makes a tenant of this mode; what it has from ASAPP's endpoint is a token."""
    made: list[str] = []

    def token(mode: TwilioSignature) -> str:
        with aws.talking_to(stack.description["aws_endpoint_url"]):
            administration = Administration(stack.outputs)
            tenant = administration.create_tenant(f"signed:{uuid4()}", "Signed")
            made.append(tenant.tenant_id)
            set_twilio(administration, tenant.tenant_id, mode, AUTH_TOKEN)
            issued = administration.create_credential(tenant, "asapp").shown
        path = "/mg-genagent/v1/twilio-media-stream-url"
        headers = {"asapp-api-id": issued["id"], "asapp-api-secret": issued["secret"]}
        url: str = stack.asapp(path, headers).body["streamingUrl"]
        return url.partition("token=")[2]

    yield token
    with aws.talking_to(stack.description["aws_endpoint_url"]):
        for tenant_id in made:
            Administration(stack.outputs).delete_tenant(tenant_id)


def through_cloudfront(path: str, *, auth_token: str | None = AUTH_TOKEN) -> dict[str, str]:
    """The headers of a handshake that Twilio signed, as CloudFront passes it on."""
    headers = {HOST_HEADER: PUBLIC_HOST, PATH_HEADER: path}
    if auth_token is not None:
        url = f"wss://{PUBLIC_HOST}{path}"
        headers["X-Twilio-Signature"] = sign_as_twilio(url, auth_token)
    return headers


def test_signature_is_required_if_the_tenant_requires_signatures(
    stack: DeployedStack, signed_tenant: Callable[[TwilioSignature], str]
) -> None:
    token = signed_tenant("required")
    path = f"/mg-twilio-genagent/twilio-media/{token}"

    assert handshake(stack, token, through_cloudfront(path)) == 101
    assert handshake(stack, token, through_cloudfront(f"{path}/")) == 101
    assert handshake(stack, token) in REFUSED
    assert handshake(stack, token, through_cloudfront(path, auth_token=None)) in REFUSED
    assert handshake(stack, token, through_cloudfront(path, auth_token="wrong")) in REFUSED
    of_another = through_cloudfront("/mg-twilio-genagent/twilio-media/a.b.c")
    assert handshake(stack, token, of_another) in REFUSED


def test_signature_covers_the_requested_url_with_the_token_in_its_path(
    stack: DeployedStack, signed_tenant: Callable[[TwilioSignature], str]
) -> None:
    url = in_path(stack, signed_tenant("required"))
    signed = sign_as_twilio(url.replace("ws://", "wss://"), AUTH_TOKEN)

    assert handshake_at(url, {"X-Twilio-Signature": signed}) == 101
    assert handshake_at(f"{url}/", {"X-Twilio-Signature": signed}) in REFUSED


def test_signature_must_be_right_if_the_tenant_checks_signatures(
    stack: DeployedStack, signed_tenant: Callable[[TwilioSignature], str]
) -> None:
    token = signed_tenant("on")

    assert handshake(stack, token) == 101
    assert handshake(stack, token, through_cloudfront(f"/{token}")) == 101
    assert handshake(stack, token, through_cloudfront(f"/{token}", auth_token="x")) in REFUSED


def test_signature_is_ignored_if_the_tenant_checks_none(
    stack: DeployedStack, signed_tenant: Callable[[TwilioSignature], str]
) -> None:
    token = signed_tenant("off")

    assert handshake(stack, token, through_cloudfront(f"/{token}", auth_token="x")) == 101


def test_signed_url_without_cloudfront_is_the_stages_url(
    stack: DeployedStack, signed_tenant: Callable[[TwilioSignature], str]
) -> None:
    token = signed_tenant("required")
    # The emulator has a path of its own before the stage, which no function is told.
    url = urlsplit(stack.media_url(token))
    signed = f"wss://{url.netloc}/media?token={token}"

    right, wrong = sign_as_twilio(signed, AUTH_TOKEN), sign_as_twilio(f"{signed}x", AUTH_TOKEN)
    assert handshake(stack, token, {"X-Twilio-Signature": right}) == 101
    assert handshake(stack, token, {"X-Twilio-Signature": wrong}) in REFUSED
