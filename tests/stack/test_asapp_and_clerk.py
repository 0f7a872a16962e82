"""ASAPP's POST endpoints and Clerk's, over HTTP and on to the stream that their URLs open."""

import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.stack.conftest import Answer, DeployedStack, eventually

START = "/mg-autotranscribe/v1/start-streaming"
STOP = "/mg-autotranscribe/v1/stop-streaming"


def post(stack: DeployedStack, surface: str, path: str, body: Any) -> Answer:
    key = str(stack.description["credentials"]["clerk"]["api_key"])
    headers = stack.credentials() if surface == "asapp" else {"apiKey": key}
    headers["Content-Type"] = "application/json"
    return stack.request(surface, "POST", path, headers, json.dumps(body).encode())


def test_transcription_starts_waits_stops_and_starts_again(stack: DeployedStack) -> None:
    call = {"namespace": "twilio", "guid": "CA-transcribed"}
    request = call | {"customerId": "cust-42", "agentId": "agent-7"}

    assert post(stack, "asapp", STOP, call).status == 404
    started = post(stack, "asapp", START, request)
    assert started.status == 200
    assert started.body["isOk"] is True
    assert post(stack, "asapp", START, request).body == started.body

    stopped = post(stack, "asapp", STOP, call)
    assert stopped.status == 200
    for side in ("customer", "agent"):
        ours = stopped.body["autotranscribeResponse"][side]
        assert ours["streamId"] == started.body["autotranscribeResponse"][side]["streamId"]
        assert ours["summary"]["transcripts"] == 0
    assert post(stack, "asapp", START, request).body == started.body


@pytest.mark.parametrize(
    ("surface", "path", "body", "attributes"),
    [
        (
            "asapp",
            "/autotranscribe/v1/streaming-url",
            {"externalId": "conversation-1"},
            {"dialect": "asapp", "external_id": "conversation-1"},
        ),
        (
            "clerk",
            "/public/twilio-connector/connect",
            {"inboxExternalId": "inbox-123", "direction": "outbound"},
            {"inbox": "inbox-123", "direction": "outbound"},
        ),
    ],
)
def test_stream_carries_what_its_url_was_asked_for(
    stack: DeployedStack, surface: str, path: str, body: Any, attributes: dict[str, str]
) -> None:
    answer = post(stack, surface, path, body)
    assert answer.status == 200
    url = answer.body["streamingUrl"] if surface == "asapp" else answer.body["data"]["connectUrl"]
    with connect(url, proxy=None, compression=None):
        pass

    table = stack.table("streams")
    eventually(lambda: any(item.get("attributes") == attributes for item in table.scan()["Items"]))


def test_connect_url_opens_one_stream(stack: DeployedStack) -> None:
    answer = post(
        stack, "clerk", "/public/twilio-connector/connect", {"inboxExternalId": "inbox-123"}
    )
    url = answer.body["data"]["connectUrl"]
    with connect(url, proxy=None, compression=None):
        pass

    with pytest.raises(InvalidStatus), connect(url, proxy=None, compression=None):
        pass


@pytest.mark.parametrize(
    ("surface", "path"),
    [("clerk", "/public/twilio-connector/nothing"), ("asapp", "/autotranscribe/v1/nothing")],
)
def test_unknown_path_is_answered_with_the_surfaces_own_error(
    stack: DeployedStack, surface: str, path: str
) -> None:
    answer = post(stack, surface, path, {})

    assert answer.status == 404
    assert answer.body.keys() == (
        {"error"} if surface == "asapp" else {"statusCode", "message", "error", "requestId"}
    )
