"""The sinks of transcriptions as they are wired, and the records of their lines."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from moto import mock_aws

from callstream.frames.records import Record, Transcript, Word
from callstream.relays.notifier import RelayNotifier
from callstream.relays.store import RelayStore
from callstream.relays.timings import RelayTimings
from callstream.transcription.model import TranscriptionSettings
from callstream.transcription.transcripts import KeptLine
from callstream.wiring.transcription import RelayBook, SinkMaker
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


@pytest.mark.parametrize(("always", "redaction"), [(True, "redacted"), (False, "both")])
def test_tenants_transcripts_are_redacted_whoever_asks_if_the_operator_says_so(
    *, always: bool, redaction: str
) -> None:
    settings = TranscriptionSettings(redaction="both")
    runs: Any = SimpleNamespace(
        timings=RelayTimings(), notifier=None, settings=SimpleNamespace(l16_byte_order="big")
    )
    tenant: Any = SimpleNamespace(always_redacts=always, engine_vocabularies={})
    parts: Any = SimpleNamespace(numbers={})
    relay = make_relay(sink="transcription", dialect=None, transcription=settings)
    sink = SinkMaker(relay, tenant, parts, parts, parts, runs).make(settings, parts)

    assert sink._settings.redaction == redaction
