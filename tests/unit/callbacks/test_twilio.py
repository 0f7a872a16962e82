"""Twilio's StatusCallbacks, as documented and as the SDK verifies them."""

import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import pytest
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from callstream.callbacks import twilio
from callstream.callbacks.forms import sign_form
from callstream.callbacks.handshakes import HANDSHAKES
from callstream.callbacks.model import UNREACHABLE, CallbackRequest, RelayCallback
from tests.unit.callbacks.scenes import MASTER, NOW, STATUS, TENANT, signalwire_callback

STREAM = "MZ7a2f7b1e2f0e4a0b9a550d6bd1b2a001"
AUTH_TOKEN = twilio.verification_key(MASTER, "acme")["auth_token"]


def callback(event: Any = "started", reason: str | None = None, **fields: Any) -> RelayCallback:
    fields = {"surface": "twilio", "relay_id": STREAM} | fields
    return signalwire_callback(event, reason, **fields)


def test_parameters_are_as_documented() -> None:
    request = twilio.request(callback(), TENANT, 1, STATUS)

    assert (request.method, request.url) == ("POST", STATUS)
    assert request.headers == {"content-type": "application/x-www-form-urlencoded"}
    assert dict(parse_qsl(request.body.decode(), strict_parsing=True)) == {
        "AccountSid": "ACb08dacad00004de193d6cc732e0c0001",
        "CallSid": "v3:example-call-control-id",
        "StreamEvent": "stream-started",
        "StreamName": "my-stream",
        "StreamSid": STREAM,
        "Timestamp": "2026-08-21T10:15:00.123Z",
    }


@pytest.mark.parametrize(
    ("reason", "stream_error"),
    [
        *((reason, r"319\d\d: Stream - WebSocket - .+") for reason in sorted(UNREACHABLE)),
        ("invalid_url", "31904: Stream - WebSocket - Host Unreachable"),
        ("closed", "31903: Stream - WebSocket - Connection Broken Pipe"),
        ("feed_lost", "Stream - Internal Error"),
        (None, "Stream - Internal Error"),
    ],
)
def test_stream_error_has_the_documented_code_and_title(
    reason: str | None, stream_error: str
) -> None:
    request = twilio.request(callback("failed", reason, name=None), TENANT, 1, STATUS)

    form = parse_qs(request.body.decode())
    assert form["StreamEvent"] == ["stream-error"]
    assert re.fullmatch(stream_error, form["StreamError"][0])
    assert form["StreamName"] == [STREAM]


def test_stream_error_is_for_failures_alone() -> None:
    request = twilio.request(callback("stopped", "closed"), TENANT, 1, STATUS)

    assert "StreamError" not in parse_qs(request.body.decode())


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("event", ["started", "stopped", "failed"])
@pytest.mark.parametrize("url", [STATUS, "https://app.example.com:8443/status"])
def test_sdk_accepts_signed_callbacks(method: str, event: str, url: str) -> None:
    unsigned = callback(event, status_callback_method=method, name="naïve & 100 %")
    request = twilio.sign(twilio.request(unsigned, TENANT, 1, url), MASTER, "acme", NOW)
    form = dict(parse_qsl(request.body.decode()))
    signature = request.headers["x-twilio-signature"]
    validator = RequestValidator(AUTH_TOKEN)

    assert validator.validate(request.url, form, signature)
    assert not validator.validate(request.url, form | {"StreamEvent": "other"}, signature)
    assert not validator.validate(request.url + "x", form, signature)
    assert not RequestValidator(AUTH_TOKEN[::-1]).validate(request.url, form, signature)
    assert "x-signalwire-signature" not in request.headers


@pytest.mark.parametrize(
    "url", ["wss://gw.example.com/media", "wss://gw.example.com:8443/media/", "wss://203.0.114.7"]
)
def test_sdk_accepts_signed_handshakes(url: str) -> None:
    headers = HANDSHAKES["twilio"](url, MASTER, "acme")

    [(name, signature)] = headers.items()
    assert name == "x-twilio-signature"
    assert RequestValidator(AUTH_TOKEN).validate(url, {}, signature)
    assert not RequestValidator(AUTH_TOKEN).validate(f"{url}x", {}, signature)


def test_signature_of_a_handshake_is_over_its_url() -> None:
    # Computed apart from this code, for Twilio's algorithm and the key 12345.
    request = CallbackRequest(method="GET", url="wss://gw.example.com/media")

    assert sign_form(request, "12345", ["a"]).headers == {"a": "EaUrJnXeOdQbckRcqHzor+8Gtsk="}


def test_auth_token_has_twilios_form() -> None:
    assert re.fullmatch("[0-9a-f]{32}", AUTH_TOKEN)
    assert twilio.verification_key(MASTER, "other")["auth_token"] != AUTH_TOKEN
