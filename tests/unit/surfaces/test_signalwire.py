from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from callstream.errors import NotFound, Unauthenticated
from callstream.relays.model import CallCommand, Relay
from callstream.surfaces.pipeline import Command, Principal, Request
from callstream.surfaces.signalwire import CREATE_STREAM, CreateStream, SignalwireSurface
from callstream.surfaces.signalwire_models import CreateStreamBody
from callstream.tenants.directory import Credential, Tenant
from tests.starter import Starter
from tests.unit.surfaces.call_streams import Recorder, form_request, refused

NOW = datetime(2026, 8, 21, 10, 15, tzinfo=UTC)
PROJECT = "b08dacad-0000-4de1-93d6-cc732e0c0001"
URL = "wss://consumer.example.com/audio"
TENANT = Tenant(tenant_id="acme", name="Acme", project_id=UUID(PROJECT), callback_key_id="k")
CREDENTIAL = Credential(
    surface="signalwire", credential_id="id", tenant_id="acme", secret_hash="", created_at=NOW
)


def request(fields: dict[str, str], authorization: str = "") -> Request:
    return form_request(PROJECT, fields, authorization)


def read(fields: dict[str, str]) -> CreateStreamBody:
    body = CREATE_STREAM.read(request(fields))
    assert isinstance(body, CreateStreamBody)
    return body


def refusal(fields: dict[str, str]) -> dict[str, Any]:
    return refused(SignalwireSurface(), CREATE_STREAM, request(fields))


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "WSS://Consumer.Example.com",
        "wss://consumer.example.com:8443/a?b=c%20d",
        "wss://203.0.114.7/",
        "wss://[2606:4700::7]:443/",
        "wss://bücher.example/",
        "wss://consumer.example.com/" + "x" * 1973,
    ],
)
def test_stream_url_may_be_any_wss_url(url: str) -> None:
    assert read({"Url": url}).url == url


@pytest.mark.parametrize(
    "url",
    [
        "ws://consumer.example.com/",
        "http://consumer.example.com/",
        "https://consumer.example.com/",
        "/audio",
        "//consumer.example.com/audio",
        "consumer.example.com",
        "wss:consumer.example.com",
        "wss:/consumer.example.com",
        "wss://",
        "wss:///audio",
        "wss://?a=b",
        "wss://:443/",
        "wss://user@/",
        f" {URL}",
        f"{URL} ",
        f"\t{URL}",
        f"{URL}\n",
        f"{URL}\r\n",
        "wss://consumer.example.com/au dio",
        "wss://consumer\t.example.com/audio",
        "ws\ns://consumer.example.com/audio",
        f"{URL}\N{NO-BREAK SPACE}",
        f"{URL}\N{IDEOGRAPHIC SPACE}audio",
        f"{URL}\N{ZERO WIDTH SPACE}",
        f"{URL}\N{RIGHT-TO-LEFT OVERRIDE}",
        "wss://consumer%20.example.com/",
        "wss://consumer\\.example.com/",
        "wss://consumer.example.com:99999/",
        "wss://consumer.example.com:0/",
        "wss://consumer.example.com:port/",
        "wss://[2001:db8::1/",
        "wss://[consumer]/",
        f"{URL}#fragment",
        f"{URL}#",
        "wss://consumer.example.com/" + "x" * 1974,
    ],
)
def test_other_stream_urls_are_refused(url: str) -> None:
    assert refusal({"Url": url})["code"] == 31922


@pytest.mark.parametrize("url", ["http://tenant.example.com/", "https://tenant.example.com/a#b"])
def test_status_callback_may_be_any_http_url(url: str) -> None:
    assert read({"Url": URL, "StatusCallback": url}).status_callback == url


@pytest.mark.parametrize("url", ["/streams", URL, "https://", "https://a b/", "mailto:a@b.example"])
def test_other_status_callbacks_are_refused(url: str) -> None:
    assert refusal({"Url": URL, "StatusCallback": url})["code"] == 21456


def test_stream_has_up_to_99_parameters() -> None:
    expected = {f"name {number}": f"value {number}" for number in range(1, 100)}
    fields = {"Url": URL}
    for number, (name, value) in enumerate(expected.items(), 1):
        fields |= {f"Parameter{number}.Name": name, f"Parameter{number}.Value": value}

    assert read(fields).parameters == expected


def test_parameters_may_leave_gaps_and_have_no_value() -> None:
    fields = {
        "Url": URL,
        "Parameter7.Name": "seven",
        "Parameter99.Name": "ninety-nine",
        "Parameter99.Value": "",
        "Parameter8.Name": "",
        "Parameter8.Value": "",
        "Parameter9.Value": "",
    }

    assert read(fields).parameters == {"seven": "", "ninety-nine": ""}


@pytest.mark.parametrize(
    "field",
    [
        "Parameter0.Name",
        "Parameter00.Name",
        "Parameter01.Name",
        "Parameter100.Name",
        "Parameter-1.Name",
        "Parameter.Name",
        "Parameter1.name",
        "parameter1.Name",
        "Parameter1",
        "Parameter1.Name.",
        "Parameter1.Name\n",
        "Parameter\N{ARABIC-INDIC DIGIT ONE}.Name",
        "Codec",
        "url",
        "",
    ],
)
def test_unknown_fields_are_refused(field: str) -> None:
    body = refusal({"Url": URL, field: "a", "Parameter1.Value": "b"})

    assert body["code"] == 10000
    assert body["message"] == f"{field} is not a parameter of this resource"


