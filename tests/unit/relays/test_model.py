"""What is wanted of a relay, as every surface says it."""

from typing import Any

import pytest
from pydantic import ValidationError

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialogues.model import DialogueSettings
from callstream.identity import SinkKind
from callstream.relays.model import RelaySpec
from callstream.transcription.model import TranscriptionSettings
from tests.relays import make_relay

L16 = AudioFormat("L16", 16_000, 1)


@pytest.mark.parametrize(
    ("return_audio", "format_"),
    [
        (None, PCMU_8K),
        ({}, PCMU_8K),
        ({"encoding": "L16", "sample_rate": 16_000}, L16),
        ({"encoding": "PCMA"}, AudioFormat("PCMA", 8_000, 1)),
        ({"sample_rate": 16_000}, AudioFormat("PCMU", 16_000, 1)),
    ],
)
def test_return_audio_is_that_of_the_fork_unless_named(
    return_audio: Any, format_: AudioFormat
) -> None:
    assert make_relay(return_audio=return_audio).return_format(PCMU_8K) == format_


@pytest.mark.parametrize(
    ("codec", "rate"), [("PCMU", 8000), ("G722", 8000), ("AMR-WB", 16_000), ("L16", 24_000)]
)
def test_return_audio_without_a_rate_has_the_usual_rate_of_its_codec(codec: str, rate: int) -> None:
    fork = AudioFormat("L16", 24_000, 1)
    wanted = AudioFormat(codec, rate, 1)
    assert make_relay(return_audio={"encoding": codec}).return_format(fork) == wanted


def test_mp3_files_have_an_encoding_of_their_own() -> None:
    assert make_relay(return_audio={"encoding": "mp3"}).return_format(PCMU_8K).encoding == "mp3"


@pytest.mark.parametrize("missing", ["url", "dialect"])
def test_a_websocket_sink_needs_a_url_and_a_dialect(missing: str) -> None:
    fields: dict[str, Any] = {missing: None}
    with pytest.raises(ValidationError, match="needs a URL and a dialect"):
        make_relay(**fields)


def test_no_kind_of_sink_is_guessed() -> None:
    with pytest.raises(ValidationError, match="sink"):
        RelaySpec.model_validate({"surface": "telnyx", "track": "inbound_track"})
    with pytest.raises(ValidationError, match="sink"):
        make_relay(sink="tape")


def test_specs_differ_in_every_field_of_the_spec_alone() -> None:
    relay = make_relay()

    assert relay.has_same_spec(make_relay("relay-2", state="failed", created_at=7))
    for fields in ({"codec": "PCMA"}, {"handshake_headers": {"a": "b"}}, {"target_legs": "both"}):
        assert not relay.has_same_spec(make_relay(**fields))


@pytest.mark.parametrize(
    ("sink", "settings"),
    [("transcription", None), ("websocket", TranscriptionSettings())],
)
def test_transcription_has_settings_and_no_other_sink_has(
    sink: SinkKind, settings: TranscriptionSettings | None
) -> None:
    with pytest.raises(ValidationError):
        RelaySpec(
            surface="asapp",
            sink=sink,
            url="wss://consumer.example",
            dialect="twilio",
            track="both_tracks",
            transcription=settings,
        )


@pytest.mark.parametrize(
    ("sink", "settings"),
    [("dialogflow", None), ("websocket", DialogueSettings(connection_id="app-1"))],
)
def test_dialogue_has_settings_and_no_other_sink_has(
    sink: SinkKind, settings: DialogueSettings | None
) -> None:
    with pytest.raises(ValidationError, match="dialogue"):
        RelaySpec(
            surface="telnyx",
            sink=sink,
            url="wss://consumer.example",
            dialect="telnyx",
            track="inbound_track",
            dialogue=settings,
        )
