"""API Gateway's connections: what its answers mean."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.kept_connections import Answer, KeptConnections, NoAnswer
from callstream.errors import Throttled, Unavailable, Undeliverable

URL = "https://api.example.com/media"
PATH = "/media/@connections/c%3D1"

type Ask = Callable[[ApiConnections], Any]

METHODS: dict[str, tuple[Ask, Any]] = {
    "post": (lambda connections: connections.post("c=1", b"{}"), False),
    "active_at": (lambda connections: connections.active_at("c=1"), None),
    "close": (lambda connections: connections.close("c=1"), None),
}
every_method = pytest.mark.parametrize("name", METHODS)


class Gateway:
    """Answers every request alike, and remembers them."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.answer = Answer(200, {}, b"")
        self.error: NoAnswer | None = None

    def refuse(self, status: int, code: str, message: str = "") -> None:
        body = json.dumps({"message": message}).encode()
        self.answer = Answer(status, {"x-amzn-errortype": code}, body)

    def exchange(self, host: str, method: str, path: str, _: Any, body: bytes) -> Answer:
        self.requests.append((method, f"https://{host}{path}", body))
        if self.error is not None:
            raise self.error
        return self.answer


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway()
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def exchange(connections: KeptConnections, *request: Any) -> Answer:
        return gateway.exchange(connections.host, *request)

    monkeypatch.setattr(KeptConnections, "exchange", exchange)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return gateway


@pytest.fixture
def connections(gateway: Gateway) -> ApiConnections:
    assert not gateway.requests
    return ApiConnections(URL)


def test_post_sends_a_message(gateway: Gateway, connections: ApiConnections) -> None:
    assert connections.post("c=1", b"hello") is True
    assert gateway.requests == [("POST", f"https://api.example.com{PATH}", b"hello")]


def test_active_at_reads_the_time_of_the_last_message(
    gateway: Gateway, connections: ApiConnections
) -> None:
    gateway.answer = Answer(200, {}, b'{"lastActiveAt": "2026-11-21T12:00:01.500Z"}')
    expected = datetime(2026, 11, 21, 12, 0, 1, 500_000, UTC)

    assert connections.active_at("c=1") == expected
    assert gateway.requests == [("GET", f"https://api.example.com{PATH}", b"")]


@pytest.mark.parametrize("answer", [b"{}", b"", b"\xff", b'{"lastActiveAt": "yesterday"}'])
def test_active_at_is_now_if_the_answer_has_no_time(
    gateway: Gateway, connections: ApiConnections, answer: bytes
) -> None:
    gateway.answer = Answer(200, {}, answer)
    before = clock.now()
    active_at = connections.active_at("c=1")

    assert active_at is not None
    assert before <= active_at <= clock.now()


def test_close_closes_the_connection(gateway: Gateway, connections: ApiConnections) -> None:
    gateway.answer = Answer(204, {}, b"")
    connections.close("c=1")

    assert gateway.requests == [("DELETE", f"https://api.example.com{PATH}", b"")]


@every_method
@pytest.mark.parametrize(
    "refusal",
    [
        (410, "GoneException", "GoneException"),
        (400, "BadRequestException", "Invalid connectionId: c=1"),
    ],
)
def test_connection_that_is_gone_is_no_error(
    gateway: Gateway, connections: ApiConnections, name: str, refusal: tuple[int, str, str]
) -> None:
    gateway.refuse(*refusal)
    method, answer = METHODS[name]

    assert method(connections) is answer
    assert len(gateway.requests) == 1


@every_method
def test_connection_that_is_gone_without_an_error_body_is_no_error(
    gateway: Gateway, connections: ApiConnections, name: str
) -> None:
    gateway.answer = Answer(410, {}, b"")
    method, answer = METHODS[name]

    assert method(connections) is answer


@every_method
@pytest.mark.parametrize(
    ("refusal", "tries"),
    [
        ((429, "LimitExceededException"), 3),
        ((500, "InternalServerError"), 3),
        ((503, "ServiceUnavailable"), 3),
        ((429, "TooManyRequestsException"), 3),
        ((403, "ForbiddenException"), 1),
        ((400, "BadRequestException"), 1),
    ],
)
def test_refusal_is_unavailable(
    gateway: Gateway, connections: ApiConnections, name: str, refusal: tuple[int, str], tries: int
) -> None:
    if name == "post" and tries == 1:
        return  # see the next test
    gateway.refuse(*refusal)
    method, _ = METHODS[name]

    with pytest.raises(Unavailable, match=f"apigateway is unavailable: {refusal[1]}") as raised:
        method(connections)
    assert len(gateway.requests) == tries
    assert isinstance(raised.value, Throttled) is (refusal[0] == 429)


@pytest.mark.parametrize(
    "refusal",
    [
        (413, "PayloadTooLargeException"),
        (403, "ForbiddenException"),
        (400, "BadRequestException"),
    ],
)
def test_message_that_is_never_taken_is_undeliverable(
    gateway: Gateway, connections: ApiConnections, refusal: tuple[int, str]
) -> None:
    gateway.refuse(*refusal)

    with pytest.raises(Undeliverable, match=f"apigateway never takes this message: {refusal[1]}"):
        connections.post("c=1", b"{}")
    assert len(gateway.requests) == 1


@every_method
def test_network_error_is_unavailable(
    gateway: Gateway, connections: ApiConnections, name: str
) -> None:
    gateway.error = NoAnswer("ConnectTimeoutError", is_sent=False)
    method, _ = METHODS[name]

    with pytest.raises(Unavailable, match="ConnectTimeoutError"):
        method(connections)
    assert len(gateway.requests) == 3


@pytest.mark.parametrize(("to_relays", "tries"), [(True, 3), (False, 1)])
def test_message_that_may_have_come_is_sent_again_to_relays_alone(
    gateway: Gateway, *, to_relays: bool, tries: int
) -> None:
    connections = ApiConnections(URL, to_relays=to_relays)
    gateway.error = NoAnswer("ReadTimeoutError", is_sent=True)

    with pytest.raises(Unavailable, match="ReadTimeoutError"):
        connections.post("c=1", b"{}")
    assert len(gateway.requests) == tries


@pytest.mark.parametrize(("repeats", "tries"), [(True, 3), (False, 1)])
def test_throttling_holds_up_only_callers_who_can_wait(
    gateway: Gateway, *, repeats: bool, tries: int
) -> None:
    connections = ApiConnections(URL, to_relays=True, repeats_throttled=repeats)
    gateway.refuse(429, "LimitExceededException")

    with pytest.raises(Throttled):
        connections.post("c=1", b"hello")
    assert len(gateway.requests) == tries


def test_throttling_without_a_body_is_throttling(
    gateway: Gateway, connections: ApiConnections
) -> None:
    gateway.answer = Answer(429, {}, b"")

    with pytest.raises(Throttled, match="apigateway is unavailable: 429"):
        connections.post("c=1", b"{}")
