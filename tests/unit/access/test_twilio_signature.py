"""Twilio's signature on handshakes: what is right, and which handshakes need one."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from hmac import digest
from itertools import product
from typing import Any, get_args

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from callstream.access.media_urls import MediaUrls
from callstream.access.tokens import KeyRing
from callstream.access.twilio_signature import Handshake, check, is_signed, sign
from callstream.errors import TokenRejected
from callstream.identity import StreamToken, TwilioSignature
from callstream.surfaces.asapp import GiveMediaUrl, GiveStreamingUrl
from callstream.surfaces.asapp_models import StreamingUrlBody
from callstream.surfaces.clerk import ConnectBody, GiveConnectUrl
from callstream.surfaces.pipeline import Command
from callstream.tenants.directory import ROUTES, Inbox, Tenant
from tests import template

KEY = "12345"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOST = "gw.example.com"
# Computed outside of this code, with the key above.
VECTORS = {
    "wss://gw.example.com/media": "EaUrJnXeOdQbckRcqHzor+8Gtsk=",
    "wss://gw.example.com/media/": "ecRPTWAi5CQuAiLbSzs00z3K3yM=",
    "https://gw.example.com/media": "D5bKcQqXJ2LTMr0GxcFA/g9cWTk=",
    "wss://gw.example.com:8443/media": "cqjzFv42J2GX2DayC1brZxRvgHE=",
    "wss://gw.example.com:443/media": "bTANdF0quraHvcatAs0m4zU8ZeM=",
}
# Signed for the second, good at the first: they differ only in a port that says nothing.
SAME_BUT_FOR_THE_PORT = {
    ("wss://gw.example.com/media", "wss://gw.example.com:443/media"),
    ("wss://gw.example.com:443/media", "wss://gw.example.com/media"),
    ("wss://gw.example.com:8443/media", "wss://gw.example.com/media"),
}


def event(headers: Mapping[str, str]) -> dict[str, Any]:
    """What API Gateway asks the authorizer, as far as signatures go."""
    token = "a.b.c"
    return {
        "headers": {"Host": "api.example.com", **headers},
        "queryStringParameters": {"token": token},
        "multiValueQueryStringParameters": {"token": [token]},
        "requestContext": {"domainName": "api.example.com", "stage": "media"},
    }


def public(path: str, *, host: str = HOST, **headers: str) -> Handshake:
    """A handshake that came through CloudFront."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Handshake.from_event(
        event({"x-callstream-host": host, "x-callstream-path": path, **named})
    )


def stream_token(mode: TwilioSignature) -> StreamToken:
    return StreamToken("token-1", "acme", "genagent", "once", NOW, twilio_signature=mode)


def refusal(
    handshake: Handshake, mode: TwilioSignature = "required", auth_token: str | None = KEY
) -> str | None:
    """Why a handshake is refused, None if it is not."""
    try:
        check(handshake, stream_token(mode), {"acme": auth_token}.__getitem__)
    except TokenRejected as rejected:
        return rejected.reason
    return None


