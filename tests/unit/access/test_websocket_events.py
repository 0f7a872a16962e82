"""API Gateway's WebSocket events, and the errors that a message route must not raise."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from callstream.access.websocket_events import (
    authorizer_context,
    identity_of,
    known_identity_of,
    logged,
    received_at,
    role_of,
    token_of,
)
from callstream.errors import IllegalTransition, LimitReached, Unavailable
from callstream.identity import StreamIdentity, StreamToken, Use

STREAM = StreamIdentity("stream-1", "acme", "inbox")
EXPIRES_AT = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)


def token(use: Use = "once") -> StreamToken:
    return StreamToken("token-1", "acme", "inbox", use, EXPIRES_AT, {"inbox": "Größe 5"})


def message(verified: StreamToken) -> dict[str, Any]:
    """A message on the connection that a token has opened."""
    context = authorizer_context(STREAM, verified)
    return {"requestContext": {"authorizer": context, "requestTimeEpoch": 1_795_262_400_123}}


def test_authorizer_context_has_strings_only() -> None:
    context = authorizer_context(STREAM, token())
    assert all(type(value) is str for value in context.values())


@pytest.mark.parametrize("use", ["once", "many"])
def test_every_message_has_the_stream_and_the_token_of_its_connection(use: Use) -> None:
    event = message(token(use))

    assert identity_of(event) == STREAM
    assert token_of(event) == token(use)


def test_token_of_takes_an_unknown_use_for_the_stricter_one() -> None:
    event = message(token("many"))
    event["requestContext"]["authorizer"]["tokenUse"] = "twice"

    assert token_of(event).use == "once"


def test_known_identity_is_missing_without_the_context_of_the_authorizer() -> None:
    assert known_identity_of(message(token())) == STREAM
    for authorizer in ({}, {"authorizer": {"principalId": "acme"}}, {"authorizer": None}):
        assert known_identity_of({"requestContext": authorizer}) is None


@pytest.mark.parametrize(
    ("arn", "role"),
    [
        ("arn:aws:sts::123456789012:assumed-role/relay/callstream-relay", "relay"),
        ("arn:aws-us-gov:sts::123456789012:assumed-role/relay/a/b", "relay"),
        ("arn:aws:iam::123456789012:role/relay", None),
        ("arn:aws:iam::123456789012:user/assumed-role/relay/x", None),
        ("arn:aws:sts::123456789012:federated-user/relay", None),
        ("arn:aws:sts::123456789012:assumed-role/relay", None),
        ("arn:aws:iam::123456789012:root", None),
        ("", None),
        (None, None),
    ],
)
def test_role_of_a_handshake_is_that_of_an_assumed_role(arn: str | None, role: str | None) -> None:
    assert role_of({"requestContext": {"identity": {"userArn": arn}}}) == role
    assert role_of({"requestContext": {}}) is None


def test_received_at_is_api_gateways_time_in_milliseconds() -> None:
    assert received_at(message(token())) == 1_795_262_400_123


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [Unavailable("dynamodb", "Down"), KeyError("defect")])
def test_logged_logs_an_error_under_the_name_of_the_failure(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    with logged("state lost", "stream-1"):
        fail(error)

    [record] = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "state lost")
    assert record.stream_id == "stream-1"  # type: ignore[attr-defined]
    assert record.exc_info is not None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            IllegalTransition("closed", "start"),
            "state not changed: 'start' is not allowed in state 'closed'",
        ),
        (LimitReached("streams_of_call", 500), "no room for a stream: streams_of_call: 500"),
    ],
)
def test_logged_only_warns_of_a_message_that_does_not_fit_the_state_or_a_limit(
    caplog: pytest.LogCaptureFixture, error: Exception, message: str
) -> None:
    with logged("state lost", "stream-1"):
        fail(error)

    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message == message


def test_logged_lets_the_function_be_stopped() -> None:
    with pytest.raises(KeyboardInterrupt), logged("state lost", "stream-1"):
        fail(KeyboardInterrupt())
