"""Telnyx's commands as bodies, and its errors as answers."""

from datetime import UTC, datetime
from typing import Any, get_args
from unittest.mock import Mock
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream import errors
from callstream.dialogues.model import DialogueSettings
from callstream.errors import ApiError, Invalid, Issue, Unauthenticated
from callstream.relays.model import NoSuchRelay, ReturnAudio
from callstream.relays.store import RelayStore
from callstream.relays.virtual_agents import NoConnection, NoVirtualAgent
from callstream.surfaces.bodies import MAX_BYTES, validate
from callstream.surfaces.pipeline import Command, Principal, Request
from callstream.surfaces.telnyx import (
    StartStreaming,
    StopStreaming,
    TelnyxSurface,
    dialogue_of,
    spec_of,
)
from callstream.surfaces.telnyx_models import StreamingStart, StreamingStop
from callstream.tenants.directory import Credential, Tenant
from callstream.tenants.rate_limits import Allowance

URL = "wss://www.example.com/websocket"
SURFACE = TelnyxSurface()


def start(**fields: Any) -> StreamingStart:
    return validate(StreamingStart, {"stream_url": URL} | fields, strict=True)


def refusal(fields: dict[str, Any], model: Any = StreamingStart) -> list[dict[str, Any]]:
    with pytest.raises(Invalid) as invalid:
        validate(model, fields, strict=True)
    response = SURFACE.failure(invalid.value, "request-1")
    assert response.status == 422
    found: list[dict[str, Any]] = response.body["errors"]  # type: ignore[index]
    return found


def request(**headers: str) -> Request:
    return Request("request-1", headers, {}, {})


def test_documented_sample_is_valid() -> None:
    body = validate(
        StreamingStart,
        {
            "stream_url": URL,
            "stream_track": "both_tracks",
            "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
            "command_id": "891510ac-f3e4-11e8-af5b-de00688a4901",
            "enable_dialogflow": False,
            "dialogflow_config": {
                "analyze_sentiment": False,
                "partial_automated_agent_reply": False,
            },
        },
        strict=True,
    )

    assert body.stream_url == URL
    assert body.stream_track == "both_tracks"


def test_defaults_are_the_documented_ones() -> None:
    assert start().model_dump(exclude_none=True) == {
        "stream_url": URL,
        "stream_track": "inbound_track",
        "stream_codec": "default",
        "stream_bidirectional_mode": "mp3",
        "stream_bidirectional_codec": "PCMU",
        "stream_bidirectional_sampling_rate": 8000,
        "stream_bidirectional_target_legs": "opposite",
        "enable_dialogflow": False,
        "custom_parameters": [],
    }


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("stream_track", ["inbound_track", "outbound_track", "both_tracks"]),
        ("stream_codec", ["PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16", "default"]),
        ("stream_bidirectional_mode", ["mp3", "rtp"]),
        ("stream_bidirectional_codec", ["PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16"]),
        ("stream_bidirectional_sampling_rate", [8000, 16000, 22050, 24000, 48000]),
        ("stream_bidirectional_target_legs", ["both", "self", "opposite"]),
    ],
)
def test_enumerations_are_the_documented_ones(name: str, values: list[Any]) -> None:
    for value in values:
        assert getattr(start(**{name: value}), name) == value

    listed = ", ".join(str(value) for value in values)
    wrongs: list[Any] = [str(values[0]).swapcase() + "_", f"{values[0]} ", None, [], 7.5, True]
    for wrong in wrongs:
        [error] = refusal({"stream_url": URL, name: wrong})
        assert error == {
            "code": "10032",
            "title": "Invalid enumerated value",
            "detail": f"The value must be one of: {listed}.",
            "source": {"pointer": f"/{name}"},
        }


@pytest.mark.parametrize("codec", ["pcmu", "Pcmu", "g722", "l16", "amr-wb"])
def test_codecs_are_case_sensitive(codec: str) -> None:
    [error] = refusal({"stream_url": URL, "stream_bidirectional_codec": codec})

    assert error["code"] == "10032"


@pytest.mark.parametrize("fields", [{}, {"stream_url": ""}, {"stream_url": None}])
def test_stream_url_is_required(fields: dict[str, Any]) -> None:
    assert refusal(fields) == [
        {
            "code": "10004",
            "title": "Missing required parameter",
            "detail": "The 'stream_url' parameter is required and cannot be blank.",
            "source": {"pointer": "/stream_url"},
        }
    ]
    # What was meant by a broken `enable_dialogflow` is not known.
    [error] = refusal(fields | {"enable_dialogflow": "yes"})
    assert error["source"] == {"pointer": "/enable_dialogflow"}


