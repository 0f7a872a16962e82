"""SignalWire's Compatibility API: the streams of a call.

Sources: developer.signalwire.com, Compatibility API, "Create a Stream", "Stop a Stream" and "Error
codes". Authentication is Basic, with the project id (which is also the AccountSid of the path) and
an API token; bodies are forms; the error body is `{"code", "message", "more_info", "status"}`.
"""

from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote, unquote
from uuid import uuid4

from callstream import errors
from callstream.ports import RelayStarter
from callstream.relays.model import CallCommand, NameTaken, NoSuchRelay, Relay, RelaySpec
from callstream.relays.store import RelayStore
from callstream.surfaces.pipeline import (
    Command,
    Operation,
    Principal,
    Request,
    Response,
    VendorSurface,
)
from callstream.surfaces.signalwire_models import (
    API_VERSION,
    CreateStreamBody,
    Error,
    Stream,
    UpdateStreamBody,
)
from callstream.tenants.credentials import CREDENTIAL_FORMS
from callstream.tenants.directory import Surface, Tenant

# The vendor's own base. The vendor's SDKs, and Twilio's, leave `/api/laml` out; both are served.
_BASE: Final = f"/api/laml/{API_VERSION}"
_SDK_BASE: Final = f"/{API_VERSION}"
_STREAMS: Final = "/Accounts/{AccountSid}/Calls/{CallSid}/Streams"

# An id is part of a DynamoDB key; the carriers' ids are far shorter.
_MAX_ID_BYTES: Final = 512
_INVALID_ARGUMENT: Final = 10000
# The codes for a wrong value of one field; 10000 is for every other field, and for blank fields.
_FIELD_CODES: Final = {"Url": 31922, "StatusCallback": 21456, "StatusCallbackMethod": 21209}

_FAILURES: Final[dict[type[Exception], tuple[int, int, str]]] = {
    errors.BadRequest: (400, _INVALID_ARGUMENT, "The body is not a valid form"),
    errors.UnsupportedMediaType: (
        400,
        _INVALID_ARGUMENT,
        "The Content-Type must be application/x-www-form-urlencoded",
    ),
    errors.TooLarge: (400, _INVALID_ARGUMENT, "The body is too large"),
    errors.Unauthenticated: (401, 20003, "Authentication failed"),
    # A token without the scope, or a disabled project: the vendor documents no 403.
    errors.Forbidden: (401, 20003, "Authentication failed"),
    errors.NotFound: (404, 20404, "The requested resource was not found"),
    errors.UnknownCall: (404, 20404, "The requested resource was not found"),
    NoSuchRelay: (404, 20404, "The requested resource was not found"),
    errors.CallEnded: (422, 21220, "The call is not in-progress"),
    NameTaken: (
        422,
        _INVALID_ARGUMENT,
        "Name: Another stream of this call has this name and is in-progress",
    ),
    errors.RateLimited: (429, 20429, "Too many requests"),
    errors.Unavailable: (503, 20504, "Service unavailable"),
}
_UNFORESEEN: Final = (500, 20504, "An internal error occurred")


def _basic(request: Request) -> tuple[str, str]:
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


def _is_project(text: str, tenant: Tenant) -> bool:
    return text.lower() == str(tenant.project_id)


class SignalwireSurface(VendorSurface):
    """How SignalWire authenticates and how its errors look."""

    name: Final[Surface] = "signalwire"

    def credentials(self, request: Request) -> tuple[str, str]:
        """The id and secret of the API token, which is the password. Raises `Unauthenticated`."""
        _project, token = _basic(request)
        return CREDENTIAL_FORMS["signalwire"].split(token)

    def authorize(self, principal: Principal, request: Request) -> None:
        """Check that user and path name the token's own project.

        This comes after the authentication, so that nobody without a good token learns anything
        about projects.

        Raises:
            Unauthenticated: the user is another project.
            NotFound: the path has another project, whether that exists or not.
        """
        project, _token = _basic(request)
        if not _is_project(project, principal.tenant):
            raise errors.Unauthenticated("the token is another project's")
        if not _is_project(request.path_parameters.get("AccountSid", ""), principal.tenant):
            raise errors.NotFound("another project's path")

    def failure(self, error: Exception, _request_id: str) -> Response:
        """The documented error body."""
        if isinstance(error, errors.Invalid):
            status, code, message = _explain(error)
        else:
            status, code, message = _FAILURES.get(type(error), _UNFORESEEN)
        return Response(status, Error(code=code, message=message, status=status).model_dump())


