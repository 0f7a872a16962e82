"""The streams of a call, as Twilio's API has them, and SignalWire's Compatibility API after it.

Authentication is Basic, bodies are forms, and a stream is stopped by its id or its name. What the
vendors have for themselves is in `twilio.py` and `signalwire.py`.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final, Literal, NamedTuple, TypedDict
from urllib.parse import quote, unquote

from callstream import errors
from callstream.ports import RelayStarter
from callstream.relays.model import CallCommand, Relay, RelaySpec
from callstream.relays.store import RelayStore
from callstream.surfaces.call_streams_models import API_VERSION
from callstream.surfaces.pipeline import Command, Request
from callstream.tenants.directory import Surface

BASE: Final = f"/{API_VERSION}"
STREAMS: Final = "/Accounts/{AccountSid}/Calls/{CallSid}/Streams"

# An id is part of a DynamoDB key; the carriers' ids are far shorter.
_MAX_ID_BYTES: Final = 512


class Failure(NamedTuple):
    """One error: the HTTP status, the vendor's code, and the message."""

    status: int
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Failures:
    """The errors of a vendor.

    Attributes:
        known: the errors that are foreseen, but for `Invalid`.
        unforeseen: any other error.
        invalid_status: the status for a body with invalid values.
        code_of: the code for a field of the body (empty if no single field is wrong) and the kind
            of its problem.
    """

    known: Mapping[type[Exception], tuple[int, int, str]]
    unforeseen: Failure
    invalid_status: int
    code_of: Callable[[str, errors.IssueKind], int]

    def find(self, error: Exception) -> Failure:
        """The vendor's error for one of ours."""
        if not isinstance(error, errors.Invalid):
            return Failure(*self.known.get(type(error), self.unforeseen))
        # The body has room for one code: the first issue's.
        issue = error.issues[0]
        field = str(issue.location[0]) if issue.location else ""
        message = f"{field[:64]}: {issue.message}" if field else issue.message
        return Failure(self.invalid_status, self.code_of(field, issue.kind), message)


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


def start_stream(
    relays: RelayStore, starter: RelayStarter, command: Command[Any], spec: RelaySpec, sid: str
) -> Relay:
    """Make a stream and start it.

    Raises:
        NotFound, UnknownCall: the tenant has no such call.
        CallEnded: the call is over.
        NameTaken: another stream of the call has the name and is in progress.
        Unavailable: DynamoDB did not answer.
    """
    call = _call_command(command)
    relay = Relay.of(spec, sid, call)
    if relays.start(relay, call):
        starter.start(relay.identity)
    return relay


def stop_stream(relays: RelayStore, command: Command[Any], surface: Surface) -> Relay:
    """Stop the stream whose id or name is in the path; a stopped stream stays as it is.

    Raises:
        NotFound, UnknownCall, NoSuchRelay: there is no such call, or it has no such stream.
        Unavailable: DynamoDB did not answer.
    """
    call = _call_command(command)
    sid = _path_parameter(command, "Sid").removesuffix(".json")
    try:
        stopped = relays.stop(call, surface, relay=sid, ended_ok=True)
    except errors.CallEnded:
        # The streams have ended with the call, which is what the command asks for.
        stopped = relays.close(call, surface, relay=sid)
    # Several streams may have had the name one after the other: the command means the last.
    meant = stopped or relays.find(call.tenant_id, call.call_id, surface, sid)
    return max(meant, key=lambda relay: relay.updated_at)


def _call_command(command: Command[Any]) -> CallCommand:
    call_id = _path_parameter(command, "CallSid")
    return CallCommand(command.tenant.tenant_id, call_id, command.now)


def _path_parameter(command: Command[Any], name: str) -> str:
    """A decoded part of the path. Raises `NotFound` if the part is too long for an id."""
    text = unquote(command.path_parameters[name])
    if len(text.encode()) > _MAX_ID_BYTES:
        raise errors.NotFound(f"{name} is too long")
    return text