@pytest.mark.parametrize("fields", [{}, {"stream_url": ""}, {"stream_url": None}])
def test_stream_url_may_be_left_out_if_dialogflow_is_wanted(fields: dict[str, Any]) -> None:
    body = validate(StreamingStart, fields | {"enable_dialogflow": True}, strict=True)

    assert not body.stream_url


def test_dialogue_hears_the_leg_and_is_heard_there_whatever_the_websocket_gets() -> None:
    body = start(
        stream_track="both_tracks",
        stream_codec="PCMA",
        stream_bidirectional_target_legs="opposite",
        enable_dialogflow=True,
        dialogflow_config={"analyze_sentiment": True},
    )
    spec = dialogue_of(body, "app-1")

    assert (spec.surface, spec.sink, spec.dialect, spec.url) == ("telnyx", "dialogflow", None, None)
    assert (spec.track, spec.target_legs, spec.codec) == ("inbound_track", "self", None)
    assert spec.dialogue == DialogueSettings(connection_id="app-1", analyzes_sentiment=True)
    assert dialogue_of(start(), "app-1").dialogue == DialogueSettings(connection_id="app-1")


@pytest.mark.parametrize(
    ("fields", "audio"),
    [
        ({"stream_bidirectional_codec": "L16"}, ReturnAudio(encoding="mp3")),
        (
            {
                "stream_bidirectional_mode": "rtp",
                "stream_bidirectional_codec": "L16",
                "stream_bidirectional_sampling_rate": 16000,
            },
            ReturnAudio(encoding="L16", sample_rate=16000),
        ),
    ],
)
def test_return_audio_is_what_the_command_names(fields: dict[str, Any], audio: ReturnAudio) -> None:
    assert spec_of(start(**fields)).return_audio == audio


@pytest.mark.parametrize(
    ("codec", "rate", "detail"),
    [
        ("PCMU", 16000, "PCMU has a sampling rate of 8000 Hz."),
        ("PCMA", 48000, "PCMA has a sampling rate of 8000 Hz."),
        ("G722", 24000, "G722 has a sampling rate of 8000 or 16000 Hz."),
    ],
)
def test_sampling_rate_that_a_codec_cannot_have_is_refused(
    codec: str, rate: int, detail: str
) -> None:
    names = ("stream_bidirectional_codec", "stream_bidirectional_sampling_rate")
    fields = dict(zip(names, (codec, rate), strict=True))

    assert refusal({"stream_url": URL, "stream_bidirectional_mode": "rtp"} | fields) == [
        {
            "code": "10015",
            "title": "Invalid value for stream_bidirectional_sampling_rate",
            "detail": detail,
            "source": {"pointer": "/stream_bidirectional_sampling_rate"},
        }
    ]
    # Only `rtp` uses these parameters.
    assert start(**fields).stream_bidirectional_mode == "mp3"


@pytest.mark.parametrize(
    ("codec", "rates"),
    [
        ("PCMU", [8000]),
        ("G722", [8000, 16000]),
        *((codec, [8000, 16000, 22050, 24000, 48000]) for codec in ("L16", "OPUS", "AMR-WB")),
    ],
)
def test_sampling_rates_that_a_codec_may_have_are_accepted(codec: Any, rates: list[Any]) -> None:
    for rate in rates:
        audio = spec_of(
            start(
                stream_bidirectional_mode="rtp",
                stream_bidirectional_codec=codec,
                stream_bidirectional_sampling_rate=rate,
            )
        ).return_audio
        assert audio == ReturnAudio(encoding=codec, sample_rate=rate)


def test_spec_has_neutral_fields() -> None:
    spec = spec_of(start(stream_codec="PCMA", stream_auth_token="s3cret"))

    assert (spec.dialect, spec.codec, spec.target_legs) == ("telnyx", "PCMA", "opposite")
    assert spec.url_schemes == ("ws", "wss")
    assert spec.handshake_headers == {"x-telnyx-streaming-auth-token": "s3cret"}
    assert spec_of(start()).codec is None
    assert spec_of(start()).handshake_headers == {}
    assert "s3cret" not in repr(spec)


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "ws://127.0.0.1:8080",
        "WSS://EXAMPLE.com/?a=b",
        "wss://[2606:4700::7]:443/",
        "wss://www.example.com/" + "a" * 1978,
    ],
)
def test_stream_url_may_be_any_websocket_url(url: str) -> None:
    assert start(stream_url=url).stream_url == url


