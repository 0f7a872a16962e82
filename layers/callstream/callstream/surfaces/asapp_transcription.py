"""ASAPP's commands to transcribe a call: start-streaming and stop-streaming.

Sources: ASAPP's OpenAPI document of the AutoTranscribe media gateway; the status codes are those of
"AutoTranscribe via Direct WebSocket". A command that is understood and cannot be carried out is
answered by 200 with `isOk: false`, and a status on both sides.
"""

from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from callstream.dialects.asapp import STATUSES, redaction_fault
from callstream.relays.halting import StoppedTranscription, TrackSummary, TranscriptionStop
from callstream.relays.model import CallCommand, RelaySpec
from callstream.relays.transcriptions import TranscriptionStarter
from callstream.surfaces.asapp import check_route
from callstream.surfaces.asapp_models import (
    AutotranscribeParams,
    CallBody,
    SideStarted,
    SideStopped,
    Started,
    StartStreamingBody,
    Status,
    Stopped,
    Summary,
)
from callstream.surfaces.pipeline import Command
from callstream.transcription.model import (
    LANGUAGES,
    Redaction,
    Role,
    Speaker,
    Transcriber,
    TranscriptionSettings,
)
from callstream.warm_up import WarmUps

_ROLES: Final[tuple[Role, ...]] = ("customer", "agent")
_REDACTIONS: Final[dict[str, Redaction]] = {
    "redacted": "redacted",
    "unredacted": "unredacted",
    "redacted_and_unredacted": "both",
}
# By the reason of the relay. A relay for another reason has met an internal error.
_FAILURES: Final = {
    "undecodable_audio": 4082,
    "unsupported_language": 4050,
    "engine_refuses": 4080,
    "engine_busy": 5002,
}


def refusal(
    params: AutotranscribeParams, transcriber: Transcriber, *, always_redacts: bool = False
) -> Status | None:
    """Why a call cannot be transcribed in this way; None if it can.

    ASAPP has no code for a deployment without a transcriber: 4080 is "audio cannot be transcribed".
    """
    contradicted = redaction_fault(
        params.asked_redaction,
        smart_formatting=params.smart_formatting,
        detailed_token=params.detailed_token,
        always_redacts=always_redacts,
    )
    if contradicted is not None:
        return Status(code=contradicted, description=STATUSES[contradicted])
    if transcriber == "none":
        return Status(code=4080, description="this deployment has no transcriber")
    if params.language not in LANGUAGES[transcriber]:
        unheard = f"{params.language} is transcribed by Amazon Transcribe only"
        return Status(code=4050, description=unheard)
    return None


def transcription_of(body: StartStreamingBody) -> RelaySpec:
    """The spec of the relay that a command asks for, with new ids for both transcripts."""
    params, ids = body.autotranscribe_params, {"customer": body.customer_id, "agent": body.agent_id}
    track_map = body.twilio_params.track_map
    speakers = {
        track: Speaker(transcript_id=str(uuid4()), role=role, external_id=ids[role])
        for track, role in (("inbound", track_map.inbound), ("outbound", track_map.outbound))
    }
    return RelaySpec(
        surface="asapp",
        sink="transcription",
        track="both_tracks",
        transcription=TranscriptionSettings(
            language=params.language,
            smart_formatting=params.smart_formatting,
            word_times=params.detailed_token,
            redaction=_REDACTIONS[params.redaction_output],
            speakers=speakers,
        ),
    )


@dataclass(frozen=True, slots=True)
class StartStreaming:
    """Starts the transcription of a call, now or when its media comes."""

    starter: TranscriptionStarter
    transcriber: Transcriber
    warm_ups: WarmUps | None = None

    def __call__(self, command: Command[StartStreamingBody]) -> Started:
        """Start a transcription, or continue a stopped one.

        Raises:
            NotFound: the tenant has no route for transcription.
            CallEnded: the call is over.
            LimitReached: the tenant's limits leave no room for the transcription.
            Unavailable: the table or Lambda did not answer.
        """
        check_route(command, "autotranscribe")
        body = command.body
        status = refusal(
            body.autotranscribe_params,
            self.transcriber,
            always_redacts=command.tenant.always_redacts,
        )
        if status is not None:
            side = SideStarted(stream_id="", status=status)
            return Started(
                is_ok=False,
                autotranscribe_response=dict.fromkeys(_ROLES, side),
                error_message=status.description,
            )
        tenant = command.tenant
        call = CallCommand(tenant.tenant_id, body.guid, command.now, limits=tenant.running)
        transcription = self.starter.start(transcription_of(body), call)
        if transcription.relay_id is None and self.warm_ups is not None:
            # The command waits for the call's media.
            self.warm_ups.expect_relays(["transcription"])
        return Started(
            is_ok=True,
            autotranscribe_response={
                role: SideStarted(stream_id=stream_id)
                for role, stream_id in transcription.stream_ids.items()
            },
        )


@dataclass(frozen=True, slots=True)
class StopStreaming:
    """Stops the transcription of a call: nothing that is said from now on reaches an engine."""

    transcriptions: TranscriptionStop

    def __call__(self, command: Command[CallBody]) -> Stopped:
        """Stop.

        Raises:
            NotFound: the tenant has no route for transcription, or never started this call's.
            Unavailable: the table or Kinesis did not answer.
        """
        check_route(command, "autotranscribe")
        stopped = self.transcriptions.stop(command.tenant.tenant_id, command.body.guid, command.now)
        status = _status(stopped)
        return Stopped(
            is_ok=status.code == Status().code,
            autotranscribe_response={
                role: SideStopped(
                    stream_id=stream_id,
                    status=status,
                    summary=_summary(stopped.sides.get(role, TrackSummary()), stopped.seconds),
                )
                for role, stream_id in stopped.transcription.stream_ids.items()
            },
            error_message=None if stopped.error is None else status.description,
        )


def _summary(side: TrackSummary, seconds: int) -> Summary:
    return Summary(
        total_audio_bytes=side.audio_bytes,
        audio_duration_ms=side.audio_ms,
        streaming_seconds=seconds,
        transcripts=side.lines,
    )


def _status(stopped: StoppedTranscription) -> Status:
    """The status of a transcription at its end: a relay may have failed before the command."""
    if stopped.error is None:
        return Status()
    code = _FAILURES.get(stopped.error, 5000)
    return Status(code=code, description=f"{STATUSES[code]}: {stopped.error}")
