"""Telnyx's Call Control: the commands `streaming_start` and `streaming_stop`.

Sources: developers.telnyx.com, "Streaming start" and "Streaming stop", Telnyx's OpenAPI
specification and its list of error codes. Authentication is `Authorization: Bearer <API key>`; the
error body is `{"errors": [{"code", "title", "detail", "source", "meta"}]}`.
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote
from uuid import uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from callstream import errors
from callstream.audio.packetizer import MP3
from callstream.dialects.events import Tracks
from callstream.dialects.telnyx import HANDSHAKE_HEADER
from callstream.ports import RelayStarter
from callstream.relays.model import CallCommand, NoSuchRelay, Relay, RelaySpec, ReturnAudio
from callstream.relays.store import RelayStore
from callstream.surfaces.pipeline import Command, Operation, Principal, Request, Response
from callstream.surfaces.urls import MAX_LENGTH, WEBSOCKETS, is_address
from callstream.tenants.credentials import CREDENTIAL_FORMS
from callstream.tenants.directory import Surface
from callstream.tenants.rate_limits import Allowance

Codec = Literal["PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16"]
SamplingRate = Literal[8000, 16000, 22050, 24000, 48000]

MP3_FILES: Final = ReturnAudio(encoding=MP3)
"""The return audio of `stream_bidirectional_mode` mp3."""
# A call's id is part of a DynamoDB key; the carriers' are far shorter.
_MAX_CALL_ID_BYTES: Final = 512


def _check_base64(text: str) -> str:
    try:
        b64decode(text, validate=True)
    except ValueError:
        raise PydanticCustomError("base64", "The value must be valid Base64") from None
    return text


def _check_websocket_url(url: str) -> None:
    if not is_address(url, WEBSOCKETS):
        raise PydanticCustomError(
            "url",
            "The URL must begin with ws:// or wss://, name a host and have at most 2000 characters",
        )


ClientState = Annotated[
    str, AfterValidator(_check_base64), Field(json_schema_extra={"contentEncoding": "base64"})
]
# In UTF-8 it must still fit into a DynamoDB key.
CommandId = Annotated[str, Field(min_length=1, max_length=200)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DialogflowConfig(_Model):
    """What Dialogflow shall do besides answering."""

    analyze_sentiment: bool = False
    partial_automated_agent_reply: bool = False


class CustomParameter(_Model):
    """Something for the start message that the consumer gets."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    value: str = ""


class _Command(_Model):
    client_state: ClientState | None = None
    command_id: CommandId | None = None