@pytest.mark.parametrize(
    "url",
    [
        " ",
        "wss:",
        "wss://",
        "wss:///path",
        "wss://www.example.com/#a",
        'wss://"<>/',
        "wss://-/",
        "wss://:443/",
        "https://www.example.com/",
        "www.example.com",
        "//www.example.com",
        f" {URL}",
        f"{URL}\n",
        f"{URL}\x00",
        "wss://www.exa\tmple.com/",
        "wss://www.example.com/a b",
        "wss://www.example.com:0/",
        "wss://www.example.com:65536/",
        "wss://www.example.com:port/",
        "wss://[::1/",
        "wss://www.example.com/" + "a" * 1979,
    ],
)
def test_other_stream_urls_are_refused(url: str) -> None:
    [error] = refusal({"stream_url": url})

    assert (error["code"], error["title"]) == ("10003", "Invalid URL")
    assert error["source"] == {"pointer": "/stream_url"}


@pytest.mark.parametrize("state", ["", "QQ==", "aGF2ZSBhIG5pY2UgZGF5ID1d", "+/+/"])
@pytest.mark.parametrize("model", [StreamingStart, StreamingStop])
def test_client_state_is_base64(model: Any, state: str) -> None:
    fields = {"client_state": state} | ({"stream_url": URL} if model is StreamingStart else {})

    assert validate(model, fields, strict=True).client_state == state


@pytest.mark.parametrize("state", ["Q", "QQ", "QQ=", "QQ==\n", "Q Q=", "-_-_", "é===", "=", "\x00"])
def test_other_client_states_are_refused(state: str) -> None:
    assert refusal({"client_state": state}, StreamingStop) == [
        {
            "code": "10015",
            "title": "Invalid value for client_state",
            "detail": "The value must be valid Base64.",
            "source": {"pointer": "/client_state"},
        }
    ]


@pytest.mark.parametrize(
    ("name", "longest"),
    [("stream_auth_token", "a" * 4000), ("command_id", "\U0001f4de" * 200)],
)
def test_lengths_are_limited(name: str, longest: str) -> None:
    assert getattr(start(**{name: longest}), name) == longest

    [error] = refusal({"stream_url": URL, name: f"{longest}a"})
    assert (error["code"], error["title"]) == ("10033", "Value outside of range")
    assert error["source"] == {"pointer": f"/{name}"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_state", 1),
        ("command_id", 2**70),
        ("stream_url", []),
        ("stream_auth_token", True),
        ("enable_dialogflow", "true"),
        ("enable_dialogflow", 1),
        ("dialogflow_config", "{}"),
        ("dialogflow_config", {"analyze_sentiment": "no"}),
        ("custom_parameters", {"tenant": "acme"}),
        ("custom_parameters", ["tenant"]),
        ("custom_parameters", [{"name": "tenant", "value": 5}]),
    ],
)
def test_wrong_types_are_refused(name: str, value: Any) -> None:
    [error] = refusal({"stream_url": URL} | {name: value})

    assert (error["code"], error["title"]) == ("10026", "Invalid parameter type")
    assert error["source"]["pointer"].startswith(f"/{name}")


def test_parameters_have_different_names() -> None:
    [error] = refusal({"stream_url": URL, "custom_parameters": [{"name": "a"}, {"name": "a"}]})

    assert error["code"] == "10015"
    assert error["source"] == {"pointer": "/custom_parameters"}


def test_failure_lists_every_fault_with_a_json_pointer() -> None:
    found = refusal({"stream_track": "x", "custom_parameters": [{"value": "a"}], "a/b~c": 1})

    assert [(error["code"], error["source"]["pointer"]) for error in found] == [
        ("10004", "/stream_url"),
        ("10032", "/stream_track"),
        ("10004", "/custom_parameters/0/name"),
        ("10015", "/a~1b~0c"),
    ]


def test_failure_has_a_bounded_size() -> None:
    names = (f"{number:x}" for number in range(MAX_BYTES // 8))

    assert len(refusal(dict.fromkeys(names, 0), StreamingStop)) == 100


@pytest.mark.parametrize("data", [[], [{}], "text", 5, None, True])
def test_body_that_is_not_an_object_is_refused(data: Any) -> None:
    with pytest.raises(Invalid) as invalid:
        validate(StreamingStop, data, strict=True)
    response = SURFACE.failure(invalid.value, "request-1")

    assert response.status == 400
    assert response.body["errors"][0]["code"] == "10015"  # type: ignore[index]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda child: st.lists(child) | st.dictionaries(st.text(), child),
    )
)
def test_no_body_causes_an_unexpected_error(data: Any) -> None:
    for model in (StreamingStart, StreamingStop):
        try:
            validate(model, data, strict=True)
        except Invalid as error:
            response = SURFACE.failure(error, "request-1")
            assert response.status in {400, 422}


