"""What the tool asks of the gateway about Dialogflow; the stack answers in tests/stack."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from callstream.dialogues.service_account import ServiceAccount
from callstream_cli import gateway
from callstream_cli.carrier.staying import TELNYX_DIALOGFLOW
from callstream_cli.dialogflow import connection

STACK: Any = {
    "rest": {"telnyx": "http://127.0.0.1:1/telnyx"},
    "credentials": {"telnyx": {"api_key": "KEY1"}},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str, Any]]:
    """The requests: method, URL, authorization and body."""
    requests: list[tuple[str, str, str, Any]] = []

    def request(method: str, url: str, headers: dict[str, str], body: bytes) -> bytes:
        requests.append((method, url, headers["Authorization"], json.loads(body)))
        return b"{}"

    monkeypatch.setattr(gateway, "_request", request)
    return requests


@pytest.mark.parametrize(
    ("command", "consumer", "body"),
    [
        (TELNYX_DIALOGFLOW, "", {"enable_dialogflow": True}),
        (
            TELNYX_DIALOGFLOW,
            "ws://a",
            {
                "enable_dialogflow": True,
                "stream_url": "ws://a",
                "stream_track": "both_tracks",
                "stream_bidirectional_mode": "rtp",
                "stream_bidirectional_target_legs": "self",
            },
        ),
        (
            gateway.fork_as_telnyx,
            "ws://a",
            {"stream_url": "ws://a", "stream_track": "both_tracks"},
        ),
    ],
)
def test_telnyxs_command_asks_for_a_fork_an_agent_or_both(
    asked: list[Any], command: Callable[..., None], consumer: str, body: dict[str, Any]
) -> None:
    command(STACK, "CA/1", consumer)
    url = "http://127.0.0.1:1/telnyx/v2/calls/CA%2F1/actions/streaming_start"
    assert asked == [("POST", url, "Bearer KEY1", body)]


def test_the_demo_tenants_connection_has_a_key_that_the_gateway_takes(asked: list[Any]) -> None:
    connection.store(STACK, "demo")

    [(method, url, key, body)] = asked
    assert (method, key) == ("POST", "Bearer KEY1")
    assert url == "http://127.0.0.1:1/telnyx/v2/dialogflow_connections/demo"
    assert ServiceAccount.model_validate(body.pop("service_account")).project_id
    assert body == {
        "dialogflow_api": "cx",
        "conversation_profile_id": "demo",
        "location": "global",
    }
