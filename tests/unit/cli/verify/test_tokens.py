"""Tokens that are tried, and the judgement of the answers."""

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus

import jwt
import pytest

from callstream.access.tokens import KeyRing
from callstream.access.twilio_signature import is_signed
from callstream.errors import TokenRejected
from callstream_cli.verify import tokens
from callstream_cli.verify.tokens import Attempt, answered, attempts, signature_attempts, token_of

RING = KeyRing.from_secret({"initial": "only-for-tests-of-verify" * 2})
TOKEN = RING.sign(tenant_id="caller", route="genagent", use="many", now=datetime.now(UTC))
URL = f"wss://media.example.com/path/{TOKEN}"


def tried() -> dict[str, Attempt]:
    made = attempts("wss://media.example.com/x/a.b.c", URL, RING, "caller", "consumer")
    return {attempt.check: attempt for attempt in made}


def test_token_is_found_in_path_and_query() -> None:
    assert token_of("wss://media.example.com/twilio-media/a.b.c") == "a.b.c"
    assert token_of("ws://127.0.0.1:1/_aws/x/media?token=a.b.c") == "a.b.c"


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ("a token whose claims were changed", "wrong_signature"),
        ("a token without its signature", "wrong_signature"),
        ("a token signed with another key", "wrong_signature"),
        ("a token of another deployment", "unknown_key"),
        ("an expired token", "expired"),
    ],
)
def test_bad_tokens_are_bad_in_one_way_each(check: str, reason: str) -> None:
    attempt = tried()[check]

    assert not attempt.opens
    with pytest.raises(TokenRejected) as rejected:
        RING.verify(token_of(attempt.url))
    assert rejected.value.reason == reason


def test_changed_claims_are_another_tenants() -> None:
    forged = token_of(tried()["a token whose claims were changed"].url)

    assert jwt.decode(forged, options={"verify_signature": False})["sub"] == "consumer"


def test_no_token_leaves_the_rest_of_the_url() -> None:
    local = attempts("ws://h/m?token=a.b.c", f"ws://h/m?token={TOKEN}", RING, "a", "b")

    assert tried()["no token"].url == "wss://media.example.com/path/"
    assert local[-1].url == "ws://h/m"


def test_signature_is_of_the_url_as_it_is_asked_for() -> None:
    good, missing, wrong, other = signature_attempts(URL, f"{URL}x", "secret", is_local=False)

    def signed(attempt: Attempt) -> bool:
        assert attempt.headers is not None
        return is_signed(attempt.url, attempt.headers["X-Twilio-Signature"], "secret")

    assert (good.opens, signed(good)) == (True, True)
    assert (missing.opens, missing.headers) == (False, None)
    assert (wrong.opens, signed(wrong)) == (False, False)
    assert (other.opens, signed(other)) == (False, False)
    [local, *_] = signature_attempts("ws://h/m?token=a.b.c", "ws://h/m?token=d", "s", is_local=True)
    assert local.url == "ws://h/m/a.b.c"


@pytest.mark.parametrize(
    ("status", "opens", "outcome"),
    [
        (101, True, "passed"),
        (403, True, "failed"),
        (0, True, "failed"),
        (401, False, "passed"),
        (403, False, "passed"),
        (101, False, "failed"),
        # A gateway that fails has not checked anything.
        (500, False, "failed"),
        (0, False, "failed"),
    ],
)
def test_answer_is_judged_by_its_status(status: int, *, opens: bool, outcome: str) -> None:
    assert answered("token", status, opens=opens).outcome == outcome


def test_attempt_is_judged_by_the_answer_it_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_url: str, _headers: object) -> int:
        return HTTPStatus.FORBIDDEN

    monkeypatch.setattr(tokens, "handshake", refuse)

    def outcome(*, opens: bool) -> str:
        return asyncio.run(Attempt("token", URL, opens=opens).finding()).outcome

    assert (outcome(opens=True), outcome(opens=False)) == ("failed", "passed")
