"""Telnyx's Dialogflow connections as bodies; their answers are in tests/replay."""

import json
from typing import Any

import pytest

from callstream.errors import Invalid
from callstream.surfaces.bodies import validate
from callstream.surfaces.pipeline import Request
from callstream.surfaces.telnyx import TelnyxSurface
from callstream.surfaces.telnyx_dialogflow import CREATE, UPDATE
from callstream.surfaces.telnyx_dialogflow_models import DialogflowConnection
from tests.service_accounts import key_file

CX = {"dialogflow_api": "cx", "conversation_profile_id": "a-VM", "location": "us-central1"}


def body(**fields: Any) -> DialogflowConnection:
    given = {"service_account": key_file()} | fields
    return validate(DialogflowConnection, given, strict=True)


def pointers(**fields: Any) -> list[tuple[str, str]]:
    """The code and the place of each fault."""
    with pytest.raises(Invalid) as invalid:
        body(**fields)
    response = TelnyxSurface().failure(invalid.value, "request-1")
    assert response.status == 422
    for text in (str(response.body), str(invalid.value)):
        assert "PRIVATE KEY" not in text
        assert "s3cret" not in text
    errors: list[dict[str, Any]] = response.body["errors"]  # type: ignore[index]
    return [(each["code"], each["source"]["pointer"]) for each in errors]


def test_body_has_the_documented_defaults() -> None:
    made = body()

    assert (made.dialogflow_api, made.conversation_profile_id) == ("es", None)
    assert (made.location, made.environment) == (None, None)
    # As other SDKs send what is left out.
    assert body(conversation_profile_id=None, location=None, environment=None) == made


def test_account_may_be_a_text_as_in_telnyxs_guide() -> None:
    assert body(service_account=json.dumps(key_file())) == body()


@pytest.mark.parametrize(
    "text",
    ["", "GOOGLE_APPLICATION_CREDENTIALS", '{"private_key": "s3cret"', '"\\ud800"', "[" * 60_000],
)
def test_account_of_another_text_is_refused(text: str) -> None:
    assert pointers(service_account=text) == [("10015", "/service_account")]


@pytest.mark.parametrize("value", [None, 7, [], "7", "[]", "null", json.dumps(json.dumps({}))])
def test_account_of_another_type_is_refused(value: Any) -> None:
    assert pointers(service_account=value) == [("10026", "/service_account")]


def test_body_for_cx_needs_profile_and_location() -> None:
    assert body(**CX).location == "us-central1"
    for name in ("conversation_profile_id", "location"):
        assert pointers(**CX | {name: None}) == [("10004", f"/{name}")]
    # Which kind was meant is not known.
    assert pointers(dialogflow_api="CX") == [("10032", "/dialogflow_api")]


def test_body_with_other_fields_is_refused() -> None:
    assert pointers(language="en") == [("10015", "/language")]


def test_body_that_is_missing_counts_as_empty() -> None:
    for operation in (CREATE, UPDATE):
        with pytest.raises(Invalid) as invalid:
            operation.read(Request("request-1", {}, {}, {"body": None}))
        assert [issue.location for issue in invalid.value.issues] == [("service_account",)]
