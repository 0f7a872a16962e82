"""The call in ASAPP's dialect: the check fails when what it checks is broken."""

from typing import Any

import pytest

from callstream.dialects.events import Media
from callstream.frames.records import Record
from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.landings import Landed
from callstream_cli.verify.own_audio import Client, finding, not_here

AUDIO = bytes(range(160)) * 20
STARTED = {"message": "startResponse", "streamID": "s1", "status": {"code": "1000"}}
ENDED = {
    "message": "finalResponse",
    "status": {"code": "1000"},
    "summary": {"totalAudioBytes": len(AUDIO)},
}


def landed(audio: bytes = AUDIO) -> Landed:
    """The stream, as records have it: with the larger byte first."""
    stream = Landed("s1")
    swapped = bytes(byte for pair in zip(audio[1::2], audio[::2], strict=True) for byte in pair)
    stream.add(Record("s1", "t", "r", "asapp", 5, Media(1, "inbound", 1, 0, swapped)), 7)
    return stream


def test_good_conversation_passes() -> None:
    client = Client(AUDIO, [STARTED, {"message": "transcript"}, ENDED])

    assert client.stream_id == "s1"
    assert finding(client, landed()).outcome == "passed"


@pytest.mark.parametrize(
    ("answers", "stream", "problem"),
    [
        ([], landed(), "no startResponse has come"),
        ([STARTED], landed(), "no finalResponse has come"),
        ([STARTED, {**ENDED, "status": {"code": "4080"}}], landed(), "finalResponse 4080"),
        ([STARTED, {**ENDED, "summary": {"totalAudioBytes": 1}}], landed(), "does not count"),
        ([STARTED, ENDED], None, "the stream is not known"),
        ([STARTED, ENDED], landed(AUDIO[:-2]), "is not the audio that was sent"),
        ([STARTED, ENDED], landed(AUDIO[::-1]), "is not the audio that was sent"),
    ],
)
def test_broken_conversation_fails(
    answers: list[dict[str, Any]], stream: Landed | None, problem: str
) -> None:
    found = finding(Client(AUDIO, [*answers]), stream)

    assert found.outcome == "failed"
    assert problem in found.text
    assert finding(Client(AUDIO, [STARTED, ENDED], "broke off"), landed()).text == "broke off"


def test_stack_without_a_transcriber_is_not_measured() -> None:
    def of(engine: str) -> Deployed:
        return Deployed("s", "r", {"TranscriberName": engine}, {}, {})

    assert not_here(of("amazon")) is None
    missing = not_here(of("none"))
    assert missing is not None
    assert (missing.outcome, missing.how) == ("not_measured", "deploy it with Transcriber=…")
