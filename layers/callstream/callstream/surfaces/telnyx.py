"""Telnyx's Call Control: the commands `streaming_start` and `streaming_stop`.

Sources: developers.telnyx.com, "Streaming start" and "Streaming stop", Telnyx's OpenAPI
specification and its list of error codes. Authentication is `Authorization: Bearer <API key>`; the
error body is `{"errors": [{"code", "title", "detail", "source", "meta"}]}`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import unquote
from uuid import uuid4

from pydantic import BaseModel

from callstream import errors
from callstream.audio.packetizer import MP3
from callstream.dialects.telnyx import HANDSHAKE_HEADER
from callstream.dialogues.model import DialogueSettings
from callstream.ports import RelayStarter
from callstream.relays.model import CallCommand, NoSuchRelay, Relay, RelaySpec, ReturnAudio
from callstream.relays.store import RelayStore
from callstream.relays.virtual_agents import NoConnection, NoVirtualAgent, VirtualAgents
from callstream.surfaces.pipeline import Command, Operation, Request, Response, VendorSurface
from callstream.surfaces.telnyx_models import (
    Accepted,
    DialogflowConfig,
    Error,
    Errors,
    Meta,
    Source,
    StreamingStart,
    StreamingStop,
)
from callstream.tenants.credentials import CREDENTIAL_FORMS
from callstream.tenants.directory import Surface
from callstream.tenants.rate_limits import Allowance

MP3_FILES: Final = ReturnAudio(encoding=MP3)
"""The return audio of `stream_bidirectional_mode` mp3."""
# A call's id is part of a DynamoDB key; the carriers' are far shorter.
_MAX_CALL_ID_BYTES: Final = 512


class _Failure(NamedTuple):
    status: int
    code: str
    title: str
    detail: str
    pointer: str | None = None
    url: str | None = None

    @property
    def error(self) -> Error:
        """The failure as the body has it."""
        return Error(
            code=self.code,
            title=self.title,
            detail=self.detail,
            source=None if self.pointer is None else Source(pointer=self.pointer),
            meta=None if self.url is None else Meta(url=self.url),
        )


_FAILURES: Final[Mapping[type[Exception], _Failure]] = {
    errors.BadRequest: _Failure(
        400, "10023", "Invalid JSON", "The supplied JSON could not be read."
    ),
    errors.Unauthenticated: _Failure(
        401,
        "10009",
        "Authentication failed",
        "The required authentication headers were either invalid or not included in the request.",
        url="https://developers.telnyx.com/docs/overview/errors/10009",
    ),
    errors.Forbidden: _Failure(
        403,
        "10010",
        "Authorization failed",
        "You do not have permission to perform the requested action on the specified resource or "
        "resources.",
    ),
    errors.NotFound: _Failure(
        404, "10005", "Resource not found", "The requested resource or URL could not be found."
    ),
    errors.TooLarge: _Failure(413, "10015", "Bad Request", "The request body is too large."),
    errors.UnsupportedMediaType: _Failure(
        415,
        "10014",
        "Unsupported Media Type",
        "The request failed because the server does not support the media type.",
    ),
    errors.UnknownCall: _Failure(
        422,
        "90015",
        "Invalid Call Control ID",
        "The call_control_id provided was not valid.",
        pointer="/call_control_id",
    ),
    errors.CallEnded: _Failure(
        422,
        "90018",
        "Call has already ended",
        "This call is no longer active and can't receive commands.",
    ),
    NoVirtualAgent: _Failure(
        422,
        "10015",
        "Invalid value for enable_dialogflow",
        "This gateway is deployed without Dialogflow.",
        pointer="/enable_dialogflow",
    ),
    NoConnection: _Failure(
        422,
        "10015",
        "Invalid value for enable_dialogflow",
        "No Dialogflow connection is stored for this call.",
        pointer="/enable_dialogflow",
    ),
    NoSuchRelay: _Failure(
        422,
        "10015",
        "Invalid value for stream_id",
        "The call has no such stream.",
        pointer="/stream_id",
    ),
    errors.RateLimited: _Failure(
        429,
        "10011",
        "Too many requests",
        "You have exceeded the maximum number of allowed requests.",
    ),
    # "occured" is Telnyx's spelling.
    errors.Unavailable: _Failure(503, "10007", "Unexpected error", "An unexpected error occured."),
}
_UNEXPECTED: Final = _FAILURES[errors.Unavailable]._replace(status=500)
_MALFORMED: Final = _Failure(
    400, "10015", "Bad Request", "The request failed because it was not well-formed."
)


def _failure(error: Exception) -> tuple[int, list[Error]]:
    match error:
        case errors.Invalid(issues=issues) if all(issue.location for issue in issues):
            return 422, [_invalid(issue) for issue in issues]
        case errors.Invalid():
            failure = _MALFORMED
        case _:
            failure = _FAILURES.get(type(error), _UNEXPECTED)
    return failure.status, [failure.error]


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
    """Escape one part of a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


