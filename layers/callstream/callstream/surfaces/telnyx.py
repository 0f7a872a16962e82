"""Telnyx's Call Control: the commands `streaming_start` and `streaming_stop`.

Sources: developers.telnyx.com, "Streaming start" and "Streaming stop", and Telnyx's OpenAPI
specification. Authentication is `Authorization: Bearer <API key>`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote
from uuid import uuid4

from pydantic import BaseModel

from callstream import errors
from callstream.audio.packetizer import MP3
from callstream.dialects.telnyx import HANDSHAKE_HEADER
from callstream.dialogues.model import DialogueSettings
from callstream.ports import RelayStarter
from callstream.relays.model import CallCommand, Relay, RelaySpec, ReturnAudio
from callstream.relays.store import RelayStore
from callstream.relays.virtual_agents import VirtualAgents
from callstream.surfaces.pipeline import Command, Operation, Request, Response, VendorSurface
from callstream.surfaces.telnyx_failures import failure_of
from callstream.surfaces.telnyx_models import (
    Accepted,
    DialogflowConfig,
    Errors,
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
        status, found = failure_of(error)
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
        limits=command.tenant.running,
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
            LimitReached, TooLarge: the tenant's limits leave no room for the relays.
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
