"""SignalWire's Compatibility API: the streams of a call.

Sources: developer.signalwire.com, Compatibility API, "Create a Stream", "Stop a Stream" and "Error
codes". Authentication is Basic, with the project id (which is also the AccountSid of the path) and
an API token; bodies are forms; the error body is `{"code", "message", "more_info", "status"}`.
"""

from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from callstream import errors
from callstream.ports import RelayStarter
from callstream.relays.model import NameTaken, NoSuchRelay, Relay, RelaySpec
from callstream.relays.store import RelayStore
from callstream.surfaces import call_streams
from callstream.surfaces.call_streams import STREAMS, Failure, Failures, basic, fields_of
from callstream.surfaces.call_streams_models import UpdateStreamBody
from callstream.surfaces.pipeline import (
    Command,
    Operation,
    Principal,
    Request,
    Response,
    VendorSurface,
)
from callstream.surfaces.signalwire_models import CreateStreamBody, Error, Stream
from callstream.tenants.credentials import CREDENTIAL_FORMS
from callstream.tenants.directory import Surface, Tenant

# The vendor's own base. The vendor's SDKs, and Twilio's, leave `/api/laml` out; both are served.
_BASE: Final = f"/api/laml{call_streams.BASE}"
_SDK_BASE: Final = call_streams.BASE

_INVALID_ARGUMENT: Final = 10000
# The codes for a wrong value of one field; 10000 is for every other field, and for blank fields.
_FIELD_CODES: Final = {"Url": 31922, "StatusCallback": 21456, "StatusCallbackMethod": 21209}


def _code_of(field: str, kind: errors.IssueKind) -> int:
    if kind in {"missing", "unknown"}:
        return _INVALID_ARGUMENT
    return _FIELD_CODES.get(field, _INVALID_ARGUMENT)


_FAILURES: Final = Failures(
    known={
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
    },
    unforeseen=Failure(500, 20504, "An internal error occurred"),
    invalid_status=422,
    code_of=_code_of,
)


def _is_project(text: str, tenant: Tenant) -> bool:
    return text.lower() == tenant.account_id("signalwire")


class SignalwireSurface(VendorSurface):
    """How SignalWire authenticates and how its errors look."""

    name: Final[Surface] = "signalwire"

    def credentials(self, request: Request) -> tuple[str, str]:
        """The id and secret of the API token, which is the password. Raises `Unauthenticated`."""
        _project, token = basic(request)
        return CREDENTIAL_FORMS["signalwire"].split(token)

    def authorize(self, principal: Principal, request: Request) -> None:
        """Check that user and path name the token's own project.

        This comes after the authentication, so that nobody without a good token learns anything
        about projects.

        Raises:
            Unauthenticated: the user is another project.
            NotFound: the path has another project, whether that exists or not.
        """
        project, _token = basic(request)
        if not _is_project(project, principal.tenant):
            raise errors.Unauthenticated("the token is another project's")
        if not _is_project(request.path_parameters.get("AccountSid", ""), principal.tenant):
            raise errors.NotFound("another project's path")

    def failure(self, error: Exception, _request_id: str) -> Response:
        """The documented error body."""
        status, code, message = _FAILURES.find(error)
        return Response(status, Error(code=code, message=message, status=status).model_dump())


def _show(relay: Relay, tenant: Tenant) -> Stream:
    fields = fields_of(relay, tenant.account_id("signalwire"), _BASE)
    return Stream(**fields, error_code=relay.error)


_STATUSES: Final = (400, 401, 404, 422, 429, 500, 503)

CREATE_STREAM: Final = Operation(
    surface="signalwire",
    name="signalwire_create_stream",
    method="POST",
    path=f"{_BASE}{STREAMS}",
    also_at=(
        f"{_BASE}{STREAMS}.json",
        f"{_SDK_BASE}{STREAMS}",
        f"{_SDK_BASE}{STREAMS}.json",
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
    path=f"{_BASE}{STREAMS}/{{Sid}}",
    also_at=(f"{_SDK_BASE}{STREAMS}/{{Sid}}",),
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
        """Make a stream. Raises what `call_streams.start_stream` raises."""
        spec, sid = spec_of(command.body), str(uuid4())
        relay = call_streams.start_stream(self.relays, self.starter, command, spec, sid)
        return _show(relay, command.tenant)


@dataclass(frozen=True, slots=True)
class UpdateStream:
    """Stops a stream, by the stream's id or name."""

    relays: RelayStore

    def __call__(self, command: Command[UpdateStreamBody]) -> Stream:
        """Stop a stream. Raises what `call_streams.stop_stream` raises."""
        relay = call_streams.stop_stream(self.relays, command, "signalwire")
        return _show(relay, command.tenant)
