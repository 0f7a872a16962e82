"""SignalWire's StatusCallbacks, as documented and as the SDKs verify them."""

import importlib.util
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import pytest
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from callstream.callbacks import signalwire
from callstream.callbacks.forms import sign_form
from callstream.callbacks.model import (
    CallbackRequest,
)
from tests.template import ROOT
from tests.unit.callbacks.scenes import (
    MASTER,
    NOW,
    PROJECT,
    RELAY_ID,
    STATUS,
    TENANT,
    signalwire_callback,
)


def signalwire_validator(key: str) -> Any:
    """The validator of SignalWire's SDK, which builds upon Twilio's; from the SDK's environment."""
    [path] = ROOT.glob(".local/tools/signalwire-sdk/lib/*/site-packages/signalwire")
    source = Path(path) / "request_validator.py"
    spec = importlib.util.spec_from_file_location("signalwire_request_validator", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RequestValidator(key)


KEY = signalwire.verification_key(MASTER, "acme")["signing_key"]


def test_parameters_are_as_documented() -> None:
    request = signalwire.request(signalwire_callback(), TENANT, 1, STATUS)

    assert (request.method, request.url) == ("POST", STATUS)
    assert request.headers == {"content-type": "application/x-www-form-urlencoded"}
    assert dict(parse_qsl(request.body.decode(), strict_parsing=True)) == {
        "AccountSid": PROJECT,
        "CallSid": "v3:example-call-control-id",
        "StreamEvent": "stream-started",
        "StreamName": "my-stream",
        "StreamSid": RELAY_ID,
        "StreamTrack": "inbound_track",
        "Timestamp": "2026-08-21T10:15:00.123Z",
        "Unique-ID": "v3:example-call-control-id",
    }


@pytest.mark.parametrize(
    ("reason", "stream_error"),
    [
        ("invalid_url", "invalid_url"),
        ("refused", "connection_refused"),
        ("timeout", "connection_refused_timeout_or_ssl_error"),
        ("tls", "connection_refused_timeout_or_ssl_error"),
        ("unknown_host", "connection_refused_timeout_or_ssl_error"),
        ("feed_lost", "general_error"),
        (None, "general_error"),
    ],
)
def test_stream_error_is_one_of_the_documented_values(
    reason: str | None, stream_error: str
) -> None:
    callback = signalwire_callback("failed", reason, name=None)
    request = signalwire.request(callback, TENANT, 1, STATUS)

    form = parse_qs(request.body.decode())
    assert form["StreamEvent"] == ["stream-error"]
    assert form["StreamError"] == [stream_error]
    # The vendor's default.
    assert form["StreamName"] == [RELAY_ID]


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("https://a.example/cb", "https://a.example/cb?AccountSid="),
        ("https://a.example/cb?", "https://a.example/cb?AccountSid="),
        ("https://a.example/cb?x=1", "https://a.example/cb?x=1&AccountSid="),
        ("https://a.example/cb?x=1#part", "https://a.example/cb?x=1&AccountSid="),
    ],
)
def test_parameters_are_in_the_query_of_a_get_request(url: str, start: str) -> None:
    callback = signalwire_callback("stopped", status_callback_method="GET")
    request = signalwire.request(callback, TENANT, 1, url)

    assert (request.method, request.body) == ("GET", b"")
    assert request.url.startswith(start)
    assert "&StreamEvent=stream-stopped&" in request.url
    assert "#" not in request.url


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("event", ["started", "failed"])
def test_sdks_of_signalwire_and_twilio_accept_signed_callbacks(method: str, event: str) -> None:
    callback = signalwire_callback(event, status_callback_method=method, name="naïve & 100 %")
    request = signalwire.request(callback, TENANT, 1, STATUS)
    request = signalwire.sign(request, MASTER, "acme", NOW)
    form = dict(parse_qsl(request.body.decode()))
    signature = request.headers["x-signalwire-signature"]

    assert signature == request.headers["x-twilio-signature"]
    for validator in (signalwire_validator(KEY), RequestValidator(KEY)):
        assert validator.validate(request.url, form, signature)
        assert not validator.validate(request.url, form | {"StreamEvent": "other"}, signature)
        assert not validator.validate(request.url + "x", form, signature)
    assert not signalwire_validator(KEY + "x").validate(request.url, form, signature)


def test_signature_equals_one_that_signalwire_made() -> None:
    """From the tests of SignalWire's SDK, "from_signalwire_https_request"."""
    body = (
        "CallSid=a97d4e8a-6047-4e2b-be48-fb96b33b5642"
        "&AccountSid=6bfbbe86-a901-4197-8759-2a0de1fa319d&ApiVersion=2010-04-01"
        "&Direction=outbound-api&From=sip%3A%2B17063958228%40sip.swire.io"
        "&To=sip%3Ajpsantos%40joaosantos-2a0de1fa319d.sip.swire.io"
        "&Timestamp=Thu%2C+09+Nov+2023+14%3A40%3A55+%2B0000&CallStatus=no-answer"
        "&CallbackSource=call-progress-events&HangupDirection=outbound"
        "&HangupBy=sip%3A%2B17063958228%40sip.swire.io&SipResultCode=487"
    )
    url = "https://675d-189-71-169-171.ngrok-free.app/voice"
    request = CallbackRequest(method="POST", url=url, body=body.encode())
    signed = sign_form(request, "PSK_V3bF8oyeRNpJWGoRWHNYQMUU", ["x-signalwire-signature"])

    assert signed.headers["x-signalwire-signature"] == "muUMpldcBHlzuXGZ5gbw1ETZCYA="
