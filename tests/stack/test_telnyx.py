"""The Telnyx endpoints, driven by Telnyx's own SDK with nothing but another base URL."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
import telnyx
from boto3.dynamodb.conditions import Key
from telnyx import Telnyx
from websockets.sync.client import ClientConnection, connect

from callstream.audio.formats import PCMU_8K
from callstream.dialects import twilio
from callstream.dialects.events import Start, Stop
from callstream_cli.gateway import media_url
from tests.service_accounts import key_file
from tests.stack.conftest import Answer, DeployedStack, eventually

URL = "wss://www.example.com/websocket"


class LiveCall:
    """A call whose audio comes in, until `hang_up`."""

    def __init__(self, stack: DeployedStack, call_id: str, socket: ClientConnection) -> None:
        self.id = call_id
        self._table = stack.table("streams")
        self._socket = socket
        start = Start(1, f"MZ-{call_id}", call_id, "AC", ("inbound",), PCMU_8K)
        socket.send(twilio.render(start, f"MZ-{call_id}"))
        eventually(lambda: self.item() or None)

    def hang_up(self) -> None:
        self._socket.send(twilio.render(Stop(2, self.id, "AC"), f"MZ-{self.id}"))
        self._socket.close()
        eventually(lambda: self.item()["state"] == "ended" or None)

    def item(self) -> dict[str, Any]:
        """What the table has of it."""
        key = {"pk": f"CALL#demo#{self.id}", "sk": "CALL"}
        found: dict[str, Any] = self._table.get_item(Key=key, ConsistentRead=True).get("Item", {})
        return found

    def relays(self) -> list[dict[str, Any]]:
        """The relays that commands have made."""
        of_call = Key("pk").eq(f"CALL#demo#{self.id}") & Key("sk").begins_with("RELAY#")
        answer = self._table.query(KeyConditionExpression=of_call, ConsistentRead=True)
        found: list[dict[str, Any]] = answer["Items"]
        return found

    def states(self) -> list[str]:
        """Whether they are active, which they are before their consumer has answered too."""
        known = {"requested": "active", "streaming": "active"}
        return sorted(known.get(relay["state"], relay["state"]) for relay in self.relays())


@pytest.fixture
def call(stack: DeployedStack) -> Iterator[LiveCall]:
    with ExitStack() as open_sockets:
        url = media_url(stack.description, "genagent")
        socket = open_sockets.enter_context(connect(url, proxy=None, compression=None))
        yield LiveCall(stack, f"v3:{uuid4()}", socket)


def api_key(stack: DeployedStack) -> str:
    return str(stack.description["credentials"]["telnyx"]["api_key"])


def sdk(stack: DeployedStack, key: str | None = None) -> Telnyx:
    base_url = f"{stack.description['rest']['telnyx']}/v2"
    return Telnyx(api_key=key or api_key(stack), base_url=base_url, max_retries=0)


@pytest.fixture
def client(stack: DeployedStack) -> Iterator[Telnyx]:
    with sdk(stack) as client:
        yield client


def post(stack: DeployedStack, call_id: str, action: str, body: bytes, **headers: str) -> Answer:
    defaults = {
        "Authorization": f"Bearer {api_key(stack)}",
        "Content-Type": "application/json",
    }
    path = f"/v2/calls/{call_id}/actions/{action}"
    return stack.request("telnyx", "POST", path, defaults | headers, body)


def errors(raised: pytest.ExceptionInfo[telnyx.APIStatusError]) -> list[dict[str, Any]]:
    body = raised.value.body
    assert isinstance(body, dict)
    found: list[dict[str, Any]] = body["errors"]
    return found


def test_stream_is_started_and_stopped(client: Telnyx, call: LiveCall, consumer_url: str) -> None:
    started = client.calls.actions.start_streaming(
        call.id,
        stream_url=consumer_url,
        stream_track="both_tracks",
        stream_codec="PCMU",
        stream_bidirectional_mode="rtp",
        stream_bidirectional_codec="L16",
        stream_bidirectional_sampling_rate=16000,
        stream_bidirectional_target_legs="self",
        stream_auth_token="per-call-secret",
        custom_parameters=[{"name": "tenant", "value": "acme"}],
        dialogflow_config={"analyze_sentiment": True, "partial_automated_agent_reply": False},
        enable_dialogflow=False,
        client_state="aGF2ZSBhIG5pY2UgZGF5ID1d",
        command_id="891510ac-f3e4-11e8-af5b-de00688a4901",
    )

    assert started.data is not None
    assert started.data.result == "ok"
    assert call.states() == ["active"]
    [relay] = call.relays()
    assert relay["url"] == consumer_url
    assert relay["track"] == "both_tracks"
    assert relay["handshake_headers"] == {"x-telnyx-streaming-auth-token": "per-call-secret"}
    assert relay["parameters"] == {"tenant": "acme"}
    assert relay["return_audio"] == {"encoding": "L16", "sample_rate": 16000}
    assert call.item()["client_state"] == "aGF2ZSBhIG5pY2UgZGF5ID1d"

    stopped = client.calls.actions.stop_streaming(call.id, client_state="bGFzdA==")

    assert stopped.data is not None
    assert stopped.data.result == "ok"
    assert call.states() == ["stopped"]
    assert call.item()["client_state"] == "bGFzdA=="


def test_several_streams_of_one_call_are_stopped_one_by_one_or_together(
    client: Telnyx, call: LiveCall, consumer_url: str
) -> None:
    for number in range(3):
        client.calls.actions.start_streaming(call.id, stream_url=f"{consumer_url}/{number}")
    # As an SDK does by itself when no answer came.
    client.calls.actions.start_streaming(call.id, stream_url=f"{consumer_url}/0")
    first = call.relays()[0]["relay_id"]

    client.calls.actions.stop_streaming(call.id, stream_id=first)
    assert call.states() == ["active", "active", "stopped"]

    client.calls.actions.stop_streaming(call.id)
    assert call.states() == ["stopped"] * 3

    # What was asked for is so: these are no errors.
    client.calls.actions.stop_streaming(call.id)
    client.calls.actions.stop_streaming(call.id, stream_id=first)


def test_repeated_command_has_the_same_answer_and_no_second_effect(
    client: Telnyx, call: LiveCall, consumer_url: str
) -> None:
    command_id = str(uuid4())
    answers = [
        client.calls.actions.start_streaming(
            call.id, stream_url=consumer_url, command_id=command_id, client_state=state
        )
        for state in ("Zmlyc3Q=", "c2Vjb25k")
    ]

    assert answers[0] == answers[1]
    assert call.states() == ["active"]
    assert call.item()["client_state"] == "Zmlyc3Q="


def test_of_20_equal_commands_at_once_one_takes_effect(
    stack: DeployedStack, call: LiveCall, consumer_url: str
) -> None:
    command_id, barrier = str(uuid4()), Barrier(20)

    def start(_: int) -> str | None:
        with sdk(stack) as client:
            barrier.wait()
            answer = client.calls.actions.start_streaming(
                call.id, stream_url=consumer_url, command_id=command_id
            )
        return None if answer.data is None else answer.data.result

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(start, range(20))) == ["ok"] * 20
    assert call.states() == ["active"]


def test_every_authenticated_answer_has_the_rate_limit_headers(
    client: Telnyx, call: LiveCall
) -> None:
    actions = client.calls.actions.with_raw_response
    headers = [actions.start_streaming(call.id, stream_url=URL).headers]
    with pytest.raises(telnyx.UnprocessableEntityError) as raised:
        actions.start_streaming(call.id)
    headers.append(raised.value.response.headers)

    for found in headers:
        assert found["x-ratelimit-limit"] == "100"
        assert 0 <= int(found["x-ratelimit-remaining"]) < 100
        assert found["x-ratelimit-reset"] == "1"


@pytest.mark.parametrize("call_id", ["v3:unknown", "a b%41%", "é\x00", "a" * 3000])
def test_unknown_call_is_refused(client: Telnyx, call_id: str) -> None:
    for command in (
        lambda: client.calls.actions.start_streaming(call_id, stream_url=URL),
        lambda: client.calls.actions.stop_streaming(call_id),
    ):
        with pytest.raises(telnyx.UnprocessableEntityError) as raised:
            command()
        assert errors(raised) == [
            {
                "code": "90015",
                "title": "Invalid Call Control ID",
                "detail": "The call_control_id provided was not valid.",
                "source": {"pointer": "/call_control_id"},
            }
        ]


def test_ended_call_is_refused(client: Telnyx, call: LiveCall) -> None:
    client.calls.actions.start_streaming(call.id, stream_url=URL)
    call.hang_up()

    for command in (
        lambda: client.calls.actions.start_streaming(call.id, stream_url=URL),
        lambda: client.calls.actions.stop_streaming(call.id),
    ):
        with pytest.raises(telnyx.UnprocessableEntityError) as raised:
            command()
        assert errors(raised) == [
            {
                "code": "90018",
                "title": "Call has already ended",
                "detail": "This call is no longer active and can't receive commands.",
            }
        ]


def test_all_errors_of_a_command_are_listed(client: Telnyx, call: LiveCall) -> None:
    with pytest.raises(telnyx.UnprocessableEntityError) as raised:
        client.calls.actions.start_streaming(
            call.id,
            stream_url="https://www.example.com/",
            stream_track="inbound",  # type: ignore[arg-type]
            client_state="no Base64",
            extra_body={"stream_name": "x"},
        )

    assert [(error["code"], error["source"]["pointer"]) for error in errors(raised)] == [
        ("10015", "/client_state"),
        ("10003", "/stream_url"),
        ("10032", "/stream_track"),
        ("10015", "/stream_name"),
    ]
    assert raised.value.response.headers["x-request-id"]
    assert call.relays() == []


@pytest.mark.parametrize("key", ["KEY0123456789ABCDEF", "KEYnobody_secret", "x"])
def test_wrong_key_is_refused(stack: DeployedStack, key: str) -> None:
    with sdk(stack, key) as client, pytest.raises(telnyx.AuthenticationError) as raised:
        client.calls.actions.start_streaming("v3:any", stream_url=URL)

    [error] = errors(raised)
    assert error["code"] == "10009"
    assert error["meta"] == {"url": "https://developers.telnyx.com/docs/overview/errors/10009"}
    assert "x-ratelimit-limit" not in raised.value.response.headers


def test_body_that_is_not_json_is_refused(stack: DeployedStack, call: LiveCall) -> None:
    body = json.dumps({"stream_url": URL}).encode()
    for status, code, answer in (
        (400, "10023", post(stack, call.id, "streaming_start", b'{"stream_url":')),
        (400, "10015", post(stack, call.id, "streaming_start", b"[]")),
        (413, "10015", post(stack, call.id, "streaming_start", b" " * 100_000 + body)),
        (415, "10014", post(stack, call.id, "streaming_start", body, **{"Content-Type": "a/b"})),
    ):
        assert (answer.status, answer.body["errors"][0]["code"]) == (status, code)
        assert answer.headers["Content-Type"] == "application/json"
    assert call.relays() == []


def test_percent_encoded_id_is_decoded(
    stack: DeployedStack, call: LiveCall, consumer_url: str
) -> None:
    body = json.dumps({"stream_url": consumer_url}).encode()
    encoded = call.id.replace(":", "%3A").replace("-", "%2d")

    assert post(stack, encoded, "streaming_start", body).status == 200
    assert post(stack, encoded, "streaming_stop", b"").status == 200
    assert call.states() == ["stopped"]


def secret_names(stack: DeployedStack, connection_id: str) -> list[str]:
    """The secrets that a connection of the demo tenant has."""
    prefix = f"{stack.outputs['DialogflowSecretsPrefix']}demo/{connection_id}/"
    pages = stack.client("secretsmanager").get_paginator("list_secrets").paginate()
    names = [each["Name"] for page in pages for each in page["SecretList"]]
    return [name for name in names if name.startswith(prefix)]


def test_dialogflow_connection_is_stored_shown_replaced_and_deleted(
    stack: DeployedStack, client: Telnyx
) -> None:
    connection_id, connections = uuid4().hex, client.dialogflow_connections
    for missing in (connections.retrieve, connections.delete):
        with pytest.raises(telnyx.NotFoundError):
            missing(connection_id)
    with pytest.raises(telnyx.NotFoundError):
        connections.update(connection_id, service_account={**key_file()})

    made = connections.with_raw_response.create(
        connection_id,
        service_account={**key_file()},
        dialogflow_api="cx",
        conversation_profile_id="a-VMHLWzTmKjiJw5S6O0-w",
        location="europe-west2",
        environment="development",
    )
    assert made.status_code == 201
    shown = {
        "record_type": "dialogflow_connections",
        "connection_id": connection_id,
        "conversation_profile_id": "a-VMHLWzTmKjiJw5S6O0-w",
        "environment": "development",
        "service_account": "****",
    }
    assert made.parse().data.to_dict() == shown
    assert connections.retrieve(connection_id).data.to_dict() == shown

    other = key_file(project_id="pizza-2")
    replaced = connections.update(connection_id, service_account={**other})
    bare = shown | {"conversation_profile_id": None, "environment": None}
    assert replaced.data.to_dict() == bare
    [name] = secret_names(stack, connection_id)
    secret = stack.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    assert json.loads(secret)["project_id"] == "pizza-2"
    # What was refused has changed nothing.
    for wrong in ({"type": "external_account"}, key_file(private_key="no key")):
        with pytest.raises(telnyx.UnprocessableEntityError):
            connections.create(connection_id, service_account={**wrong})
    assert connections.retrieve(connection_id).data.to_dict() == bare

    connections.delete(connection_id)
    with pytest.raises(telnyx.NotFoundError):
        connections.retrieve(connection_id)
    assert secret_names(stack, connection_id) == []


def test_api_gateways_own_refusals_are_as_telnyx_documents(
    stack: DeployedStack, client: Telnyx
) -> None:
    with pytest.raises(telnyx.NotFoundError) as raised:
        client.calls.actions.hangup("v3:any")

    assert errors(raised) == [
        {
            "code": "10005",
            "title": "Resource not found",
            "detail": "The requested resource or URL could not be found.",
        }
    ]
    assert raised.value.response.headers["x-request-id"]
    path = "/v2/calls/v3:any/actions/streaming_start"
    assert stack.request("telnyx", "GET", path, {}).status == 404
