"""The channel to Google, and whom a key speaks for."""

import json
import logging
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from callstream.adapters.google.channel import credentials
from callstream.dialogues.virtual_agent import AgentFailed

AUDIENCE = "https://dialogflow.googleapis.com/"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_file(key: rsa.RSAPrivateKey, **changes: Any) -> str:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    fields = {
        "type": "service_account",
        "project_id": "calls-1",
        "private_key_id": "key-1",
        "private_key": pem.decode(),
        "client_email": "bot@calls-1.iam.gserviceaccount.com",
        "token_uri": "https://evil.example/token",
        "universe_domain": "evil.example",
        "trust_boundary": {"locations": ["evil"], "encoded_locations": "0x1"},
    }
    return json.dumps(fields | changes)


def test_key_signs_its_own_tokens_for_google_whatever_else_the_file_says(
    key: rsa.RSAPrivateKey,
) -> None:
    made = credentials(key_file(key))
    headers: dict[str, str] = {}
    made._create_self_signed_jwt(AUDIENCE)  # as gRPC's plugin does
    # Without anything to send a request with.
    made.before_request(None, "POST", AUDIENCE, headers)

    token = headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, key.public_key(), algorithms=["RS256"], audience=AUDIENCE)
    assert claims["iss"] == claims["sub"] == "bot@calls-1.iam.gserviceaccount.com"
    assert jwt.get_unverified_header(token)["kid"] == "key-1"
    assert made.universe_domain == "googleapis.com"
    assert "evil" not in repr(vars(made))


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "external_account"},
        {"type": "authorized_user"},
        {"type": None},
        {"private_key": "SECRET"},
        {"private_key": None},
        {"client_email": None},
    ],
)
def test_key_that_is_no_service_accounts_is_refused_and_not_quoted(
    key: rsa.RSAPrivateKey, changes: dict[str, Any]
) -> None:
    with pytest.raises(AgentFailed) as failed:
        credentials(key_file(key, **changes))

    assert (failed.value.reason, failed.value.remedy) == ("bad_key", "none")
    assert failed.value.__cause__ is None


@pytest.mark.parametrize("text", ["", "{", "[]", "\ud800"])
def test_key_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(AgentFailed):
        credentials(text)


def test_library_logs_no_messages_even_if_everything_else_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    for module in ("participants.transports.grpc", "sessions.transports.grpc"):
        logger = logging.getLogger(f"google.cloud.dialogflow_v2.services.{module}")
        assert not logger.isEnabledFor(logging.DEBUG)
