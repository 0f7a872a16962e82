"""The streams of a call, as Twilio's API has them, and SignalWire's Compatibility API after it.

Authentication is Basic, bodies are forms, and a stream is stopped by its id or its name. What the
vendors have for themselves is in `twilio.py` and `signalwire.py`.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final, Literal, NamedTuple, TypedDict
from urllib.parse import quote, unquote
from uuid import uuid4

from pydantic import BaseModel

from callstream import errors
from callstream.dialects import DIALECTS
from callstream.ports import RelayStarter
from callstream.relays.model import CallCommand, NoSuchRelay, Relay, RelaySpec
from callstream.relays.store import RelayStore
from callstream.surfaces.call_streams_models import API_VERSION, NewStreamForm, UpdateStreamBody
from callstream.surfaces.pipeline import Command, Operation, Request
from callstream.tenants.directory import Surface, Tenant

BASE: Final = f"/{API_VERSION}"
STREAMS: Final = "/Accounts/{AccountSid}/Calls/{CallSid}/Streams"

# An id is part of a DynamoDB key; the carriers' ids are far shorter.
_MAX_ID_BYTES: Final = 512


class Failure(NamedTuple):
    """One error: the HTTP status, the vendor's code, and the message."""

    status: int
    code: int
    message: str


NAME_TAKEN: Final = "Name: Another stream of this call has this name and is in-progress"
_NOT_FOUND: Final = Failure(404, 20404, "The requested resource was not found")
_COMMON: Final[Mapping[type[Exception], Failure]] = {
    errors.NotFound: _NOT_FOUND,
    errors.UnknownCall: _NOT_FOUND,
    NoSuchRelay: _NOT_FOUND,
    errors.RateLimited: Failure(429, 20429, "Too many requests"),
    errors.LimitReached: Failure(429, 20429, "Too many streams are in progress"),
}
_UNREADABLE: Final[Mapping[type[Exception], str]] = {
    errors.BadRequest: "The body is not a valid form",
    errors.UnsupportedMediaType: "The Content-Type must be application/x-www-form-urlencoded",
    errors.TooLarge: "The body is too large",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """The errors of a vendor.

    Attributes:
        own: the errors that the vendors answer in different ways.
        unforeseen: the answer to any other error.
        unreadable: the code for a body that cannot be read.
        invalid: the HTTP status for a body that can be read and is wrong.
        code_of: the code for a field of the body (empty if no single field is wrong) and the kind
            of its problem.
    """

    own: Mapping[type[Exception], Failure]
    unforeseen: Failure
    unreadable: int
    invalid: int
    code_of: Callable[[str, errors.IssueKind], int]

    def find(self, error: Exception) -> Failure:
        """The vendor's error for one of ours."""
        kind = type(error)
        if kind in _UNREADABLE:
            return Failure(400, self.unreadable, _UNREADABLE[kind])
        if not isinstance(error, errors.Invalid):
            return {**_COMMON, **self.own}.get(kind, self.unforeseen)
        # The body has room for one code: the first issue's.
        issue = error.issues[0]
        field = str(issue.location[0]) if issue.location else ""
        message = f"{field[:64]}: {issue.message}" if field else issue.message
        return Failure(self.invalid, self.code_of(field, issue.kind), message)


def basic(request: Request) -> tuple[str, str]:
    """The user and password of Basic authentication. Raises `Unauthenticated`."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise errors.Unauthenticated("no Basic authentication")
    try:
        user, separator, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        raise errors.Unauthenticated("not Base64 of UTF-8") from None
    if not separator:
        raise errors.Unauthenticated("no password")
    return user, password


class Fields(TypedDict):
    """The fields of a stream that both vendors have."""

    sid: str
    account_sid: str
    call_sid: str
    name: str | None
    status: Literal["in-progress", "stopped"]
    date_updated: str
    uri: str


def fields_of(relay: Relay, account_sid: str, base: str) -> Fields:
    """The fields of a stream; `base` is the path that the vendor's documents begin with."""
    call_id = quote(relay.call_id, safe="")
    return {
        "sid": relay.relay_id,
        "account_sid": account_sid,
        "call_sid": relay.call_id,
        "name": relay.name,
        "status": "in-progress" if relay.is_active else "stopped",
        "date_updated": format_datetime(datetime.fromtimestamp(relay.updated_at // 1000, UTC)),
        "uri": f"{base}/Accounts/{account_sid}/Calls/{call_id}/Streams/{relay.relay_id}.json",
    }


def operation(
    surface: Surface,
    name: Literal["create_stream", "update_stream"],
    paths: Sequence[str],
    answer: type[BaseModel],
    *,
    body: type[BaseModel] = UpdateStreamBody,
    failures: tuple[int, ...] = (400, 401, 404, 429, 500, 503),
) -> Operation:
    """The operation that creates or stops a stream, at its documented path and at others."""
    path, *also_at = paths
    return Operation(
        surface=surface,
        name=f"{surface}_{name}",
        method="POST",
        path=path,
        also_at=tuple(also_at),
        summary="Create a Stream" if name == "create_stream" else "Stop a Stream",
        scope="Voice",
        body=body,
        encoding="form",
        answer=answer,
        failures=failures,
    )


def forked(surface: Surface, body: NewStreamForm) -> RelaySpec:
    """The relay that a command asks for, as far as the vendors agree."""
    return RelaySpec(
        surface=surface,
        sink="websocket",
        dialect=surface,
        url=body.url,
        track=body.track,
        name=body.name,
        parameters=body.parameters,
        status_callback=body.status_callback,
        status_callback_method=body.status_callback_method,
    )


@dataclass(frozen=True, slots=True)
class CreateStream[Body: NewStreamForm, Answer: BaseModel]:
    """Starts forking a call's audio to a WebSocket.

    `spec_of` makes the relay that a body asks for, and `show` the vendor's answer.
    """

    spec_of: Callable[[Body], RelaySpec]
    show: Callable[[Relay, Tenant], Answer]
    relays: RelayStore
    starter: RelayStarter

    def __call__(self, command: Command[Body]) -> Answer:
        """Make a stream and start it.

        Raises:
            NotFound, UnknownCall: the tenant has no such call.
            CallEnded: the call is over.
            NameTaken: another stream of the call has the name and is in progress.
            LimitReached, TooLarge: the tenant's limits leave no room for the stream.
            Unavailable: DynamoDB did not answer.
        """
        call, spec = _call_command(command), self.spec_of(command.body)
        relay = Relay.of(spec, DIALECTS[str(spec.dialect)].stream_id(uuid4()), call)
        if self.relays.start(relay, call):
            self.starter.start(relay.identity)
        return self.show(relay, command.tenant)


@dataclass(frozen=True, slots=True)
class UpdateStream[Answer: BaseModel]:
    """Stops a stream of a surface, by the stream's id or name. `show` makes the vendor's answer."""

    surface: Surface
    show: Callable[[Relay, Tenant], Answer]
    relays: RelayStore

    def __call__(self, command: Command[UpdateStreamBody]) -> Answer:
        """Stop the stream whose id or name is in the path; a stopped stream stays as it is.

        Raises:
            NotFound, UnknownCall, NoSuchRelay: there is no such call, or it has no such stream.
            Unavailable: DynamoDB did not answer.
        """
        call = _call_command(command)
        sid = _path_parameter(command, "Sid").removesuffix(".json")
        try:
            stopped = self.relays.stop(call, self.surface, relay=sid, ended_ok=True)
        except errors.CallEnded:
            # The streams have ended with the call, which is what the command asks for.
            stopped = self.relays.close(call, self.surface, relay=sid)
        # Several streams may have had the name one after the other: the command means the last.
        meant = stopped or self.relays.find(call.tenant_id, call.call_id, self.surface, sid)
        return self.show(max(meant, key=lambda relay: relay.updated_at), command.tenant)


def _call_command(command: Command[Any]) -> CallCommand:
    call_id = _path_parameter(command, "CallSid")
    tenant = command.tenant
    return CallCommand(tenant.tenant_id, call_id, command.now, limits=tenant.running)


def _path_parameter(command: Command[Any], name: str) -> str:
    """A decoded part of the path. Raises `NotFound` if the part is too long for an id."""
    text = unquote(command.path_parameters[name])
    if len(text.encode()) > _MAX_ID_BYTES:
        raise errors.NotFound(f"{name} is too long")
    return text
