"""The sinks of records: how often they try, and what they send."""

import json
from base64 import b64decode
from collections.abc import Mapping

import pytest

from callstream.adapters.aws.kept_connections import Answer, KeptConnections, NoAnswer
from callstream.adapters.aws.record_sinks import KinesisSink, OverflowSink, overflow_record
from callstream.errors import Throttled, Unavailable


class Service:
    """Answers every request alike, and remembers them."""

    def __init__(self) -> None:
        self.answer: Answer | NoAnswer = Answer(200, {}, b"{}")
        self.requests: list[tuple[str, bytes]] = []
        self.slept: list[float] = []


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def exchange(
        connections: KeptConnections, _m: str, _p: str, _h: Mapping[str, str], body: bytes
    ) -> Answer:
        service.requests.append((connections.host, body))
        if isinstance(service.answer, NoAnswer):
            raise service.answer
        return service.answer

    monkeypatch.setattr(KeptConnections, "exchange", exchange)
    monkeypatch.setattr("time.sleep", service.slept.append)
    return service


def refusal(status: int, code: str) -> Answer:
    return Answer(status, {}, b'{"__type": "%s"}' % code.encode())


@pytest.mark.parametrize(
    ("answer", "code", "attempts"),
    [
        (
            refusal(400, "ProvisionedThroughputExceededException"),
            "ProvisionedThroughputExceededException",
            1,  # the caller tries again, if it can wait
        ),
        (refusal(500, "InternalFailure"), "InternalFailure", 2),
        (refusal(400, "ResourceNotFoundException"), "ResourceNotFoundException", 1),
        (refusal(400, "AccessDeniedException"), "AccessDeniedException", 1),
        (NoAnswer("ReadTimeoutError", is_sent=True), "ReadTimeoutError", 2),
    ],
)
def test_sink_tries_again_where_that_helps_and_never_for_long(
    service: Service, answer: Answer | NoAnswer, code: str, attempts: int
) -> None:
    service.answer = answer
    sink = KinesisSink("frames")

    with pytest.raises(Unavailable, match=f"kinesis is unavailable: {code}") as raised:
        sink.put("stream-1", b"data")
    assert isinstance(raised.value, Throttled) is ("Throughput" in code)
    assert len(service.requests) == attempts
    patience = sink._client._patience
    taken = attempts * (patience.connect_seconds + patience.answer_seconds)
    # Longer than this, and a few tracks that cannot be put take all of an account's concurrency.
    assert taken + sum(service.slept) <= 4


def test_sink_puts_a_record_on_the_stream(service: Service) -> None:
    KinesisSink("frames").put("stream-1", b"\x00\xff")

    [(host, body)] = service.requests
    assert host == "kinesis.us-east-1.amazonaws.com"
    assert json.loads(body) == {
        "StreamName": "frames",
        "PartitionKey": "stream-1",
        "Data": "AP8=",
    }


def test_overflow_queue_keeps_a_record_as_it_is(service: Service) -> None:
    OverflowSink("https://queue").put("stream-1", b"\x00\xff")

    [(host, body)] = service.requests
    sent = json.loads(body)
    assert (host, sent["QueueUrl"]) == ("sqs.us-east-1.amazonaws.com", "https://queue")
    delivered = {
        "body": sent["MessageBody"],
        "messageAttributes": {
            name: {"stringValue": value["StringValue"]}
            for name, value in sent["MessageAttributes"].items()
        },
    }
    assert overflow_record(delivered) == ("stream-1", b"\x00\xff")
    assert b64decode(sent["MessageBody"]) == b"\x00\xff"


def test_overflow_queue_that_refuses_is_unavailable(service: Service) -> None:
    service.answer = Answer(
        400, {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"}, b"{}"
    )

    with pytest.raises(Unavailable, match=r"sqs is unavailable: .*NonExistentQueue"):
        OverflowSink("https://queue").put("stream-1", b"data")


@pytest.mark.usefixtures("service")
def test_sink_without_credentials_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")

    with pytest.raises(Unavailable, match="kinesis is unavailable: NoCredentialsError"):
        KinesisSink("frames")
    with pytest.raises(Unavailable, match="sqs is unavailable: NoCredentialsError"):
        OverflowSink("https://queue").put("stream-1", b"data")