def _one_of(message: str) -> str:
    """Telnyx's sentence for pydantic's "Input should be 'a', 'b' or 'c'"."""
    choices = message.removeprefix("Input should be ").replace("'", "").replace(" or ", ", ")
    return f"The value must be one of: {choices}."


class TelnyxSurface(VendorSurface):
    """How Telnyx authenticates and how its errors look."""

    name: Final[Surface] = "telnyx"

    def credentials(self, request: Request) -> tuple[str, str]:
        """The id and secret of the bearer's API key. Raises `Unauthenticated`."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise errors.Unauthenticated("no bearer token")
        return CREDENTIAL_FORMS["telnyx"].split(key.strip())

    def failure(self, error: Exception, request_id: str) -> Response:
        """The documented error body, and the request's id in a header, since the body has none."""
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
        raise errors.UnknownCall("the id is longer than any call's")
    return CallCommand(
        tenant_id=command.tenant.tenant_id,
        call_id=call_id,
        now=command.now,
        command_id=command.body.command_id,
        client_state=command.body.client_state,
    )


def spec_of(body: StreamingStart) -> RelaySpec:
    """The fork that a command with a `stream_url` asks for."""
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
    )


def dialogue_of(body: StreamingStart, connection_id: str) -> RelaySpec:
    """The dialogue that a command with `enable_dialogflow` asks for.

    Dialogflow hears the person on the leg, and that leg hears Dialogflow: the fields that begin
    with `stream_` are about the WebSocket.
    """
    config = body.dialogflow_config or DialogflowConfig()
    return RelaySpec(
        surface="telnyx",
        sink="dialogflow",
        track="inbound_track",
        dialogue=DialogueSettings(
            connection_id=connection_id,
            analyzes_sentiment=config.analyze_sentiment,
            partial_replies=config.partial_automated_agent_reply,
        ),
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
    """Makes a relay for the WebSocket, for Dialogflow, or for each of them.

    A command that repeats another's id gets the same answer, and makes no relay.
    """

    relays: RelayStore
    starter: RelayStarter
    agents: VirtualAgents

    def __call__(self, command: Command[StreamingStart]) -> Accepted:
        """Carry out the command.

        Raises:
            UnknownCall, CallEnded
            NoVirtualAgent, NoConnection: Dialogflow is wanted, and cannot take part.
            Unavailable: DynamoDB or Lambda did not answer.
        """
        call = _call_command(command)
        relays = [Relay.of(spec, str(uuid4()), call) for spec in self._specs(command.body, call)]
        # Telnyx's SDKs repeat a command that was not answered, and do not give it an id.
        for made in self.relays.start_together(relays, call, once=True):
            self.starter.start(made.identity)
        return Accepted()

    def _specs(self, body: StreamingStart, call: CallCommand) -> Iterator[RelaySpec]:
        if body.stream_url:
            yield spec_of(body)
        if body.enable_dialogflow:
            yield dialogue_of(body, self.agents.connection_for(call.tenant_id, call.call_id))


@dataclass(frozen=True, slots=True)
class StopStreaming:
    """Stops relays. A relay that has ended before is not an error: the command wants it to end."""

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
