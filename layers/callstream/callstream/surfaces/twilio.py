"""Twilio's API: the streams of a call.

Sources: twilio.com, "Streams subresource" and "Error and warning dictionary"; twilio-oai,
`twilio_api_v2010`. Authentication is Basic, with the AccountSid and AuthToken, or with an API key
and its secret; bodies are forms; the error body is `{"code", "message", "more_info", "status"}`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

from callstream import errors
from callstream.relays.model import NameTaken, Relay, RelaySpec
from callstream.surfaces import call_streams
from callstream.surfaces.call_streams import BASE, NAME_TAKEN, STREAMS, Failure, basic, forked
from callstream.surfaces.call_streams_models import StreamError
from callstream.surfaces.pipeline import Principal, Request, Response, VendorSurface
from callstream.surfaces.twilio_models import CreateStreamBody, Stream
from callstream.tenants.credentials import TWILIO_FORM
from callstream.tenants.directory import Surface, Tenant

_BAD_REQUEST: Final = 400
_UNKNOWN_PARAMETER: Final = 20001
# The codes for a wrong value of one field; 400 is for every other field, and for blank fields.
_FIELD_CODES: Final[Mapping[str, int]] = {
    "Track": 31941,
    "StatusCallback": 21609,
    "StatusCallbackMethod": 21209,
}
# The codes for `Url` by the kind of problem: no URL, a malformed URL, another scheme than wss.
_URL_CODES: Final[Mapping[str, int]] = {"missing": 21205, "url": 31923, "value": 31922}


def _code_of(field: str, kind: errors.IssueKind) -> int:
    if kind == "unknown":
        return _UNKNOWN_PARAMETER
    if field == "Url":
        return _URL_CODES.get(kind, _BAD_REQUEST)
    return _BAD_REQUEST if kind == "missing" else _FIELD_CODES.get(field, _BAD_REQUEST)


# Also of a credential without the scope, and of a disabled tenant: no 403 is documented.
_UNAUTHENTICATED: Final = Failure(401, 20003, "Authenticate")
_FAILURES: Final = call_streams.Failures(
    own={
        errors.Unauthenticated: _UNAUTHENTICATED,
        errors.Forbidden: _UNAUTHENTICATED,
        errors.CallEnded: Failure(400, 21220, "The call is not in-progress"),
        errors.CallFull: Failure(400, 21220, "The call has had as many streams as it may have"),
        NameTaken: Failure(409, 20409, NAME_TAKEN),
        errors.Unavailable: Failure(503, 20503, "Service unavailable"),
    },
    unforeseen=Failure(500, 20500, "An internal server error has occurred"),
    unreadable=_BAD_REQUEST,
    invalid=400,
    code_of=_code_of,
)


class TwilioSurface(VendorSurface):
    """How Twilio authenticates and how its errors look."""

    name: Final[Surface] = "twilio"

    def credentials(self, request: Request) -> tuple[str, str]:
        """The id and secret of the AuthToken or API key. Raises `Unauthenticated`."""
        user, password = basic(request)
        return TWILIO_FORM.id_of(user, password), password

    def authorize(self, principal: Principal, request: Request) -> None:
        """Check that the path names the principal's own account.

        The user is checked already: an AccountSid is part of the id of its AuthTokens.

        Raises:
            NotFound: the path has another account, whether that exists or not.
        """
        if request.path_parameters.get("AccountSid") != principal.tenant.account_id("twilio"):
            raise errors.NotFound("another account's path")

    def failure(self, error: Exception, _request_id: str) -> Response:
        """The documented error body."""
        status, code, message = _FAILURES.find(error)
        more_info = f"https://www.twilio.com/docs/errors/{code}"
        body = StreamError(code=code, message=message, more_info=more_info, status=status)
        return Response(status, body.model_dump())


def _show(relay: Relay, tenant: Tenant) -> Stream:
    return Stream(**call_streams.fields_of(relay, tenant.account_id("twilio"), BASE))


def spec_of(body: CreateStreamBody) -> RelaySpec:
    """The relay that a command asks for: one-way, as Twilio documents for this resource.

    The dialect has mu-law at 8 kHz alone, so the spec names no codec.
    """
    return forked("twilio", body).model_copy(update={"target_legs": "none"})


CREATE_STREAM: Final = call_streams.operation(
    "twilio",
    "create_stream",
    [f"{BASE}{STREAMS}.json", f"{BASE}{STREAMS}"],
    Stream,
    body=CreateStreamBody,
    failures=(400, 401, 404, 409, 429, 500, 503),
)
UPDATE_STREAM: Final = call_streams.operation(
    "twilio",
    "update_stream",
    [f"{BASE}{STREAMS}/{{Sid}}"],  # {Sid} may end with .json
    Stream,
)
CreateStream: Final = partial(call_streams.CreateStream, spec_of, _show)
UpdateStream: Final = partial(call_streams.UpdateStream, "twilio", _show)