class TestSignatures:
    @pytest.mark.parametrize(("url", "signature"), VECTORS.items())
    def test_vectors(self, url: str, signature: str) -> None:
        assert sign(url, KEY) == signature
        assert is_signed(url, signature, KEY)
        assert not is_signed(url, signature, "12346")

    @pytest.mark.parametrize(
        ("url", "signed"), [pair for pair in product(VECTORS, VECTORS) if pair[0] != pair[1]]
    )
    def test_one_urls_signature_is_not_anothers(self, url: str, signed: str) -> None:
        accepted = is_signed(url, VECTORS[signed], KEY)

        assert accepted is ((url, signed) in SAME_BUT_FOR_THE_PORT)

    @pytest.mark.parametrize("url", VECTORS)
    def test_twilios_own_library_signs_the_same(self, url: str) -> None:
        assert sign(url, KEY) == RequestValidator(KEY).compute_signature(url, {})

    @pytest.mark.parametrize(
        ("url", "signed"),
        [
            ("wss://[2001:db8::1]:443/media", "wss://[2001:db8::1]/media"),
            ("wss://[2001:db8::1]/media", "wss://[2001:db8::1]:443/media"),
            ("wss://gw.example.com", "wss://gw.example.com:443"),
            ("wss://gw.example.com:443?token=x", "wss://gw.example.com?token=x"),
            ("not a url", "not a url"),
        ],
    )
    def test_other_forms_of_urls(self, url: str, signed: str) -> None:
        assert is_signed(url, sign(signed, KEY), KEY)

    @pytest.mark.parametrize("signature", ["", "é", "\ud800", "=", "EaUrJnXeOdQbckRcqHzor+8Gtsk"])
    def test_no_signature_is_too_strange_to_be_refused(self, signature: str) -> None:
        assert not is_signed("wss://gw.example.com/media", signature, KEY)
        assert not is_signed("wss://\ud800/", signature, KEY)

    @given(data=st.data(), replacement=st.characters())
    def test_a_tampered_url_is_refused(self, data: st.DataObject, replacement: str) -> None:
        url = data.draw(st.sampled_from(sorted(VECTORS)))
        index = data.draw(st.integers(0, len(url) - 1))
        tampered = url[:index] + replacement + url[index + 1 :]

        assert is_signed(tampered, VECTORS[url], KEY) is (tampered == url)

    @given(data=st.data(), replacement=st.characters())
    def test_a_tampered_signature_is_refused(self, data: st.DataObject, replacement: str) -> None:
        url = data.draw(st.sampled_from(sorted(VECTORS)))
        good = VECTORS[url]
        index = data.draw(st.integers(0, len(good) - 1))
        tampered = good[:index] + replacement + good[index + 1 :]

        assert is_signed(url, tampered, KEY) is (tampered == good)


class TestHandshakes:
    def test_the_public_url_is_what_cloudfront_was_asked_for(self) -> None:
        assert public("/media/a.b.c/?x=1").url == "wss://gw.example.com/media/a.b.c/?x=1"

    @pytest.mark.parametrize(
        "headers", [{}, {"x-callstream-host": HOST}, {"x-callstream-path": "/a.b.c"}]
    )
    def test_without_it_it_is_api_gateways_own(self, headers: dict[str, str]) -> None:
        handshake = Handshake.from_event(event(headers))

        assert handshake.url == "wss://api.example.com/media?token=a.b.c"

    def test_without_headers_and_query(self) -> None:
        bare = event({}) | {
            "headers": None,
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
        }
        handshake = Handshake.from_event(bare)

        assert handshake == Handshake("", "wss://api.example.com/media?", None, None)

    def test_no_query_is_too_strange_to_be_read(self) -> None:
        strange = event({}) | {"multiValueQueryStringParameters": {"token": ["\ud800"]}}

        assert Handshake.from_event(strange).url == "wss://api.example.com/media?token=%3F"

    def test_the_case_of_headers_does_not_matter(self) -> None:
        named = {"X-CallStream-Host": HOST, "X-CALLSTREAM-PATH": "/a.b.c"}
        handshake = Handshake.from_event(event(named | {"x-TWILIO-signature": "s"}))

        assert handshake == Handshake("a.b.c", "wss://gw.example.com/a.b.c", "s", None)

    @pytest.mark.parametrize(
        ("path", "holds"),
        [
            ("/a.b.c", True),
            ("/a.b.c/", True),
            ("/mg-twilio-genagent/twilio-media/a.b.c", True),
            ("/media?x=1&token=a.b.c", True),
            ("/a.b.c?x=1", True),
            ("/a.b.d", False),
            ("/xa.b.c", False),
            ("/a.b.c/more", False),
            ("/?token=a.b.d", False),
            ("/?tokens=a.b.c", False),
            ("", False),
            ("/", False),
        ],
    )
    def test_whether_the_url_holds_the_token(self, path: str, *, holds: bool) -> None:
        assert public(path).url_holds_token is holds


