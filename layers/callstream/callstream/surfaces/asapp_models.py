"""The bodies of ASAPP's requests and answers."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from callstream.transcription.model import Role


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class StreamingUrl(_Model):
    """A media URL."""

    streaming_url: str


class ErrorDetails(_Model):
    """One fault; `request_id` is also in the operator's log."""

    request_id: str
    message: str
    code: str


class Error(_Model):
    """The body of every error."""

    error: ErrorDetails


class StreamingUrlBody(_Model):
    """The body of `streaming-url`: the conversation's id, the same for all of its streams."""

    external_id: Annotated[str, Field(max_length=256)] | None = None


class AutotranscribeParams(_Model):
    """How to transcribe. Defaults are the vendor's."""

    language: Literal["en-US", "es-US"] = "en-US"
    detailed_token: bool = False
    # Not in the gateway's document: as ASAPP documents it for a client's own stream.
    smart_formatting: bool = True
    audio_recording_allowed: bool = False
    redaction_output: Literal["redacted", "unredacted", "redacted_and_unredacted"] = "redacted"

    @property
    def asked_redaction(self) -> str | None:
        """What the body asks for; by default text is redacted as far as it can be."""
        return self.redaction_output if "redaction_output" in self.model_fields_set else None


class TrackMap(_Model):
    """Who speaks on which of Twilio's tracks."""

    inbound: Role = "customer"
    outbound: Role = "agent"

    @model_validator(mode="after")
    def _check_sides(self) -> Self:
        if self.inbound == self.outbound:
            raise PydanticCustomError("sides", "The two tracks must be different sides")
        return self


class TwilioParams(_Model):
    """Parameters of the namespace `twilio`."""

    track_map: TrackMap = TrackMap()


_Text = Annotated[str, Field(min_length=1, max_length=256)]


class CallBody(_Model):
    """The call; `guid` is Twilio's CallSid."""

    # Media of the vendor's other namespaces does not come through this gateway.
    namespace: Literal["twilio"]
    guid: _Text


class StartStreamingBody(CallBody):
    """The body of `start-streaming`."""

    customer_id: _Text
    agent_id: _Text
    # Parameters of the vendor's other namespaces are allowed, and have no effect here.
    siprec_params: dict[str, Any] | None = None
    amazon_connect_params: dict[str, Any] | None = None
    autotranscribe_params: AutotranscribeParams = AutotranscribeParams()
    twilio_params: TwilioParams = TwilioParams()


class Status(_Model):
    """The status of one side. `code` is one of the vendor's numbers; 1000 is success."""

    code: int = 1000
    description: str = "OK"


class Summary(_Model):
    """How much was transcribed of one side."""

    total_audio_bytes: int = 0
    audio_duration_ms: int = 0
    streaming_seconds: int
    transcripts: int = 0


class SideStarted(_Model):
    """One side of the call."""

    stream_id: str
    status: Status = Status()


class SideStopped(SideStarted):
    """One side of the call, with its summary."""

    summary: Summary


_ErrorMessage = Annotated[str | None, Field(exclude_if=lambda text: text is None)]


class Started(_Model):
    """The answer of `start-streaming`."""

    is_ok: bool
    autotranscribe_response: dict[Role, SideStarted]
    error_message: _ErrorMessage = None


class Stopped(_Model):
    """The answer of `stop-streaming`."""

    is_ok: bool
    autotranscribe_response: dict[Role, SideStopped]
    error_message: _ErrorMessage = None
