from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from callstream.errors import Forbidden, NotFound, Unauthenticated
from callstream.surfaces.pipeline import Command, Principal, Request
from callstream.surfaces.twilio import CREATE_STREAM, CreateStream, TwilioSurface
from callstream.surfaces.twilio_models import CreateStreamBody
from callstream.tenants.directory import Credential, Tenant
from tests.starter import Starter
from tests.unit.surfaces.call_streams import Recorder, form_request, refused

NOW = datetime(2026, 8, 21, 10, 15, tzinfo=UTC)
PROJECT = "b08dacad-0000-4de1-93d6-cc732e0c0001"
ACCOUNT = "ACb08dacad00004de193d6cc732e0c0001"
CALL = "CA0123456789abcdef0123456789abcdef"
URL = "wss://consumer.example.com/audio"
TENANT = Tenant(tenant_id="acme", name="Acme", project_id=UUID(PROJECT), callback_key_id="k")
CREDENTIAL = Credential(
    surface="twilio", credential_id="id", tenant_id="acme", secret_hash="", created_at=NOW
)


def request(fields: dict[str, str], pair: str = "", account: str = ACCOUNT) -> Request:
    return form_request(account, fields, "Basic " + b64encode(pair.encode()).decode())


def read(fields: dict[str, str]) -> CreateStreamBody:
    body = CREATE_STREAM.read(request(fields))
    assert isinstance(body, CreateStreamBody)
    return body


def refusal(fields: dict[str, str]) -> dict[str, Any]:
    body = refused(TwilioSurface(), CREATE_STREAM, request(fields))
    assert body["status"] == 400
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{body['code']}"
    return body


@pytest.mark.parametrize(
    "url",
    [URL, "WSS://Consumer.Example.com", "wss://consumer.example.com:8443/a", "wss://203.0.114.7/"],
)
def test_stream_url_may_be_any_wss_url(url: str) -> None:
    assert read({"Url": url}).url == url


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", 21205),
        ("ws://consumer.example.com/", 31922),
        ("https://consumer.example.com/", 31922),
        ("mailto:a@b.example", 31922),
        ("/audio", 31923),
        ("audio", 31923),
        ("//consumer.example.com/audio", 31923),
        ("wss:consumer.example.com", 31923),
        (f"{URL}?token=a", 31923),
        (f"{URL}?", 31923),
        (f"{URL}#fragment", 31923),
        (f"{URL} ", 31923),
        ("wss://", 31923),
        ("wss://10.0.0.1/", 31923),
        ("wss://user:s3cr3t@consumer.example.com/", 31923),
        ("wss://consumer.example.com/" + "x" * 1974, 31923),
    ],
)
def test_other_stream_urls_are_refused(url: str, code: int) -> None:
    body = refusal({"Url": url})

    assert body["code"] == code
    assert body["message"].startswith("Url: ")
    assert "s3cr3t" not in body["message"]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("Track", "all", 31941),
        ("StatusCallback", "/streams", 21609),
        ("StatusCallback", "wss://a.example.com/", 21609),
        ("StatusCallbackMethod", "PUT", 21209),
        ("Name", "x" * 201, 400),
        ("Name", "a\nb", 400),
        ("Parameter1.Value", "no name", 400),
        ("Parameter100.Name", "a", 20001),
        ("AuthorizationBearerToken", "a", 20001),
        ("Codec", "", 20001),
    ],
)
def test_other_wrong_fields_have_the_documented_codes(field: str, value: str, code: int) -> None:
    body = refusal({"Url": URL, field: value})

    assert body["code"] == code
    assert field in body["message"]


@pytest.mark.parametrize("length", [499, 500])
def test_name_and_value_of_a_parameter_have_fewer_than_500_characters(length: int) -> None:
    fields = {"Url": URL, "Parameter1.Name": "lang", "Parameter1.Value": "ü" * (length - 4)}

    if length < 500:
        assert len(read(fields).parameters["lang"]) == 495
    else:
        assert "fewer than 500" in refusal(fields)["message"]


def test_auth_token_and_api_key_are_found_by_their_ids() -> None:
    token = "0123456789abcdef0123456789abcdef"
    surface = TwilioSurface()

    found = surface.credentials(request({}, f"{ACCOUNT}:{token}"))
    assert found == (f"{ACCOUNT}.01234567", token)
    assert surface.credentials(request({}, "SKa:b:c")) == ("SKa", "b:c")


def test_a_request_without_a_password_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        TwilioSurface().credentials(request({}, ACCOUNT))


@pytest.mark.parametrize("account", ["", PROJECT, ACCOUNT.lower(), ACCOUNT[:-1] + "2"])
def test_another_account_in_the_path_is_not_found(account: str) -> None:
    principal = Principal(TENANT, CREDENTIAL)
    TwilioSurface().authorize(principal, request({}))

    with pytest.raises(NotFound):
        TwilioSurface().authorize(principal, request({}, account=account))


def test_a_disabled_tenant_gets_the_answer_of_unknown_credentials() -> None:
    surface = TwilioSurface()

    assert surface.failure(Forbidden(), "") == surface.failure(Unauthenticated(), "")


def test_relay_has_everything_that_the_command_asks_for() -> None:
    relays, starter = Recorder(), Starter()
    body = read(
        {
            "Url": URL,
            "Name": "my-stream",
            "Track": "both_tracks",
            "StatusCallback": "https://tenant.example.com/streams",
            "StatusCallbackMethod": "GET",
            "Parameter99.Name": "FirstName",
            "Parameter99.Value": "Jane",
        }
    )
    parameters = {"AccountSid": ACCOUNT, "CallSid": CALL}
    command = Command(Principal(TENANT, CREDENTIAL), body, parameters, NOW)

    answer = CreateStream(relays, starter)(command)

    [(relay, _)] = relays.started
    assert starter.asked == [("start", relay.relay_id, None)]
    assert relay.relay_id.startswith("MZ")
    assert UUID(relay.relay_id.removeprefix("MZ")).version == 4
    assert answer.model_dump() == {
        "sid": relay.relay_id,
        "account_sid": ACCOUNT,
        "call_sid": CALL,
        "name": "my-stream",
        "status": "in-progress",
        "date_updated": "Fri, 21 Aug 2026 10:15:00 +0000",
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}/Streams/{relay.relay_id}.json",
    }
    assert relay.model_dump(exclude_defaults=True) == {
        "relay_id": relay.relay_id,
        "tenant_id": "acme",
        "call_id": CALL,
        "surface": "twilio",
        "sink": "websocket",
        "dialect": "twilio",
        "url": URL,
        "track": "both_tracks",
        "target_legs": "none",
        "name": "my-stream",
        "parameters": {"FirstName": "Jane"},
        "status_callback": "https://tenant.example.com/streams",
        "status_callback_method": "GET",
        "created_at": 1787307300000,
        "updated_at": 1787307300000,
    }


def test_defaults_are_the_documented_ones() -> None:
    body = read({"Url": URL})

    assert (body.track, body.status_callback_method) == ("inbound_track", "POST")
    assert (body.name, body.status_callback, body.parameters) == (None, None, {})