class StreamingStart(_Command):
    """Stream a call's audio to a WebSocket. That Dialogflow is wanted too is recorded only."""

    model_config = ConfigDict(json_schema_extra={"required": ["stream_url"]})

    # Before `stream_url`, which looks at it.
    enable_dialogflow: bool = False
    dialogflow_config: DialogflowConfig | None = None
    stream_url: Annotated[
        str | None,
        # By a factory, whose value no schema shows.
        Field(default_factory=str, validate_default=True),
        WithJsonSchema(
            {"type": "string", "pattern": r"^[Ww][Ss]{1,2}://\S+$", "maxLength": MAX_LENGTH}
        ),
    ]
    stream_track: Tracks = "inbound_track"
    stream_codec: Literal[Codec, "default"] = "default"
    stream_bidirectional_mode: Literal["mp3", "rtp"] = "mp3"
    stream_bidirectional_codec: Codec = "PCMU"
    stream_bidirectional_sampling_rate: SamplingRate = 8000
    stream_bidirectional_target_legs: Literal["both", "self", "opposite"] = "opposite"
    stream_auth_token: Annotated[str, Field(max_length=4000)] | None = None
    custom_parameters: Annotated[list[CustomParameter], Field(max_length=100)] = []

    @field_validator("custom_parameters")
    @classmethod
    def _check_names(cls, parameters: list[CustomParameter]) -> list[CustomParameter]:
        # The start message has them by name.
        if len({each.name for each in parameters}) < len(parameters):
            raise PydanticCustomError("value", "Each name may be there once")
        return parameters

    @field_validator("stream_url")
    @classmethod
    def _check_url(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url:
            _check_websocket_url(url)
            return url
        # An `enable_dialogflow` that is not there was wrong itself, which has an issue of its own.
        match info.data.get("enable_dialogflow"):
            case False:
                raise PydanticCustomError("missing", "Field required")
            case True:
                raise PydanticCustomError(
                    "value", "Dialogflow is not available yet: a stream_url is needed"
                )
        return None


class StreamingStop(_Command):
    """Stop one stream of a call, or all of them."""

    stream_id: str | None = None


class Result(_Model):
    """What came of a command."""

    result: Literal["ok"] = "ok"


class Accepted(_Model):
    """A command was accepted; what comes of it is told by webhooks."""

    data: Result = Result()


class Source(_Model):
    """Where in the request something is wrong, as a JSON pointer."""

    pointer: str


class Meta(_Model):
    """Where to read more."""

    url: str


class Error(_Model):
    """One thing that is wrong."""

    code: str
    title: str
    detail: str
    source: Source | None = None
    meta: Meta | None = None


class Errors(_Model):
    """The body of every error."""

    errors: list[Error]


def _bad_request(detail: str) -> Error:
    return Error(code="10015", title="Bad Request", detail=detail)


_FAILURES: Final[dict[type[Exception], tuple[int, Error]]] = {
    errors.BadRequest: (
        400,
        Error(code="10023", title="Invalid JSON", detail="The supplied JSON could not be read."),
    ),
    errors.Unauthenticated: (
        401,
        Error(
            code="10009",
            title="Authentication failed",
            detail=(
                "The required authentication headers were either invalid or not included in the "
                "request."
            ),
            meta=Meta(url="https://developers.telnyx.com/docs/overview/errors/10009"),
        ),
    ),
    errors.Forbidden: (
        403,
        Error(
            code="10010",
            title="Authorization failed",
            detail=(
                "You do not have permission to perform the requested action on the specified "
                "resource or resources."
            ),
        ),
    ),
    errors.TooLarge: (413, _bad_request("The request body is too large.")),
    errors.UnsupportedMediaType: (
        415,
        Error(
            code="10014",
            title="Unsupported Media Type",
            detail="The request failed because the server does not support the media type.",
        ),
    ),
    errors.UnknownCall: (
        422,
        Error(
            code="90015",
            title="Invalid Call Control ID",
            detail="The call_control_id provided was not valid.",
            source=Source(pointer="/call_control_id"),
        ),
    ),
    errors.CallEnded: (
        422,
        Error(
            code="90018",
            title="Call has already ended",
            detail="This call is no longer active and can't receive commands.",
        ),
    ),
    NoSuchRelay: (
        422,
        Error(
            code="10015",
            title="Invalid value for stream_id",
            detail="The call has no such stream.",
            source=Source(pointer="/stream_id"),
        ),
    ),
    errors.RateLimited: (
        429,
        Error(
            code="10011",
            title="Too many requests",
            detail="You have exceeded the maximum number of allowed requests.",
        ),
    ),
}
_UNEXPECTED: Final = Error(
    code="10007", title="Unexpected error", detail="An unexpected error occured."
)


def _failure(error: Exception) -> tuple[int, list[Error]]:
    match error:
        case errors.Invalid(issues=issues):
            if any(not issue.location for issue in issues):
                return 400, [_bad_request("The request failed because it was not well-formed.")]
            return 422, [_invalid(issue) for issue in issues]
        case errors.Unavailable():
            return 503, [_UNEXPECTED]
        case _:
            status, answer = _FAILURES.get(type(error), (500, _UNEXPECTED))
            return status, [answer]


_ISSUES: Final[dict[errors.IssueKind, tuple[str, str]]] = {
    "missing": ("10004", "Missing required parameter"),
    "unknown": ("10015", "Bad Request"),
    "type": ("10026", "Invalid parameter type"),
    "enum": ("10032", "Invalid enumerated value"),
    "range": ("10033", "Value outside of range"),
    "url": ("10003", "Invalid URL"),
    "base64": ("10015", "Invalid value for {name}"),
    "value": ("10015", "Invalid value for {name}"),
}


def _invalid(issue: errors.Issue) -> Error:
    code, title = _ISSUES[issue.kind]
    name = str(issue.location[-1])
    match issue.kind:
        case "missing":
            detail = f"The '{name}' parameter is required and cannot be blank."
        case "unknown":
            detail = "Unknown parameter."
        case "enum":
            detail = _one_of(issue.message)
        case _:
            detail = f"{issue.message}."
    pointer = "".join(f"/{_escape(str(part))}" for part in issue.location)
    return Error(
        code=code, title=title.format(name=name), detail=detail, source=Source(pointer=pointer)
    )


def _escape(part: str) -> str:
    """As RFC 6901 has it."""
    return part.replace("~", "~0").replace("/", "~1")


def _one_of(message: str) -> str:
    """Telnyx's words for pydantic's "Input should be 'a', 'b' or 'c'"."""
    choices = message.removeprefix("Input should be ").replace("'", "").replace(" or ", ", ")
    return f"The value must be one of: {choices}."


class TelnyxSurface:
    """How Telnyx authenticates and how its errors look."""

    name: Final[Surface] = "telnyx"

    def credentials(self, request: Request) -> tuple[str, str]:
        """The halves of the bearer's API key. Raises `Unauthenticated` if there is none."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise errors.Unauthenticated("no bearer token")
        return CREDENTIAL_FORMS["telnyx"].split(key.strip())

    def authorize(self, _principal: Principal, _request: Request) -> None:
        """Nothing more to check."""

    def failure(self, error: Exception, request_id: str) -> Response:
        """The documented error body, which has no room for the request's id: a header tells it."""
        status, found = _failure(error)
        body = Errors(errors=found).model_dump(exclude_none=True)
        return Response(status, body, {"x-request-id": request_id})

    def rate_headers(self, allowance: Allowance) -> Mapping[str, str]:
        """The headers that Telnyx documents."""
        return {
            "x-ratelimit-limit": str(allowance.limit),
            "x-ratelimit-remaining": str(allowance.remaining),
            "x-ratelimit-reset": str(allowance.reset),
        }


def _operation(action: str, summary: str, body: type[BaseModel]) -> Operation:
    return Operation(
        surface="telnyx",
        name=f"telnyx_{action}",
        method="POST",
        path=f"/v2/calls/{{call_control_id}}/actions/{action}",
        summary=summary,
        scope="call-control",
        answer=Accepted,
        failures=(400, 401, 403, 413, 415, 422, 429, 500, 503),
        body=body,
        body_required=False,
    )


STREAMING_START: Final = _operation(
    "streaming_start", "Start streaming a call's audio to a WebSocket", StreamingStart
)
STREAMING_STOP: Final = _operation("streaming_stop", "Stop streaming a call's audio", StreamingStop)


def _call_command(command: Command[Any]) -> CallCommand:
    # API Gateway leaves percent signs in path parameters as they are.
    call_id = unquote(command.path_parameters["call_control_id"])
    if len(call_id.encode()) > _MAX_CALL_ID_BYTES:
        raise errors.UnknownCall("the id is longer than any")
    return CallCommand(
        tenant_id=command.tenant.tenant_id,
        call_id=call_id,
        now=command.now,
        command_id=command.body.command_id,
        client_state=command.body.client_state,
    )


# What no sink carries out yet.
_RECORDED: Final = {"enable_dialogflow", "dialogflow_config"}


def spec_of(body: StreamingStart) -> RelaySpec:
    """What a command wants of its relay."""
    token = body.stream_auth_token
    return RelaySpec(
        surface="telnyx",
        sink="websocket",
        dialect="telnyx",
        url=body.stream_url,
        url_schemes=("ws", "wss"),
        handshake_headers={} if token is None else {HANDSHAKE_HEADER: token},
        track=body.stream_track,
        codec=None if body.stream_codec == "default" else body.stream_codec,
        return_audio=_return_audio(body),
        target_legs=body.stream_bidirectional_target_legs,
        parameters={each.name: each.value for each in body.custom_parameters},
        recorded=body.model_dump(include=_RECORDED, exclude_none=True),
    )


def _return_audio(body: StreamingStart) -> ReturnAudio:
    if body.stream_bidirectional_mode == "mp3":
        return MP3_FILES
    return ReturnAudio(
        encoding=body.stream_bidirectional_codec,
        sample_rate=body.stream_bidirectional_sampling_rate,
    )


@dataclass(frozen=True, slots=True)
class StartStreaming:
    """Makes a relay; a command that repeats another's id is answered alike and makes none."""

    relays: RelayStore
    starter: RelayStarter

    def __call__(self, command: Command[StreamingStart]) -> Accepted:
        """Carry out the command.

        Raises:
            UnknownCall, CallEnded
            Unavailable: DynamoDB or Lambda did not answer.
        """
        call = _call_command(command)
        relay = Relay.of(spec_of(command.body), str(uuid4()), call)
        # Telnyx's SDKs send a command again when no answer came, and give it no id by themselves.
        if self.relays.start(relay, call, once=True):
            self.starter.start(relay.identity)
        return Accepted()


@dataclass(frozen=True, slots=True)
class StopStreaming:
    """Stops relays. That nothing is streaming any more is what was asked for, and no error."""

    relays: RelayStore

    def __call__(self, command: Command[StreamingStop]) -> Accepted:
        """Carry out the command.

        Raises:
            UnknownCall, CallEnded
            NoSuchRelay: the call has never had a stream of this id.
            Unavailable: DynamoDB did not answer.
        """
        self.relays.stop(
            _call_command(command), "telnyx", relay=command.body.stream_id, ended_ok=True
        )
        return Accepted()
