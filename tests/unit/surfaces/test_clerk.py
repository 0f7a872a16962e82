"""Clerk Chat's surface: credentials, errors, and the body of `connect`."""

from typing import Any

import pytest

from callstream import errors
from callstream.errors import Issue
from callstream.surfaces.bodies import validate
from callstream.surfaces.clerk import ClerkSurface, ConnectBody
from callstream.surfaces.pipeline import Request

SURFACE = ClerkSurface()


def test_credentials_are_the_halves_of_the_api_key() -> None:
    assert SURFACE.credentials(Request("r", {"apikey": "ck_id_secret"}, {}, {})) == ("id", "secret")
    for headers in ({}, {"apikey": "id_secret"}, {"apikey": "ck_id"}):
        with pytest.raises(errors.Unauthenticated):
            SURFACE.credentials(Request("r", headers, {}, {}))


@pytest.mark.parametrize(
    ("issues", "status", "message"),
    [
        ([Issue(("direction",), "enum", "no")], 422, "direction: no"),
        (
            [Issue(("direction",), "enum", "no"), Issue(("x",), "unknown", "extra")],
            400,
            "direction: no; x: extra",
        ),
        ([Issue((), "type", "not an object")], 400, "body: not an object"),
    ],
)
def test_failure_is_422_for_values_and_400_for_other_faults(
    issues: list[Issue], status: int, message: str
) -> None:
    response = SURFACE.failure(errors.Invalid(*issues), "request-1")
    body: Any = response.body

    assert (response.status, body["statusCode"], body["message"]) == (status, status, message)
    assert body["requestId"] == "request-1"


def test_connect_defaults_to_inbound_calls() -> None:
    body = validate(ConnectBody, {"inboxExternalId": "inbox-1"}, strict=True)

    assert (body.inbox_external_id, body.direction) == ("inbox-1", "inbound")
