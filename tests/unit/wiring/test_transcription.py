"""The records of a transcript's lines."""

from unittest.mock import Mock

import pytest
from moto import mock_aws

from callstream.frames.records import Record, Transcript, Word
from callstream.relays.notifier import RelayNotifier
from callstream.relays.store import RelayStore
from callstream.transcription.transcripts import KeptLine
from callstream.wiring.transcription import RelayBook
from tests.relays import make_relay
from tests.unit.activity import NOW, Deployment


def line(start_ms: int, end_ms: int) -> Transcript:
    words = (Word("Hello", start_ms, end_ms),)
    return Transcript("r1", 1, "inbound", start_ms, end_ms, "en-US", "Hello.", words)


@pytest.mark.parametrize(
    ("stream_id", "said", "recorded"),
    [
        ("a", (60_500, 61_000), (60_500, 61_000)),
        ("b", (60_500, 61_000), (500, 1000)),
        ("b", (59_900, 61_000), (0, 1000)),
        ("gone", (60_500, 61_000), (60_500, 61_000)),
    ],
)
def test_record_of_a_line_has_the_times_of_its_stream(
    monkeypatch: pytest.MonkeyPatch,
    stream_id: str,
    said: tuple[int, int],
    recorded: tuple[int, int],
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        deployment = Deployment()
        deployment.stream("a", "CA1")
        deployment.stream("b", "CA1", minutes=1)
        notifier = RelayNotifier(
            RelayStore(deployment.table),
            deployment.streams,
            Mock(),
            lambda: NOW,
        )
        book = RelayBook(make_relay("r1"), notifier)

        record = book.record(KeptLine(stream_id, line(*said)), 5)

    route = "" if stream_id == "gone" else "genagent"
    assert record == Record(stream_id, "acme", route, None, 5, line(*recorded))