def _explain(error: errors.Invalid) -> tuple[int, int, str]:
    # The body has room for one code: the first issue's.
    issue = error.issues[0]
    if not issue.location:
        return 422, _INVALID_ARGUMENT, issue.message
    field = str(issue.location[0])
    code = _INVALID_ARGUMENT
    if issue.kind not in {"missing", "unknown"}:
        code = _FIELD_CODES.get(field, _INVALID_ARGUMENT)
    return 422, code, f"{field[:64]}: {issue.message}"


def _call_command(command: Command[Any]) -> CallCommand:
    call_id = _path_parameter(command, "CallSid")
    return CallCommand(command.tenant.tenant_id, call_id, command.now)


def _path_parameter(command: Command[Any], name: str) -> str:
    """A decoded part of the path. Raises `NotFound` if the part is too long for an id."""
    text = unquote(command.path_parameters[name])
    if len(text.encode()) > _MAX_ID_BYTES:
        raise errors.NotFound(f"{name} is too long")
    return text


def _show(relay: Relay, tenant: Tenant) -> Stream:
    account_sid = str(tenant.project_id)
    call_id = quote(relay.call_id, safe="")
    return Stream(
        sid=relay.relay_id,
        account_sid=account_sid,
        call_sid=relay.call_id,
        name=relay.name,
        status="in-progress" if relay.is_active else "stopped",
        date_updated=format_datetime(datetime.fromtimestamp(relay.updated_at // 1000, UTC)),
        error_code=relay.error,
        uri=f"{_BASE}/Accounts/{account_sid}/Calls/{call_id}/Streams/{relay.relay_id}.json",
    )


_STATUSES: Final = (400, 401, 404, 422, 429, 500, 503)

CREATE_STREAM: Final = Operation(
    surface="signalwire",
    name="signalwire_create_stream",
    method="POST",
    path=f"{_BASE}{_STREAMS}",
    also_at=(
        f"{_BASE}{_STREAMS}.json",
        f"{_SDK_BASE}{_STREAMS}",
        f"{_SDK_BASE}{_STREAMS}.json",
    ),
    summary="Create a Stream",
    scope="Voice",
    body=CreateStreamBody,
    encoding="form",
    answer=Stream,
    failures=_STATUSES,
)
UPDATE_STREAM: Final = Operation(
    surface="signalwire",
    name="signalwire_update_stream",
    method="POST",
    # {Sid} may end with .json
    path=f"{_BASE}{_STREAMS}/{{Sid}}",
    also_at=(f"{_SDK_BASE}{_STREAMS}/{{Sid}}",),
    summary="Stop a Stream",
    scope="Voice",
    body=UpdateStreamBody,
    encoding="form",
    answer=Stream,
    failures=_STATUSES,
)


def spec_of(body: CreateStreamBody) -> RelaySpec:
    """The relay that a command asks for."""
    token = body.authorization_bearer_token
    return RelaySpec(
        surface="signalwire",
        sink="websocket",
        dialect="signalwire",
        url=body.url,
        handshake_headers={} if token is None else {"Authorization": f"Bearer {token}"},
        track=body.track,
        name=body.name,
        parameters=body.parameters,
        status_callback=body.status_callback,
        status_callback_method=body.status_callback_method,
    )


@dataclass(frozen=True, slots=True)
class CreateStream:
    """Starts forking a call's audio to a WebSocket."""

    relays: RelayStore
    starter: RelayStarter

    def __call__(self, command: Command[CreateStreamBody]) -> Stream:
        """Make a stream.

        Raises:
            NotFound, UnknownCall: the tenant has no such call.
            CallEnded: the call is over.
            NameTaken: another stream of the call has the name and is in progress.
            Unavailable: DynamoDB did not answer.
        """
        call = _call_command(command)
        relay = Relay.of(spec_of(command.body), str(uuid4()), call)
        if self.relays.start(relay, call):
            self.starter.start(relay.identity)
        return _show(relay, command.tenant)


@dataclass(frozen=True, slots=True)
class UpdateStream:
    """Stops a stream, by the stream's id or name."""

    relays: RelayStore

    def __call__(self, command: Command[UpdateStreamBody]) -> Stream:
        """Stop a stream; a stream that has stopped before stays as it is.

        Raises:
            NotFound, UnknownCall, NoSuchRelay: there is no such call, or it has no such stream.
            Unavailable: DynamoDB did not answer.
        """
        call = _call_command(command)
        sid = _path_parameter(command, "Sid").removesuffix(".json")
        try:
            stopped = self.relays.stop(call, "signalwire", relay=sid, ended_ok=True)
        except errors.CallEnded:
            # The streams have ended with the call, which is what the command asks for.
            stopped = self.relays.close(call, "signalwire", relay=sid)
        # Several streams may have had the name one after the other: the command means the last.
        meant = stopped or self.relays.find(call.tenant_id, call.call_id, "signalwire", sid)
        return _show(max(meant, key=lambda relay: relay.updated_at), command.tenant)
