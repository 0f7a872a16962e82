"""SignalWire's Compatibility API: the streams of a call.

Sources: developer.signalwire.com, Compatibility API, "Create a Stream", "Stop a Stream" and "Error
codes". Authentication is Basic, with the project id (which is also the AccountSid of the path) and
an API token; bodies are forms; the error body is `{"code", "message", "more_info", "status"}`.
"""

from functools import partial
from typing import Final

from callstream import errors
from callstream.relays.model import NameTaken, Relay, RelaySpec
from callstream.surfaces import call_streams
from callstream.surfaces.call_streams import NAME_TAKEN, STREAMS, Failure, basic, forked
from callstream.surfaces.pipeline import Principal, Request, Response, VendorSurface
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


# Also of a credential without the scope, and of a disabled tenant: no 403 is documented.
_UNAUTHENTICATED: Final = Failure(401, 20003, "Authentication failed")
_FAILURES: Final = call_streams.Failures(
    own={
        errors.Unauthenticated: _UNAUTHENTICATED,
        errors.Forbidden: _UNAUTHENTICATED,
        errors.CallEnded: Failure(422, 21220, "The call is not in-progress"),
        errors.CallFull: Failure(422, 21220, "The call has had as many streams as it may have"),
        NameTaken: Failure(422, _INVALID_ARGUMENT, NAME_TAKEN),
        errors.Unavailable: Failure(503, 20504, "Service unavailable"),
    },
    unforeseen=Failure(500, 20504, "An internal error occurred"),
    unreadable=_INVALID_ARGUMENT,
    invalid=422,
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
    fields = call_streams.fields_of(relay, tenant.account_id("signalwire"), _BASE)
    return Stream(**fields, error_code=relay.error)


def spec_of(body: CreateStreamBody) -> RelaySpec:
    """The relay that a command asks for."""
    token = body.authorization_bearer_token
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return forked("signalwire", body).model_copy(update={"handshake_headers": headers})


_STATUSES: Final = (400, 401, 404, 422, 429, 500, 503)

CREATE_STREAM: Final = call_streams.operation(
    "signalwire",
    "create_stream",
    [f"{base}{STREAMS}{suffix}" for base in (_BASE, _SDK_BASE) for suffix in ("", ".json")],
    Stream,
    body=CreateStreamBody,
    failures=_STATUSES,
)
UPDATE_STREAM: Final = call_streams.operation(
    "signalwire",
    "update_stream",
    # {Sid} may end with .json
    [f"{base}{STREAMS}/{{Sid}}" for base in (_BASE, _SDK_BASE)],
    Stream,
    failures=_STATUSES,
)
CreateStream: Final = partial(call_streams.CreateStream, spec_of, _show)
UpdateStream: Final = partial(call_streams.UpdateStream, "signalwire", _show)
