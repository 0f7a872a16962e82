"""The signed client: its requests are botocore's, and what the answers to them mean."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from botocore import credentials as botocore_credentials
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callstream.adapters.aws.kept_connections import Answer, KeptConnections, NoAnswer
from callstream.adapters.aws.signed_client import Patience, RequestFailed, SignedClient, refused

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TWO = Patience(1, 1, 2, 0.1)
DONE = Answer(200, {}, b"{}")
API = "https://api.example/media"
# Headers that botocore sends and no service needs.
BOTOCORES = {"user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "x-amzn-query-mode"}

type Request = tuple[str, str, dict[str, str], bytes]
"""Method, path, headers and body."""


class Service:
    """Answers in turn, the last answer again and again, and remembers requests and pauses."""

    def __init__(self) -> None:
        self.answers: list[Answer | NoAnswer] = [DONE]
        self.requests: list[Request] = []
        self.pauses: list[float] = []

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.requests.append((method, path, dict(headers), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, NoAnswer):
            raise answer
        return answer


@pytest.fixture(autouse=True, scope="module")
def _now() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }.items():
            monkeypatch.setenv(name, value)
        with time_machine.travel(NOW, tick=False):
            yield


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    monkeypatch.setattr(KeptConnections, "exchange", lambda _, *request: service.exchange(*request))
    monkeypatch.setattr("time.sleep", service.pauses.append)
    return service


class Botocore:
    """Clients of botocore, whose requests get an answer instead of going out."""

    def __init__(self) -> None:
        self.request: Any = None
        """The last request."""
        self.answer = DONE
        once = Config(retries={"total_max_attempts": 1})
        self.clients: dict[str, Any] = {
            name: get_session().create_client(name, endpoint_url=url, config=once)
            for name, url in {
                "kinesis": None,
                "sqs": None,
                "apigatewaymanagementapi": API,
            }.items()
        }
        for client in self.clients.values():
            client.meta.events.register("before-send", self._send)

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.request = request
        status, body = self.answer.status, self.answer.body
        headers: Any = self.answer.headers
        return AWSResponse(request.url, status, headers, Raw(body))


class Raw(BytesIO):
    """A body, as botocore reads it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


@pytest.fixture(scope="module")
def botocore(_now: None) -> Botocore:
    return Botocore()


def assert_same(ours: Request, theirs: Any, service: str) -> None:
    """Compare a request with botocore's, and its signature with botocore's for the same bytes."""
    method, path, headers, body = ours
    url = f"https://{headers['host']}{path}"
    assert (method, url) == (theirs.method, theirs.url)
    if path == "/":  # the spaces differ
        assert json.loads(body) == json.loads(theirs.body)
    else:
        assert body == (theirs.body or b"")
    plain = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in theirs.headers.items()
        if name.lower() not in BOTOCORES | {"authorization", "content-length"}
    }
    signed = AWSRequest(method, url, plain, body)
    given = botocore_credentials.Credentials("id", "secret", "token")
    SigV4Auth(given, service, "eu-central-1").add_auth(signed)
    expected = {name.lower(): value for name, value in signed.headers.items()}
    assert headers == expected | {"host": headers["host"]}


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(TEXT, TEXT, st.binary())
def test_put_record_is_botocores(
    service: Service, botocore: Botocore, stream: str, key: str, data: bytes
) -> None:
    arguments = {"StreamName": "s" + stream, "PartitionKey": "k" + key, "Data": data}
    SignedClient("kinesis", TWO).call("Kinesis_20131202.PutRecord", "1.1", arguments)
    botocore.clients["kinesis"].put_record(**arguments)

    assert_same(service.requests[-1], botocore.request, "kinesis")


@many
@given(TEXT, TEXT)
def test_send_message_is_botocores(
    service: Service, botocore: Botocore, body: str, key: str
) -> None:
    arguments = {
        "QueueUrl": "https://sqs.eu-central-1.amazonaws.com/0/overflow",
        "MessageBody": body,
        "MessageAttributes": {"Key": {"DataType": "String", "StringValue": key}},
    }
    SignedClient("sqs", TWO).call("AmazonSQS.SendMessage", "1.0", arguments)
    botocore.clients["sqs"].send_message(**arguments)

    assert_same(service.requests[-1], botocore.request, "sqs")


@many
@given(TEXT, st.binary())
def test_post_to_connection_is_botocores(
    service: Service, botocore: Botocore, name: str, data: bytes
) -> None:
    connection_id = f"c={name}"
    path = f"/@connections/{quote(connection_id, safe='~')}"
    SignedClient("execute-api", TWO, API).request("POST", path, body=data)
    botocore.clients["apigatewaymanagementapi"].post_to_connection(
        ConnectionId=connection_id, Data=data
    )

    assert_same(service.requests[-1], botocore.request, "execute-api")


CODES = st.text("ABCabc.", min_size=1)
FORMS = st.sampled_from(["{}", "com.amazon.coral#{}", "{}:http://internal.amazon.com/"])
JSON_BODIES = st.fixed_dictionaries(
    {}, optional={"message": TEXT, "Message": TEXT, "__type": st.builds(str.format, FORMS, CODES)}
)
REST_BODIES = st.fixed_dictionaries(
    {}, optional={"message": TEXT, "code": CODES, "Code": st.builds(str.format, FORMS, CODES)}
)

CALLS: dict[str, Callable[[Any], object]] = {
    "kinesis": lambda client: client.put_record(StreamName="s", PartitionKey="k", Data=b""),
    "sqs": lambda client: client.send_message(QueueUrl="https://q", MessageBody="b"),
    "apigatewaymanagementapi": lambda client: client.delete_connection(ConnectionId="c"),
}


