"""ASAPP's surface: credentials, errors, and the bodies that its endpoints take."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from callstream import errors
from callstream.access.media_urls import MediaUrls
from callstream.access.tokens import KeyRing
from callstream.surfaces.asapp import STREAMING_URL, AsappSurface, GiveStreamingUrl
from callstream.surfaces.asapp_models import CallBody, StartStreamingBody, StreamingUrlBody
from callstream.surfaces.bodies import validate
from callstream.surfaces.pipeline import Command, Request
from callstream.tenants.directory import Tenant

SURFACE = AsappSurface()
CALL = {"namespace": "twilio", "guid": "CA1"}
START = CALL | {"customerId": "c", "agentId": "a"}


def request(**headers: str) -> Request:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("request-1", names, {}, {})


def start(**fields: Any) -> StartStreamingBody:
    return validate(StartStreamingBody, START | fields, strict=True)


def test_credentials_are_the_two_headers() -> None:
    pair = request(asapp_api_id="id", asapp_api_secret="secret")

    assert SURFACE.credentials(pair) == ("id", "secret")
    with pytest.raises(errors.Unauthenticated, match="asapp-api-secret"):
        SURFACE.credentials(request(asapp_api_id="id"))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.Unauthenticated(), 401, "401-01"),
        (errors.Invalid(errors.Issue(("guid",), "missing", "")), 422, "422-01"),
        (errors.Unavailable("dynamodb", "Down"), 503, "503-01"),
        (ZeroDivisionError(), 500, "500-01"),
    ],
)
def test_failure_has_the_documented_body(error: Exception, status: int, code: str) -> None:
    response = SURFACE.failure(error, "request-1")
    body: Any = response.body

    assert response.status == status
    assert body["error"]["code"] == code
    assert body["error"]["requestId"] == "request-1"


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"{", "application/json", "Bad request: the body is not JSON"),
        (b"{}", "text/plain", "Bad request: the content type must be application/json"),
        (
            b'{"externalID": "1"}',
            "application/json",
            "Unprocessable Entity: externalID is not a field of this request",
        ),
        (
            b'{"externalId": 1}',
            "application/json",
            "Unprocessable Entity: externalId: Input should be a valid string",
        ),
        (b"[]", "application/json", "Unprocessable Entity: body: Input should be an object"),
    ],
)
def test_message_names_the_fault_of_a_body(body: bytes, content_type: str, message: str) -> None:
    event = {"body": body.decode()}
    with pytest.raises(errors.ApiError) as raised:
        STREAMING_URL.read(Request("request-1", {"content-type": content_type}, {}, event))

    answer: Any = SURFACE.failure(raised.value, "request-1").body
    assert answer["error"]["message"] == message


def test_message_is_bounded_whatever_the_fields_are_called() -> None:
    issues = [errors.Issue(("x" * 10_000,), "unknown", "")] * 100

    answer: Any = SURFACE.failure(errors.Invalid(*issues), "request-1").body
    assert len(answer["error"]["message"]) < 1_000


def test_start_streaming_has_the_documented_defaults() -> None:
    body = start()

    assert body.autotranscribe_params.language == "en-US"
    assert (body.twilio_params.track_map.inbound, body.twilio_params.track_map.outbound) == (
        "customer",
        "agent",
    )
    assert body.autotranscribe_params.asked_redaction is None


@pytest.mark.parametrize(
    "fields",
    [
        {"namespace": "siprec"},
        {"guid": ""},
        {"guid": "x" * 257},
        {"twilioParams": {"trackMap": {"inbound": "agent", "outbound": "agent"}}},
        {"extra": 1},
    ],
)
def test_other_bodies_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(errors.Invalid):
        start(**fields)


def test_stop_streaming_takes_the_call_alone() -> None:
    assert validate(CallBody, CALL, strict=True).guid == "CA1"


def test_streaming_url_of_a_deployment_without_an_engine_is_unavailable() -> None:
    class OfTenant:
        tenant = Tenant(
            tenant_id="acme",
            name="Acme",
            project_id=UUID(int=1),
            callback_key_id="x",
            routes=frozenset({"autotranscribe"}),
        )

    class Unused:
        def current(self) -> KeyRing:
            raise AssertionError("no token is made")

    command = Command(OfTenant(), StreamingUrlBody(), {}, datetime(2026, 11, 28, tzinfo=UTC))  # type: ignore[arg-type]

    with pytest.raises(errors.Unavailable):
        GiveStreamingUrl(MediaUrls(Unused(), "wss://x/{path}/{token}"), "none")(command)