@pytest.mark.parametrize("call_id", ["a" * 513, "%61" * 513, "%C3%A9" * 257, "📞" * 129])
def test_id_that_fits_into_no_key_is_an_unknown_call(call_id: str) -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    tenant = Tenant(tenant_id="acme", name="Acme", project_id=uuid4(), callback_key_id="k")
    credential = Credential(
        surface="telnyx",
        credential_id="acme",
        tenant_id="acme",
        secret_hash="",
        created_at=now,
    )
    caller, store = Principal(tenant, credential), RelayStore(Mock(spec_set=()))
    path = {"call_control_id": call_id}

    with pytest.raises(errors.UnknownCall):
        StartStreaming(store, Mock(spec_set=()), Mock(spec_set=()))(
            Command(caller, start(), path, now)
        )
    with pytest.raises(errors.UnknownCall):
        StopStreaming(store)(Command(caller, StreamingStop(), path, now))


def make(kind: type[ApiError]) -> ApiError:
    match kind:
        case errors.Invalid:
            return errors.Invalid(Issue(("a",), "value", "Wrong"))
        case errors.RateLimited:
            return errors.RateLimited(100, 1)
        case _:
            return kind("why")


@pytest.mark.parametrize(
    ("kind", "status", "code", "title"),
    [
        (errors.BadRequest, 400, "10023", "Invalid JSON"),
        (errors.Unauthenticated, 401, "10009", "Authentication failed"),
        (errors.Forbidden, 403, "10010", "Authorization failed"),
        (errors.TooLarge, 413, "10015", "Bad Request"),
        (errors.UnsupportedMediaType, 415, "10014", "Unsupported Media Type"),
        (errors.Invalid, 422, "10015", "Invalid value for a"),
        (errors.UnknownCall, 422, "90015", "Invalid Call Control ID"),
        (errors.CallEnded, 422, "90018", "Call has already ended"),
        (NoVirtualAgent, 422, "10015", "Invalid value for enable_dialogflow"),
        (NoConnection, 422, "10015", "Invalid value for enable_dialogflow"),
        (NoSuchRelay, 422, "10015", "Invalid value for stream_id"),
        (errors.RateLimited, 429, "10011", "Too many requests"),
    ],
)
def test_failure_is_telnyxs_error(kind: type[ApiError], status: int, code: str, title: str) -> None:
    response = SURFACE.failure(make(kind), "request-1")
    [error] = response.body["errors"]  # type: ignore[index]

    assert response.status == status
    assert response.headers == {"x-request-id": "request-1"}
    assert (error["code"], error["title"]) == (code, title)
    assert error["detail"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(errors.Unavailable("dynamodb", "down"), 503), (RuntimeError("secret"), 500)],
)
def test_unexpected_errors_have_one_code(error: Exception, status: int) -> None:
    response = SURFACE.failure(error, "request-1")

    assert response.status == status
    assert response.body == {
        "errors": [
            {
                "code": "10007",
                "title": "Unexpected error",
                "detail": "An unexpected error occured.",
            }
        ]
    }


def test_every_kind_of_issue_has_an_error() -> None:
    for kind in get_args(errors.IssueKind):
        response = SURFACE.failure(Invalid(Issue(("a",), kind, "Wrong")), "request-1")
        assert response.status == 422


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_bearer_scheme_has_any_case(scheme: str) -> None:
    headers = {"authorization": f"{scheme} KEYid_sec_ret"}

    assert SURFACE.credentials(request(**headers)) == ("id", "sec_ret")


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "KEYid_secret", "Basic KEYid_secret", "Bearer KEYid", "Bearer id_s"],
)
def test_other_keys_are_refused(value: str) -> None:
    with pytest.raises(Unauthenticated):
        SURFACE.credentials(request(authorization=value))
    with pytest.raises(Unauthenticated):
        SURFACE.credentials(request())


def test_rate_headers_are_the_documented_ones() -> None:
    assert SURFACE.rate_headers(Allowance(100, 99, 1)) == {
        "x-ratelimit-limit": "100",
        "x-ratelimit-remaining": "99",
        "x-ratelimit-reset": "1",
    }


@pytest.mark.parametrize(
    "token", ["a\r\nb", "a\nb", "a\0b", "a\tb", "\N{EURO SIGN}", "bücher", "a ", " a", "\x7f"]
)
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    [error] = refusal({"stream_url": URL, "stream_auth_token": token})

    assert error["source"] == {"pointer": "/stream_auth_token"}


@pytest.mark.parametrize("token", ["", "s3cret", "Basic dXNlcjpwYXNz", "~!@#$%^&*()"])
def test_a_token_that_a_header_can_carry_is_taken(token: str) -> None:
    assert start(stream_auth_token=token).stream_auth_token == token