def test_long_unknown_field_is_cut_in_the_answer() -> None:
    assert len(refusal({"Url": URL, "x" * 10_000: ""})["message"]) < 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ",
        "Basic *",
        "Basic ä",
        "Basic YTpi YTpi",
        "Bearer YTpi",
        "Basic " + b64encode(b"\xff:\xff").decode(),
        "Basic " + b64encode(PROJECT.encode()).decode(),
        *("Basic " + b64encode(f"{PROJECT}:{token}".encode()).decode() for token in ("", "PTid")),
    ],
)
def test_other_authorization_headers_are_refused(authorization: str) -> None:
    with pytest.raises(Unauthenticated):
        SignalwireSurface().credentials(request({}, authorization))


def test_token_may_have_colons_and_underscores() -> None:
    header = "Basic " + b64encode(f"{PROJECT}:PTid_a_b:c".encode()).decode()

    assert SignalwireSurface().credentials(request({}, header)) == ("id", "a_b:c")


@pytest.mark.parametrize("user", ["", "PTid", PROJECT[:-1], PROJECT + " ", PROJECT[:-1] + "2"])
def test_user_must_be_the_tokens_project(user: str) -> None:
    header = "Basic " + b64encode(f"{user}:PTid_secret".encode()).decode()

    with pytest.raises(Unauthenticated):
        SignalwireSurface().authorize(Principal(TENANT, CREDENTIAL), request({}, header))


def create(fields: dict[str, str]) -> Relay:
    relays, starter = Recorder(), Starter()
    caller = Principal(TENANT, CREDENTIAL)
    parameters = {"AccountSid": PROJECT, "CallSid": "CA%2F1"}

    answer = CreateStream(relays, starter)(Command(caller, read(fields), parameters, NOW))
    [(relay, command)] = relays.started
    assert command == CallCommand("acme", "CA/1", NOW, limits=TENANT.running)
    assert starter.asked == [("start", relay.relay_id, None)]
    base = f"/api/laml/2010-04-01/Accounts/{PROJECT}/Calls/CA%2F1/Streams"
    assert answer.model_dump() == {
        "sid": relay.relay_id,
        "account_sid": PROJECT,
        "call_sid": "CA/1",
        "api_version": "2010-04-01",
        "name": relay.name,
        "status": "in-progress",
        "date_updated": "Fri, 21 Aug 2026 10:15:00 +0000",
        "error_code": None,
        "uri": f"{base}/{relay.relay_id}.json",
    }
    return relay


def test_relay_has_everything_that_the_command_asks_for() -> None:
    relay = create(
        {
            "Url": URL,
            "Name": "my-stream",
            "Track": "outbound_track",
            "StatusCallback": "https://tenant.example.com/streams",
            "StatusCallbackMethod": "GET",
            "AuthorizationBearerToken": "s3cr3t",
            "Parameter1.Name": "FirstName",
            "Parameter1.Value": "Jane",
        }
    )

    assert relay.model_dump(exclude={"relay_id"}) == {
        "counted": True,
        "tenant_id": "acme",
        "call_id": "CA/1",
        "surface": "signalwire",
        "sink": "websocket",
        "dialect": "signalwire",
        "url": URL,
        "url_schemes": ("wss",),
        "track": "outbound_track",
        "name": "my-stream",
        "state": "requested",
        "handshake_headers": {"Authorization": "Bearer s3cr3t"},
        "codec": None,
        "sample_rate": None,
        "fill_silence": False,
        "return_audio": None,
        "transcription": None,
        "since": None,
        "target_legs": "self",
        "parameters": {"FirstName": "Jane"},
        "status_callback": "https://tenant.example.com/streams",
        "status_callback_method": "GET",
        "error": None,
        "created_at": 1787307300000,
        "updated_at": 1787307300000,
        "owner_run_id": None,
        "heartbeat_at": None,
        "dropped": None,
        "notified_at": None,
        "dialogue": None,
    }
    assert UUID(relay.relay_id).version == 4


def test_defaults_are_the_documented_ones() -> None:
    relay = create({"Url": URL})

    assert relay.track == "both_tracks"
    assert relay.status_callback_method == "POST"
    assert relay.model_dump(include={"name", "handshake_headers", "status_callback"}) == {
        "name": None,
        "handshake_headers": {},
        "status_callback": None,
    }


@pytest.mark.parametrize("call_id", ["x" * 513, "%C3%BC" * 257])
def test_ids_that_fit_into_no_key_are_not_found(call_id: str) -> None:
    relays = Recorder()
    parameters = {"AccountSid": PROJECT, "CallSid": call_id}
    command = Command(Principal(TENANT, CREDENTIAL), read({"Url": URL}), parameters, NOW)

    with pytest.raises(NotFound):
        CreateStream(relays, Starter())(command)
    assert not relays.started
