"""ASAPP's start-streaming and stop-streaming: what they ask for, and what they answer."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from callstream.relays.halting import StoppedTranscription, TrackSummary
from callstream.relays.transcriptions import Transcription
from callstream.surfaces.asapp_models import CallBody, StartStreamingBody
from callstream.surfaces.asapp_transcription import (
    StartStreaming,
    StopStreaming,
    refusal,
    transcription_of,
)
from callstream.surfaces.bodies import validate
from callstream.transcription.model import Transcriber

CALL = {"namespace": "twilio", "guid": "CA1"}
START = CALL | {"customerId": "cust-42", "agentId": "agent-7"}
TENANT = SimpleNamespace(
    tenant_id="acme", routes=frozenset({"autotranscribe"}), always_redacts=False
)


def body(**params: Any) -> StartStreamingBody:
    return validate(StartStreamingBody, START | {"autotranscribeParams": params}, strict=True)


def ask(act: Any, request: Any) -> Any:
    command = SimpleNamespace(tenant=TENANT, body=request, now=datetime(2026, 11, 21, tzinfo=UTC))
    return act(command).model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize(
    ("params", "transcriber", "code"),
    [
        ({}, "offline", None),
        ({"detailedToken": True}, "offline", None),
        ({"redactionOutput": "redacted"}, "offline", None),
        ({"smartFormatting": False}, "offline", None),
        ({"detailedToken": True, "redactionOutput": "unredacted"}, "amazon", None),
        ({"smartFormatting": False, "redactionOutput": "unredacted"}, "amazon", None),
        ({"detailedToken": True, "redactionOutput": "redacted"}, "none", 4093),
        ({"detailedToken": True, "redactionOutput": "redacted_and_unredacted"}, "amazon", 4093),
        ({"smartFormatting": False, "redactionOutput": "redacted"}, "amazon", 4092),
        (
            {"smartFormatting": False, "redactionOutput": "redacted_and_unredacted"},
            "amazon",
            4092,
        ),
        ({"language": "es-US"}, "amazon", None),
        ({"language": "es-US"}, "offline", 4050),
        ({"language": "es-US"}, "none", 4080),
        ({}, "none", 4080),
    ],
)
def test_refusal_has_the_documented_code(
    params: dict[str, Any], transcriber: Transcriber, code: int | None
) -> None:
    status = refusal(body(**params).autotranscribe_params, transcriber)

    assert (status and status.code) == code


@pytest.mark.parametrize(
    ("output", "code"),
    [("redacted", None), ("unredacted", 4094), ("redacted_and_unredacted", 4094)],
)
def test_tenant_that_always_redacts_gets_no_other_text(output: str, code: int | None) -> None:
    params = body(redactionOutput=output).autotranscribe_params
    status = refusal(params, "offline", always_redacts=True)

    assert (status and status.code) == code
    assert refusal(body().autotranscribe_params, "offline", always_redacts=True) is None


@pytest.mark.parametrize(
    ("params", "transcriber", "code", "message"),
    [
        ({"language": "es-US"}, "offline", 4050, "es-US is transcribed by Amazon Transcribe only"),
        ({}, "none", 4080, "this deployment has no transcriber"),
    ],
)
def test_refused_start_has_the_status_on_both_sides_and_starts_nothing(
    params: dict[str, Any], transcriber: Transcriber, code: int, message: str
) -> None:
    starter: Any = None
    side = {"streamId": "", "status": {"code": code, "description": message}}

    assert ask(StartStreaming(starter, transcriber), body(**params)) == {
        "isOk": False,
        "autotranscribeResponse": {"customer": side, "agent": side},
        "errorMessage": message,
    }


def test_spec_has_the_settings_of_the_command() -> None:
    asked = body(
        language="es-US",
        detailedToken=True,
        smartFormatting=False,
        redactionOutput="redacted_and_unredacted",
    )
    track_map = asked.twilio_params.track_map.model_copy(
        update={"inbound": "agent", "outbound": "customer"}
    )
    params = asked.twilio_params.model_copy(update={"track_map": track_map})
    spec = transcription_of(asked.model_copy(update={"twilio_params": params}))

    settings = spec.transcription
    assert settings is not None
    assert (spec.surface, spec.sink, spec.track) == ("asapp", "transcription", "both_tracks")
    assert (settings.language, settings.word_times, settings.smart_formatting) == (
        "es-US",
        True,
        False,
    )
    assert settings.redaction == "both"
    assert {
        track: (speaker.role, speaker.external_id) for track, speaker in settings.speakers.items()
    } == {"inbound": ("agent", "agent-7"), "outbound": ("customer", "cust-42")}
    assert len({speaker.transcript_id for speaker in settings.speakers.values()}) == 2


class Stops:
    """Answers every stop with the same result."""

    def __init__(self, **fields: Any) -> None:
        transcription = Transcription(
            is_on=False,
            stream_ids={"customer": "stream-c1", "agent": "stream-a1"},
            started_at=0,
            expires_at=0,
        )
        usual: dict[str, Any] = {
            "seconds": 21,
            "sides": {"customer": TrackSummary(320_000, 20_000, 4)},
        }
        self._stopped = StoppedTranscription(transcription, **(usual | fields))

    def stop(self, *_: object) -> StoppedTranscription:
        return self._stopped


def test_stop_answers_the_documented_summary_of_each_side() -> None:
    stops: Any = Stops()

    def side(stream_id: str, audio_bytes: int, duration: int, transcripts: int) -> dict[str, Any]:
        return {
            "streamId": stream_id,
            "status": {"code": 1000, "description": "OK"},
            "summary": {
                "totalAudioBytes": audio_bytes,
                "audioDurationMs": duration,
                "streamingSeconds": 21,
                "transcripts": transcripts,
            },
        }

    assert ask(StopStreaming(stops), validate(CallBody, CALL, strict=True)) == {
        "isOk": True,
        "autotranscribeResponse": {
            "customer": side("stream-c1", 320_000, 20_000, 4),
            "agent": side("stream-a1", 0, 0, 0),
        },
    }


@pytest.mark.parametrize(
    ("reason", "code", "message"),
    [
        ("died", 5000, "Internal error: died"),
        ("engine_busy", 5002, "No instance is free: engine_busy"),
        ("engine_refuses", 4080, "The audio cannot be transcribed: engine_refuses"),
        ("undecodable_audio", 4082, "The audio cannot be decoded: undecodable_audio"),
    ],
)
def test_stop_of_a_failed_transcription_says_so(reason: str, code: int, message: str) -> None:
    stops: Any = Stops(error=reason)
    answer = ask(StopStreaming(stops), validate(CallBody, CALL, strict=True))

    assert (answer["isOk"], answer["errorMessage"]) == (False, message)
    statuses = [each["status"]["code"] for each in answer["autotranscribeResponse"].values()]
    assert statuses == [code, code]
