import json
from collections.abc import Mapping
from typing import Any

import pytest

from callstream.adapters.aws.event_bus import EventBus
from callstream.adapters.aws.kept_connections import Answer, KeptConnections, NoAnswer
from callstream.errors import Throttled, Unavailable
from callstream.warm_up import WarmUp

WARM_UPS = [WarmUp("connect"), WarmUp("relay", {"sink": "websocket"})]
TAKEN = {"EventId": "1"}


class Endpoint:
    """EventBridge. `answers` has a status and entries, or the reason why there is no answer."""

    def __init__(self, *answers: tuple[int, Any] | str) -> None:
        self.answers = [*answers]
        self.requests: list[tuple[Mapping[str, str], Any]] = []

    def exchange(self, _method: str, _path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.requests.append((headers, json.loads(body)))
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            raise NoAnswer(answer, is_sent=True)
        status, content = answer
        return Answer(status, {}, json.dumps(content).encode())


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> EventBus:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return EventBus("callstream.replay")


def answering(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, Any] | str) -> Endpoint:
    endpoint = Endpoint(*answers)
    monkeypatch.setattr(
        KeptConnections, "exchange", lambda _, *request: endpoint.exchange(*request)
    )
    return endpoint


def test_warm_ups_are_events_of_one_request(bus: EventBus, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = answering(monkeypatch, (200, {"FailedEntryCount": 0, "Entries": [TAKEN, TAKEN]}))

    bus.put(WARM_UPS)

    [(headers, body)] = endpoint.requests
    assert headers["x-amz-target"] == "AWSEvents.PutEvents"
    assert body == {
        "Entries": [
            {
                "Source": "callstream.replay",
                "DetailType": "connect",
                "Detail": '{"warm_up":{}}',
            },
            {
                "Source": "callstream.replay",
                "DetailType": "relay",
                "Detail": '{"warm_up":{"sink":"websocket"}}',
            },
        ]
    }


def test_event_that_is_refused_on_its_own_is_a_failure(
    bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"ErrorCode": "InternalFailure", "ErrorMessage": ""}
    answering(monkeypatch, (200, {"FailedEntryCount": 1, "Entries": [TAKEN, refused]}))

    with pytest.raises(Unavailable) as raised:
        bus.put(WARM_UPS)
    assert raised.value.code == "InternalFailure"


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ((400, {"__type": "ThrottlingException"}), Throttled, "ThrottlingException"),
        ((400, {"__type": "AccessDeniedException"}), Unavailable, "AccessDeniedException"),
        ((500, {}), Unavailable, "500"),
        ("ReadTimeoutError", Unavailable, "ReadTimeoutError"),
        ((200, {}), Unavailable, "Unreadable"),
    ],
)
def test_failure_is_not_tried_again_while_a_client_waits(
    answer: tuple[int, Any] | str,
    error: type[Unavailable],
    code: str,
    bus: EventBus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = answering(monkeypatch, answer)

    with pytest.raises(error) as raised:
        bus.put(WARM_UPS)
    assert raised.value.code == code
    assert len(endpoint.requests) == 1


def test_environment_without_credentials_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)

    with pytest.raises(Unavailable):
        EventBus("callstream.replay")