def botocores(botocore: Botocore, name: str, answer: Answer) -> tuple[str, str]:
    """The code and message that botocore reads."""
    botocore.answer = answer
    with pytest.raises(ClientError) as raised:
        CALLS[name](botocore.clients[name])
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@many
@given(
    st.sampled_from([400, 403, 410, 429, 500, 503]),
    st.fixed_dictionaries({}, optional={"x-amzn-errortype": st.builds(str.format, FORMS, CODES)}),
    REST_BODIES.map(lambda body: json.dumps(body).encode()),
)
def test_refusal_of_a_rest_api_is_as_botocore_reads_it(
    botocore: Botocore, status: int, headers: dict[str, str], body: bytes
) -> None:
    answer = Answer(status, headers, body)
    failed = refused(answer)

    assert (failed.code, failed.message) == botocores(botocore, "apigatewaymanagementapi", answer)
    assert failed.status == status


@many
@given(
    st.sampled_from(["kinesis", "sqs"]),
    st.sampled_from([400, 403, 500, 503]),
    st.fixed_dictionaries({}, optional={"x-amzn-query-error": CODES.map("{};Sender".format)}),
    JSON_BODIES.map(lambda body: json.dumps(body).encode()),
)
def test_refusal_of_a_json_service_is_as_botocore_reads_it(
    botocore: Botocore, name: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    answer = Answer(status, headers, body)
    failed = refused(answer)

    assert (failed.code, failed.message) == botocores(botocore, name, answer)


UNREADABLE = st.sampled_from([b"[]", b"1", b'{"__type": 1}', b"[" * 60_000])


@given(st.integers(300, 599), st.binary() | UNREADABLE)
def test_refusal_that_cannot_be_read_has_the_status(status: int, body: bytes) -> None:
    failed = refused(Answer(status, {}, body))

    assert failed.status == status
    assert failed.code in {str(status), "1"}


THROTTLED = Answer(400, {}, b'{"__type": "ProvisionedThroughputExceededException"}')
TOO_MANY = Answer(429, {}, b"")
FAILED = Answer(500, {}, b"")
DENIED = Answer(403, {}, b'{"__type": "AccessDeniedException"}')
UNREACHED = NoAnswer("ConnectTimeoutError", is_sent=False)
UNANSWERED = NoAnswer("ReadTimeoutError", is_sent=True)
REDIRECTED = Answer(307, {"location": "https://elsewhere.example"}, b"")


@pytest.mark.parametrize(
    ("answer", "repeats", "throttled", "tries"),
    [
        (THROTTLED, True, True, 3),
        (THROTTLED, False, True, 3),
        (THROTTLED, True, False, 1),
        (TOO_MANY, True, True, 3),
        (TOO_MANY, True, False, 1),
        (FAILED, True, False, 3),
        (FAILED, False, True, 3),
        (Answer(408, {}, b""), False, True, 3),
        (DENIED, True, True, 1),
        (REDIRECTED, True, True, 1),
        (UNREACHED, True, True, 3),
        (UNREACHED, False, True, 3),
        (UNANSWERED, True, True, 3),
        (UNANSWERED, False, True, 1),
    ],
)
def test_client_tries_again_where_that_can_help(
    service: Service, answer: Answer | NoAnswer, *, repeats: bool, throttled: bool, tries: int
) -> None:
    service.answers = [answer]
    patience = Patience(1, 1, 3, 0.1, throttled)

    with pytest.raises(RequestFailed) as raised:
        SignedClient("kinesis", patience).request("POST", "/", repeats=repeats)
    assert len(service.requests) == tries
    assert raised.value.status == (0 if isinstance(answer, NoAnswer) else answer.status)


@pytest.mark.parametrize("problem", [THROTTLED, FAILED, UNREACHED, UNANSWERED])
def test_client_returns_the_answer_of_a_later_try(
    service: Service, problem: Answer | NoAnswer
) -> None:
    service.answers = [problem, DONE]

    assert SignedClient("kinesis", TWO).request("POST", "/") == b"{}"


def test_pauses_double_and_have_full_jitter(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges: list[tuple[float, float]] = []

    def drawn(least: float, most: float) -> float:
        ranges.append((least, most))
        return most / 4

    monkeypatch.setattr("callstream.adapters.aws.signed_client.uniform", drawn)
    service.answers = [FAILED]
    with pytest.raises(RequestFailed):
        SignedClient("kinesis", Patience(1, 1, 4, 0.1)).request("POST", "/")

    assert ranges == [(0, 0.1), (0, 0.2), (0, 0.4)]
    assert service.pauses == [0.025, 0.05, 0.1]


def test_each_try_is_signed_anew(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        monkeypatch.setattr("time.sleep", lambda _: clock.shift(1))
        service.answers = [FAILED, DONE]
        SignedClient("kinesis", TWO).request("POST", "/")

    dates = [headers["x-amz-date"] for _, _, headers, _ in service.requests]
    assert dates == ["20261121T120000Z", "20261121T120001Z"]


def test_connecting_early_is_no_error_if_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[KeptConnections] = []

    def connect(connections: KeptConnections) -> None:
        asked.append(connections)
        raise NoAnswer("EndpointConnectionError", is_sent=False)

    monkeypatch.setattr(KeptConnections, "connect", connect)
    SignedClient("kinesis", TWO).connect()

    assert len(asked) == 1


def test_client_without_credentials_or_region_fails_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(RequestFailed, match="NoCredentialsError"):
        SignedClient("kinesis", TWO)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(RequestFailed, match="NoRegionError"):
        SignedClient("kinesis", TWO)
