"""What becomes of a message: its record, and where it goes when Kinesis does not take it."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.dialects.events import Mark, Media
from callstream.errors import Throttled, Unavailable
from callstream.frames import records
from callstream.frames.publisher import PAUSE_SECONDS, Publisher, ReceivedEvent, read
from callstream.frames.records import Rejected
from callstream.identity import StreamIdentity
from callstream.relays.batches import batches

STREAM = StreamIdentity("stream-1", "acme", "genagent")
FRAME = Media(sequence=2, track="inbound", chunk=1, timestamp=0, audio=b"\xffsecret-audio")
RECEIVED = ReceivedEvent(FRAME, "twilio")


class Sink:
    def __init__(self, *, works: bool = True, throttles: bool = False) -> None:
        self.works = works
        self.throttles = throttles
        self.records: list[tuple[str, bytes]] = []

    def put(self, partition_key: str, data: bytes) -> None:
        if not self.works:
            raise (Throttled if self.throttles else Unavailable)("test", "Down")
        self.records.append((partition_key, data))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def publisher(frames: Sink, overflow: Sink) -> Publisher:
    return Publisher(frames, overflow, Clock())


def test_publisher_puts_a_frame_under_its_stream_id() -> None:
    frames, overflow = Sink(), Sink()
    publisher(frames, overflow).publish(STREAM, 1_795_000_000_000, RECEIVED)

    [(key, data)] = frames.records
    assert key == "stream-1"
    record = records.decode(data)
    assert record.event == FRAME
    assert (record.tenant_id, record.route, record.dialect) == ("acme", "genagent", "twilio")
    assert record.received_at == 1_795_000_000_000
    assert not overflow.records


def test_publisher_puts_a_refused_record_into_the_overflow(
    caplog: pytest.LogCaptureFixture,
) -> None:
    frames, overflow = Sink(works=False), Sink()
    publisher(frames, overflow).publish(STREAM, 0, RECEIVED)

    [(key, data)] = overflow.records
    assert key == "stream-1"
    assert records.decode(data).event == FRAME
    assert [entry.levelno for entry in caplog.records] == [logging.WARNING]


def test_publisher_uses_the_overflow_at_once_for_a_while_after_a_refusal() -> None:
    frames, overflow, clock = Sink(works=False), Sink(), Clock()
    publishing = Publisher(frames, overflow, clock)
    other = StreamIdentity("stream-2", "acme", "genagent")
    publishing.publish(STREAM, 0, RECEIVED)
    frames.works = True

    publishing.publish(STREAM, 0, RECEIVED)
    assert len(overflow.records) == 2
    publishing.publish(other, 0, RECEIVED)
    assert len(frames.records) == 1

    clock.now += PAUSE_SECONDS
    publishing.publish(STREAM, 0, RECEIVED)
    assert len(frames.records) == 2
    assert len(overflow.records) == 2


def test_publisher_sends_a_throttled_record_alone_to_the_overflow() -> None:
    frames, overflow = Sink(works=False, throttles=True), Sink()
    publishing = publisher(frames, overflow)
    publishing.publish(STREAM, 0, RECEIVED)
    frames.works = True
    publishing.publish(STREAM, 0, RECEIVED)

    assert len(overflow.records) == len(frames.records) == 1


def test_publisher_logs_a_lost_record_without_its_audio(
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher(Sink(works=False), Sink(works=False)).publish(STREAM, 0, RECEIVED)

    [entry] = caplog.records
    assert entry.levelno == logging.ERROR
    assert "lost" in entry.message
    assert vars(entry)["stream_id"] == "stream-1"
    assert "secret-audio" not in str(vars(entry))


def test_publisher_makes_a_rejected_record_of_an_unreadable_message() -> None:
    body = '{"event": "media", "media": {}}' + " " * 100
    event, dialect = read(body)

    assert dialect is None
    assert isinstance(event, Rejected)
    assert event.reason == "not_as_documented"
    assert event.size == len(body)
    assert event.head == body[:64].encode()


@pytest.mark.parametrize("filling", ["m" * 98_000, "m" * 125_000, "\U0001f600" * 24_000])
@pytest.mark.parametrize(
    "message",
    [
        '{"event": "mark", "sequence_number": "2", "stream_id": "s", "mark": {"name": "%s"}}',
        '{"event": "stop", "sequence_number": "2", "stream_id": "s", "stop": {}, "new": "%s"}',
        (
            '{"event": "start", "sequenceNumber": "1", "streamSid": "MZ", "start": {"streamSid":'
            ' "MZ", "accountSid": "AC", "callSid": "CA", "tracks": ["inbound"], "mediaFormat":'
            ' {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},'
            ' "customParameters": {"a": "%s"}}}'
        ),
    ],
)
def test_publisher_refuses_an_event_that_is_too_large_for_a_road(
    message: str, filling: str
) -> None:
    """A relay gets a record in base64, in a message of at most 128 KB."""
    frames, body = Sink(), message.replace("%s", filling)
    received = read(body)
    publisher(frames, Sink()).publish(STREAM, 0, received)

    assert isinstance(received.event, Rejected)
    assert received.event.reason == "too_large"
    assert received.event.size == len(body.encode())
    assert len(frames.records[0][1]) < 1000


@pytest.mark.parametrize("filling", ['"%s"' % ("m" * 85_000), str(["1E15"] * 3_500)])
def test_record_of_the_largest_event_fits_into_a_message_to_a_relay(filling: str) -> None:
    frames = Sink()
    body = '{"event": "mark", "sequence_number": "2", "mark": {"name": "n"}, "new": %s}'
    received = read(body.replace("%s", filling.replace("'", "")))
    long = StreamIdentity("s" * 100, "t" * 200, "r" * 4000)
    publisher(frames, Sink()).publish(long, 0, received)

    assert isinstance(received.event, Mark)
    [message] = batches([frames.records[0][1]])
    assert 80_000 < len(message) <= 128 * 1024


@given(st.text())
def test_publisher_takes_any_message(body: str) -> None:
    frames = Sink()
    publisher(frames, Sink()).publish(STREAM, 0, read(body))

    assert len(frames.records) == 1
    records.decode(frames.records[0][1])
