"""What becomes of a message: its record, and where it goes when Kinesis does not take it."""

import logging
from base64 import b64decode
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from callstream import records
from callstream.adapters.sinks import KinesisSink, OverflowSink, overflow_record
from callstream.dialects.events import Media
from callstream.errors import Unavailable
from callstream.identity import StreamIdentity
from callstream.ingest import Publisher, read
from callstream.records import Rejected

STREAM = StreamIdentity("stream-1", "acme", "genagent")
FRAME = Media(sequence=2, track="inbound", chunk=1, timestamp=0, audio=b"\xffsecret-audio")


class Sink:
    def __init__(self, *, works: bool = True) -> None:
        self.works = works
        self.records: list[tuple[str, bytes]] = []

    def put(self, partition_key: str, data: bytes) -> None:
        if not self.works:
            raise Unavailable("test", "Down")
        self.records.append((partition_key, data))


def test_a_frame_goes_to_the_frames_stream_under_its_stream_id() -> None:
    frames, overflow = Sink(), Sink()
    Publisher(frames, overflow).publish(STREAM, 1_795_000_000_000, FRAME)

    [(key, data)] = frames.records
    assert key == "stream-1"
    record = records.decode(data)
    assert record.event == FRAME
    assert (record.tenant_id, record.route, record.dialect) == ("acme", "genagent", "twilio")
    assert record.received_at == 1_795_000_000_000
    assert not overflow.records


def test_what_kinesis_refuses_waits_in_the_overflow(caplog: pytest.LogCaptureFixture) -> None:
    frames, overflow = Sink(works=False), Sink()
    Publisher(frames, overflow).publish(STREAM, 0, FRAME)

    [(key, data)] = overflow.records
    assert key == "stream-1"
    assert records.decode(data).event == FRAME
    assert [entry.levelno for entry in caplog.records] == [logging.WARNING]


def test_a_record_that_nobody_takes_is_told_without_its_audio(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Publisher(Sink(works=False), Sink(works=False)).publish(STREAM, 0, FRAME)

    [entry] = caplog.records
    assert entry.levelno == logging.ERROR
    assert "lost" in entry.message
    assert vars(entry)["stream_id"] == "stream-1"
    assert "secret-audio" not in str(vars(entry))


def test_an_unreadable_message_becomes_a_rejected_record() -> None:
    body = '{"event": "media", "media": {}}' + " " * 100
    event = read(body)

    assert isinstance(event, Rejected)
    assert event.reason == "not_as_documented"
    assert event.size == len(body)
    assert event.head == body[:64].encode()


@given(st.text())
def test_whatever_comes_in_can_be_published(body: str) -> None:
    frames = Sink()
    Publisher(frames, Sink()).publish(STREAM, 0, read(body))

    assert len(frames.records) == 1
    records.decode(frames.records[0][1])


@pytest.fixture
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.usefixtures("_region")
@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException",
        "InternalFailure",
        "ResourceNotFoundException",
        "AccessDeniedException",
    ],
)
def test_whatever_kinesis_answers_but_success_is_a_refusal(code: str) -> None:
    sink = KinesisSink("frames")
    with Stubber(sink._client) as stub:
        stub.add_client_error("put_record", service_error_code=code)
        with pytest.raises(Unavailable, match=code):
            sink.put("stream-1", b"data")


@pytest.mark.usefixtures("_region")
def test_a_record_survives_the_overflow_queue() -> None:
    sent: dict[str, Any] = {}

    class Client:
        def send_message(self, **request: object) -> None:
            sent.update(request)

    sink = OverflowSink("https://queue")
    sink.__dict__["_client"] = Client()
    sink.put("stream-1", b"\x00\xff")

    delivered = {
        "body": sent["MessageBody"],
        "messageAttributes": {
            name: {"stringValue": value["StringValue"]}
            for name, value in sent["MessageAttributes"].items()
        },
    }
    assert overflow_record(delivered) == ("stream-1", b"\x00\xff")
    assert b64decode(sent["MessageBody"]) == b"\x00\xff"