class TestCheck:
    PATH = "/mg-twilio-genagent/twilio-media/a.b.c"
    RIGHT = sign(f"wss://{HOST}{PATH}", KEY)
    WRONG = sign(f"wss://{HOST}{PATH}", "54321")

    @pytest.mark.parametrize("mode", get_args(TwilioSignature))
    def test_a_right_signature(self, mode: TwilioSignature) -> None:
        assert refusal(public(self.PATH, x_twilio_signature=self.RIGHT), mode) is None

    @pytest.mark.parametrize(
        ("mode", "reason"),
        [
            ("off", None),
            ("on", "twilio_signature_wrong"),
            ("required", "twilio_signature_wrong"),
        ],
    )
    def test_a_wrong_signature(self, mode: TwilioSignature, reason: str | None) -> None:
        assert refusal(public(self.PATH, x_twilio_signature=self.WRONG), mode) == reason
        assert refusal(public(self.PATH, x_twilio_signature=""), mode) == reason

    @pytest.mark.parametrize(
        ("mode", "reason"),
        [("off", None), ("on", None), ("required", "twilio_signature_missing")],
    )
    def test_no_signature(self, mode: TwilioSignature, reason: str | None) -> None:
        assert refusal(public(self.PATH), mode) == reason

    @pytest.mark.parametrize(
        ("mode", "reason"),
        [
            ("off", None),
            ("on", "twilio_auth_token_missing"),
            ("required", "twilio_auth_token_missing"),
        ],
    )
    def test_no_auth_token(self, mode: TwilioSignature, reason: str | None) -> None:
        signed = public(self.PATH, x_twilio_signature=self.RIGHT)

        assert refusal(signed, mode, auth_token=None) == reason

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ("", None),
            ("key=k,algorithm=HMAC_SHA1", None),
            ("key=k,algorithm=HMAC_SHA256", "twilio_signature_algorithm"),
            ("algorithm = HMAC_SHA256", "twilio_signature_algorithm"),
            ("algorithm=HMAC_SHA1,algorithm=HMAC_SHA256", "twilio_signature_algorithm"),
            ("algorithm=", "twilio_signature_algorithm"),
        ],
    )
    def test_a_signature_of_another_kind(self, settings: str, reason: str | None) -> None:
        headers = {
            "x_twilio_signature": self.RIGHT,
            "x_twilio_webhooks_signature_settings": settings,
        }
        for mode in ("on", "required"):
            assert refusal(public(self.PATH, **headers), mode) == reason
        assert refusal(public(self.PATH, **headers), "off") is None

    def test_a_shared_key_that_is_the_auth_token_does_not_help(self) -> None:
        made = digest(KEY.encode(), f"wss://{HOST}{self.PATH}".encode(), "sha256")
        headers = {"x_twilio_signature": b64encode(made).decode()}

        assert refusal(public(self.PATH, **headers)) == "twilio_signature_wrong"

    def test_a_signature_for_another_token_opens_nothing(self) -> None:
        other = "/mg-twilio-genagent/twilio-media/a.b.d"
        forged = public(other, x_twilio_signature=sign(f"wss://{HOST}{other}", KEY))

        assert refusal(forged) == "twilio_signature_of_another_url"
        assert refusal(forged, "on") == "twilio_signature_of_another_url"
        assert refusal(forged, "off") is None

    def test_the_auth_token_is_not_asked_for_in_vain(self) -> None:
        def never(_tenant_id: str) -> str:
            raise AssertionError("asked for")

        # Nothing is asserted: `never` would raise.
        signed = public(self.PATH, x_twilio_signature=self.RIGHT)
        check(signed, stream_token("off"), never)
        check(public(self.PATH), stream_token("on"), never)

    def test_an_outage_is_no_refusal(self) -> None:
        def fail(_tenant_id: str) -> str:
            raise ConnectionError

        with pytest.raises(ConnectionError):
            check(public(self.PATH, x_twilio_signature=self.RIGHT), stream_token("on"), fail)

    @given(data=st.data(), replacement=st.characters())
    def test_what_goes_round_cloudfront_cannot_tamper(
        self, data: st.DataObject, replacement: str
    ) -> None:
        url = f"{HOST}{self.PATH}"
        index = data.draw(st.integers(0, len(url) - 1))
        tampered = url[:index] + replacement + url[index + 1 :]
        host, path = tampered[: len(HOST)], tampered[len(HOST) :]

        reason = refusal(public(path, host=host, x_twilio_signature=self.RIGHT))
        assert (reason is None) is (tampered == url)


