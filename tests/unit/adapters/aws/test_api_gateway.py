"""API Gateway's connections: what its answers mean."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ConnectTimeoutError
from botocore.httpsession import URLLib3Session

from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
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
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.error: Exception | None = None

    def refuse(self, status: int, code: str, message: str = "") -> None:
        self.status, self.headers = status, {"x-amzn-ErrorType": code}
        self.body = json.dumps({"message": message}).encode()

    def send(self, request: AWSRequest) -> AWSResponse:
        body: Any = request.body or b""
        self.requests.append((str(request.method), str(request.url), bytes(body)))
        if self.error is not None:
            raise self.error
        headers: Any = self.headers
        response = AWSResponse(str(request.url), self.status, headers, None)
        response._content = self.body  # type: ignore[attr-defined]
        return response


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway()
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(URLLib3Session, "send", gateway.send)
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
    gateway.body = json.dumps({"lastActiveAt": "2026-11-21T12:00:01.500Z"}).encode()
    expected = datetime(2026, 11, 21, 12, 0, 1, 500_000, UTC)

    assert connections.active_at("c=1") == expected
    assert gateway.requests == [("GET", f"https://api.example.com{PATH}", b"")]


def test_active_at_is_now_if_the_answer_has_no_time(
    gateway: Gateway, connections: ApiConnections
) -> None:
    gateway.body = b"{}"
    before = clock.now()
    active_at = connections.active_at("c=1")

    assert active_at is not None
    assert before <= active_at <= clock.now()


def test_close_closes_the_connection(gateway: Gateway, connections: ApiConnections) -> None:
    gateway.status = 204
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
    gateway.status = 410
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
    gateway.error = ConnectTimeoutError(endpoint_url=URL)
    method, _ = METHODS[name]

    with pytest.raises(Unavailable, match="ConnectTimeoutError"):
        method(connections)
    assert len(gateway.requests) == 3
