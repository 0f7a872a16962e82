"""`callstream transcript`: its forms, which calls it means, and when it ends."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from callstream.console.transcripts import LineView
from callstream.dialects.events import Track
from callstream.errors import Unavailable
from callstream.frames.records import Transcript
from callstream.relays.requests import relay_key
from callstream.transcription.model import Speaker, TranscriptionSettings
from callstream_cli.operator.errors import OperatorError
from callstream_cli.operator.transcript import Reading
from tests.unit.activity import Deployment
from tests.unit.cli.commands import ask, ok, refusal, words

SETTINGS = TranscriptionSettings(
    speakers={
        "inbound": Speaker(transcript_id="T1", role="customer", external_id="c-7"),
        "outbound": Speaker(transcript_id="T2", role="agent"),
    },
    redaction="both",
)


def line(number: int, start_ms: int, text: str, track: Track = "inbound") -> Transcript:
    return Transcript("r1", number, track, start_ms, start_ms + 900, "en-US", text, (), "SECRET")


def talk(deployment: Deployment) -> None:
    deployment.stream("a", "leg-1", session_id="S1")
    deployment.relay(
        "leg-1",
        "r1",
        surface="asapp",
        sink="transcription",
        dialect=None,
        url=None,
        transcription=SETTINGS,
    )
    deployment.line("a", "leg-1", line(1, 400, "Good <morning> & welcome."))
    deployment.line("a", "leg-1", line(2, 3_725_060, "Bye.\x1b[2J"))
    deployment.line("a", "leg-1", line(1, 1_340, "Hello.", "outbound"))
    deployment.stream("b", "leg-2", session_id="S1", minutes=1)
    deployment.line("b", "leg-2", line(1, 0, "I am new."))


def test_transcript_is_text_by_speaker_with_times(deployment: Deployment) -> None:
    talk(deployment)

    assert ok("transcript", "leg-1").splitlines() == [
        "  00:00.4  customer  Good <morning> & welcome.",
        "  00:01.3  agent     Hello.",
        r"1:02:05.1  customer  Bye.\x1b[2J",
    ]


def test_transcript_of_a_session_has_the_lines_of_all_its_legs(deployment: Deployment) -> None:
    talk(deployment)

    texts = [said.split(maxsplit=2)[2] for said in ok("transcript", "S1").splitlines()]
    assert texts == ["Good <morning> & welcome.", "Hello.", "I am new.", r"Bye.\x1b[2J"]
    # The newest call is this leg.
    assert words(ok("transcript", "last")) == ["00:00.0 inbound I am new."]


def test_transcript_is_a_json_document(deployment: Deployment) -> None:
    talk(deployment)

    shown = json.loads(ok("transcript", "leg-1", "--format", "json"))
    assert {name: value for name, value in shown.items() if name != "lines"} == {
        "call_id": "leg-1",
        "session_id": "S1",
        "tenant_id": "acme",
        "state": "active",
        "started_at": "2026-11-21T12:00:00Z",
        "ended_at": None,
    }
    assert [each["text"] for each in shown["lines"]][:2] == ["Good <morning> & welcome.", "Hello."]
    assert shown["lines"][1] == {
        "call_id": "leg-1",
        "stream_id": "a",
        "relay_id": "r1",
        "track": "outbound",
        "number": 1,
        "role": "agent",
        "external_id": None,
        "transcript_id": "T2",
        "at": "2026-11-21T12:00:01.340000Z",
        "start_ms": 1340,
        "end_ms": 2240,
        "language": "en-US",
        "text": "Hello.",
        "words": [],
    }
    assert "SECRET" in ok("transcript", "leg-1", "--format", "json", "--personal")


def test_transcript_is_a_webvtt_file_with_voices(deployment: Deployment) -> None:
    talk(deployment)

    assert ok("transcript", "leg-1", "--format", "vtt") == (
        "WEBVTT\n"
        "\n"
        "00:00:00.400 --> 00:00:01.300\n"
        "<v Customer>Good &lt;morning&gt; &amp; welcome.\n"
        "\n"
        "00:00:01.340 --> 00:00:02.240\n"
        "<v Agent>Hello.\n"
        "\n"
        "01:02:05.060 --> 01:02:05.960\n"
        "<v Customer>Bye.\\x1b[2J\n"
    )


def test_transcript_without_a_line_is_an_error(deployment: Deployment) -> None:
    deployment.stream("a", "CA1")

    assert refusal("transcript", "CA1") == "nothing of the call CA1 is transcribed"
    deployment.relay("CA1", "r1", sink="transcription", transcription={})
    deployment.change(relay_key("acme", "CA1", "r1"), state="failed", error="undecodable_audio")
    assert refusal("transcript", "CA1") == (
        "nothing of the call CA1 is transcribed: the transcription failed, undecodable_audio"
    )
    assert refusal("transcript", "CA2") == "there is no call 'CA2'"


def test_calls_show_has_the_relay_that_transcribes_and_counts_lines(deployment: Deployment) -> None:
    talk(deployment)

    lines = words(ok("calls", "show", "leg-1"))
    assert "lines said 1 agent, 2 customer" in lines
    assert any(each.startswith("r1 asapp transcription en-US - ") for each in lines)
    shown = ask("calls", "show", "leg-1")
    assert shown["lines"] == {"inbound": 2, "outbound": 1}
    assert shown["relays"][0]["transcription"] == {
        "language": "en-US",
        "redaction": "both",
        "speakers": {"inbound": "customer", "outbound": "agent"},
    }


class Growing:
    """A transcript that grows: a batch of lines each second, and an end. None is an outage."""

    def __init__(self, *batches: list[int] | None, over_at: float, ended_at: float = 0) -> None:
        self.now = 1.0
        self.batches = [*batches]
        self.over_at = over_at
        self.ended_at = ended_at

    def has_ended(self) -> bool:
        return self.now >= self.ended_at

    def is_over(self) -> bool:
        return self.now >= self.over_at

    def new_lines(self) -> list[LineView]:
        batch = self.batches.pop(0) if self.batches else []
        if batch is None:
            raise Unavailable("dynamodb", "Down")
        made: Any = SimpleNamespace
        return [made(at=at) for at in batch]

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read(self, *, follow: bool = True) -> tuple[list[Any], list[Any]]:
        """The lines as they were shown, and as they are kept."""
        shown: list[Any] = []
        this: Any = self
        reading = Reading(this, shown.append, lambda: self.now, self.sleep)
        reading.read(follow=follow)
        return [each.at for each in shown], [each.at for each in reading.lines]


def test_follow_shows_lines_as_they_come_until_the_last_can_have_come() -> None:
    growing = Growing([1], [5], None, [3], [], [8], over_at=4)

    assert growing.read() == ([1, 5, 3, 8], [1, 3, 5, 8])
    assert growing.now == 7


def test_transcript_without_follow_reads_once() -> None:
    growing = Growing([1], [5], over_at=100)

    assert growing.read(follow=False) == ([1], [1])
    assert growing.now == 1


def test_follow_gives_up_if_the_table_does_not_answer_for_a_minute() -> None:
    growing = Growing([1], *[None] * 100, over_at=0)

    with pytest.raises(Unavailable):
        growing.read()
    assert growing.now == 62


def test_follow_gives_up_a_transcription_that_does_not_end_after_its_call() -> None:
    growing = Growing([1], ended_at=200, over_at=1000)

    with pytest.raises(OperatorError, match="lines may be missing"):
        growing.read()
    assert growing.now == 290