class TestMinting:
    """Every endpoint that mints URLs for carriers writes its tenant's choice into the token."""

    class Ring:
        @staticmethod
        def current() -> KeyRing:
            return KeyRing.from_secret({"initial": "k" * 64})

    class Inboxes:
        @staticmethod
        def inbox(tenant_id: str, external_id: str) -> Inbox:
            return Inbox(tenant_id=tenant_id, external_id=external_id)

    @pytest.mark.parametrize("mode", get_args(TwilioSignature))
    @pytest.mark.parametrize("endpoint", ["genagent", "autotranscribe", "streaming-url", "clerk"])
    def test_the_token_says_it(self, endpoint: str, mode: TwilioSignature) -> None:
        tenant = Tenant.model_validate(
            {
                "tenant_id": "acme",
                "name": "Acme",
                "project_id": "b08dacad-0000-4de1-93d6-cc732e0c0001",
                "callback_key_id": "x",
                "routes": ROUTES,
                "twilio_signature": mode,
            }
        )
        url = self.url(endpoint, tenant)
        token = url.removeprefix("wss://media.example.com/").rpartition("/")[2]

        if endpoint == "streaming-url":
            mode = "off"  # its client is not Twilio, and signs nothing
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims.get("twilio_signature", "off") == mode
        assert ("twilio_signature" in claims) is (mode != "off")
        assert "twilio_signature" not in claims.get("attributes", {})

    def url(self, endpoint: str, tenant: Tenant) -> str:
        urls = MediaUrls(self.Ring(), "wss://media.example.com/{path}/{token}")

        class CallerOf:
            def __init__(self) -> None:
                self.tenant = tenant

        def command(body: Any) -> Command[Any]:
            return Command(CallerOf(), body, {}, NOW)  # type: ignore[arg-type]

        match endpoint:
            case "clerk":
                give = GiveConnectUrl(self.Inboxes(), urls)  # type: ignore[arg-type]
                body = ConnectBody(inbox_external_id="inbox-1")
                return give(command(body)).data.connect_url
            case "streaming-url":
                return GiveStreamingUrl(urls, "offline")(command(StreamingUrlBody())).streaming_url
            case "genagent" | "autotranscribe":
                return GiveMediaUrl(endpoint, urls)(command(None)).streaming_url
        raise AssertionError(endpoint)


def test_the_authorizer_may_read_no_other_secrets() -> None:
    properties = template.load()["Resources"]["MediaAuthorizerFunction"]["Properties"]
    [policy] = properties["Policies"]
    [statement] = [each for each in policy["Statement"] if "secretsmanager" in str(each["Action"])]
    prefix = properties["Environment"]["Variables"]["CALLSTREAM_TWILIO_SECRETS_PREFIX"]["Fn::Sub"]

    assert statement["Action"] == "secretsmanager:GetSecretValue"
    keys, twilio = statement["Resource"]
    assert keys == {"Ref": "SigningKeys"}
    assert twilio["Fn::Sub"].endswith(f":secret:{prefix}*")
    assert prefix.startswith("${AWS::StackName}/")
    outputs = template.load()["Outputs"]
    assert outputs["TwilioSecretsPrefix"]["Value"]["Fn::Sub"] == prefix


def test_a_handshake_does_not_show_its_secrets() -> None:
    shown = repr(public("/a.b.c", x_twilio_signature="signed-so"))

    assert "a.b.c" not in shown
    assert "signed-so" not in shown
