"""Twilio's API: the streams of a call.

Sources: twilio.com, "Streams subresource" and "Error and warning dictionary"; twilio-oai,
`twilio_api_v2010`. Authentication is Basic, with the AccountSid and AuthToken, or with an API key
and its secret; bodies are forms; the error body is `{"code", "message", "more_info", "status"}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from callstream import errors
from callstream.dialects import twilio
from callstream.ports import RelayStarter
from callstream.relays.model import NameTaken, NoSuchRelay, Relay, RelaySpec
from callstream.relays.store import RelayStore
from callstream.surfaces import call_streams
from callstream.surfaces.call_streams import BASE, STREAMS, Failure, Failures, basic, fields_of
from callstream.surfaces.call_streams_models import StreamError, UpdateStreamBody
from callstream.surfaces.pipeline import (
    Command,
    Operation,
    Principal,
    Request,
    Response,
    VendorSurface,
)
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


_FAILURES: Final = Failures(
    known={
        errors.BadRequest: (400, _BAD_REQUEST, "The body is not a valid form"),
        errors.UnsupportedMediaType: (
            400,
            _BAD_REQUEST,
            "The Content-Type must be application/x-www-form-urlencoded",
        ),
        errors.TooLarge: (400, _BAD_REQUEST, "The body is too large"),
        errors.Unauthenticated: (401, 20003, "Authenticate"),
        # Of a suspended account, the documents say the same.
        errors.Forbidden: (401, 20003, "Authenticate"),
        errors.NotFound: (404, 20404, "The requested resource was not found"),
        errors.UnknownCall: (404, 20404, "The requested resource was not found"),
        NoSuchRelay: (404, 20404, "The requested resource was not found"),
        errors.CallEnded: (400, 21220, "The call is not in-progress"),
        NameTaken: (
            409,
            20409,
            "Name: Another stream of this call has this name and is in-progress",
        ),
        errors.RateLimited: (429, 20429, "Too many requests"),
        errors.Unavailable: (503, 20503, "Service unavailable"),
    },
    unforeseen=Failure(500, 20500, "An internal server error has occurred"),
    invalid_status=400,
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
    return Stream(**fields_of(relay, tenant.account_id("twilio"), BASE))


_STATUSES: Final = (400, 401, 404, 429, 500, 503)

CREATE_STREAM: Final = Operation(
    surface="twilio",
    name="twilio_create_stream",
    method="POST",
    path=f"{BASE}{STREAMS}.json",
    also_at=(f"{BASE}{STREAMS}",),
    summary="Create a Stream",
    scope="Voice",
    body=CreateStreamBody,
    encoding="form",
    answer=Stream,
    failures=(*_STATUSES, 409),
)
UPDATE_STREAM: Final = Operation(
    surface="twilio",
    name="twilio_update_stream",
    method="POST",
    # {Sid} may end with .json
    path=f"{BASE}{STREAMS}/{{Sid}}",
    summary="Stop a Stream",
    scope="Voice",
    body=UpdateStreamBody,
    encoding="form",
    answer=Stream,
    failures=_STATUSES,
)


def spec_of(body: CreateStreamBody) -> RelaySpec:
    """The relay that a command asks for: one-way, as Twilio documents for this resource.

    The dialect has mu-law at 8 kHz alone, so the spec names no codec.
    """
    return RelaySpec(
        surface="twilio",
        sink="websocket",
        dialect="twilio",
        url=body.url,
        track=body.track,
        target_legs="none",
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
        spec, sid = spec_of(command.body), twilio.stream_id(uuid4())
        relay = call_streams.start_stream(self.relays, self.starter, command, spec, sid)
        return _show(relay, command.tenant)


@dataclass(frozen=True, slots=True)
class UpdateStream:
    """Stops a stream, by the stream's sid or name."""

    relays: RelayStore

    def __call__(self, command: Command[UpdateStreamBody]) -> Stream:
        """Stop a stream. Raises what `call_streams.stop_stream` raises."""
        relay = call_streams.stop_stream(self.relays, command, "twilio")
        return _show(relay, command.tenant)
