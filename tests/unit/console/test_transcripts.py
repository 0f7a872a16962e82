"""Reading the transcript of a call while it grows."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from moto import mock_aws

from callstream.calls.store import StreamStore
from callstream.calls.stream_requests import stream_key
from callstream.console.transcripts import LineView, TranscriptReader
from callstream.console.views import CallView
from callstream.dialects.events import Track
from callstream.errors import Unavailable
from callstream.frames.records import Transcript, Word
from callstream.relays.requests import relay_key
from callstream.relays.store import RelayStore
from callstream.transcription.model import Speaker, TranscriptionSettings
from callstream.transcription.transcripts import TranscriptStore
from tests.tables import CountingTable
from tests.unit.activity import NOW, Deployment

SETTINGS = TranscriptionSettings(
    speakers={"inbound": Speaker(transcript_id="T1", role="customer", external_id="c-7")}
)


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        deployment = Deployment()
        deployment.stream("a", "CA1", session_id="S1")
        deployment.relay("CA1", "r1", **TRANSCRIPTION)
        yield deployment


TRANSCRIPTION = {
    "surface": "asapp",
    "sink": "transcription",
    "dialect": None,
    "url": None,
    "transcription": SETTINGS,
}


def line(number: int, start_ms: int, track: Track = "inbound", relay: str = "r1") -> Transcript:
    words = (Word("Hello", start_ms, start_ms + 500, after="."),)
    return Transcript(relay, number, track, start_ms, start_ms + 500, "en-US", "Hello.", words)


def reader_of(
    deployment: Deployment, table: CountingTable | None = None, *, of_session: bool = False
) -> TranscriptReader:
    streams = StreamStore(deployment.table, timedelta(0))
    call = streams.call("acme", "CA1")
    assert call is not None
    transcripts = TranscriptStore(table or deployment.table)
    relays = RelayStore(deployment.table)
    return TranscriptReader(streams, relays, transcripts, CallView.of(call), of_session=of_session)


def places(lines: list[LineView]) -> list[tuple[str, str, int]]:
    return [(line.call_id, line.track, line.number) for line in lines]


def test_lines_of_both_tracks_come_by_the_times_at_which_they_begin(deployment: Deployment) -> None:
    deployment.stream("b", "CA1", minutes=1)
    for stream, said in [
        ("a", line(1, 0)),
        ("a", line(2, 900)),
        ("b", line(3, 60_010)),
        ("a", line(1, 400, "outbound")),
    ]:
        deployment.line(stream, "CA1", said)

    lines = reader_of(deployment).new_lines()

    assert places(lines) == [
        ("CA1", "inbound", 1),
        ("CA1", "outbound", 1),
        ("CA1", "inbound", 2),
        ("CA1", "inbound", 3),
    ]
    assert [each.at - NOW for each in lines[1:]] == [
        timedelta(milliseconds=400),
        timedelta(milliseconds=900),
        timedelta(minutes=1, milliseconds=10),
    ]
    assert lines[0].model_dump() == {
        "call_id": "CA1",
        "stream_id": "a",
        "relay_id": "r1",
        "track": "inbound",
        "number": 1,
        "role": "customer",
        "external_id": "c-7",
        "transcript_id": "T1",
        "at": NOW,
        "start_ms": 0,
        "end_ms": 500,
        "language": "en-US",
        "text": "Hello.",
        "unredacted": None,
        "words": [
            {
                "text": "Hello",
                "start_ms": 0,
                "end_ms": 500,
                "before": "",
                "after": ".",
                "confidence": None,
            }
        ],
    }
    assert [each.speaker for each in lines[:2]] == ["customer", "outbound"]


def test_reader_reads_no_line_twice(deployment: Deployment) -> None:
    table = CountingTable("StreamsTable")
    deployment.line("a", "CA1", line(1, 0))
    deployment.line("a", "CA1", line(2, 500))
    reader = reader_of(deployment, table)
    assert len(reader.new_lines()) == 2
    assert reader.new_lines() == []

    deployment.line("a", "CA1", line(3, 900))
    deployment.line("a", "CA1", line(1, 100, "outbound"))

    assert places(reader.new_lines()) == [("CA1", "outbound", 1), ("CA1", "inbound", 3)]
    assert table.items_read == 4


def test_reader_reads_again_what_it_did_not_give(deployment: Deployment) -> None:
    table = CountingTable("StreamsTable")
    deployment.line("a", "CA1", line(1, 0))
    reader = reader_of(deployment, table)
    table.fails_after = 1  # the other track

    with pytest.raises(Unavailable):
        reader.new_lines()

    assert places(reader.new_lines()) == [("CA1", "inbound", 1)]


def test_reader_of_a_session_reads_all_its_legs_also_later_ones(deployment: Deployment) -> None:
    deployment.line("a", "CA1", line(1, 0))
    reader, of_call = reader_of(deployment, of_session=True), reader_of(deployment)
    assert places(reader.new_lines()) == [("CA1", "inbound", 1)]
    assert places(of_call.new_lines()) == [("CA1", "inbound", 1)]

    deployment.stream("b", "CA2", session_id="S1", minutes=1)
    deployment.line("b", "CA2", line(1, 0, relay="gone"))

    later = reader.new_lines()
    assert places(later) == [("CA2", "inbound", 1)]
    assert later[0].at == NOW + timedelta(minutes=1)
    assert of_call.new_lines() == []


def test_line_of_a_stream_that_is_gone_begins_with_the_call(deployment: Deployment) -> None:
    deployment.line("a", "CA1", line(1, 250))
    reader = reader_of(deployment)
    deployment.table.delete(stream_key("a"))

    [said] = reader.new_lines()

    assert said.at == NOW + timedelta(milliseconds=250)


def test_transcript_is_over_with_its_call_and_its_transcription(deployment: Deployment) -> None:
    deployment.relay("CA1", "fork")
    reader = reader_of(deployment)
    assert not reader.is_over()
    assert not reader.has_ended()

    deployment.streams.disconnect("a", NOW)
    assert not reader.is_over()

    deployment.change(relay_key("acme", "CA1", "r1"), state="stopped")
    assert reader.is_over()
