"""What failures of Google mean for a dialogue.

Reasons are ours: Google's texts may quote, and are read only to tell apart what one status covers.
"""

from collections.abc import Mapping
from typing import Any, Final

import grpc
from google.api_core.exceptions import GoogleAPICallError

from callstream.dialogues.virtual_agent import AgentFailed, Remedy

# A remedy of "none": the same request would fail again, so that somebody has to change something.
_MEANINGS: Final[Mapping[grpc.StatusCode, tuple[str, Remedy]]] = {
    grpc.StatusCode.ABORTED: ("aborted", "repeat"),
    grpc.StatusCode.CANCELLED: ("aborted", "repeat"),
    grpc.StatusCode.DATA_LOSS: ("internal_failure", "repeat"),
    grpc.StatusCode.DEADLINE_EXCEEDED: ("no_answer", "repeat"),
    grpc.StatusCode.INTERNAL: ("internal_failure", "repeat"),
    grpc.StatusCode.UNAVAILABLE: ("unavailable", "repeat"),
    grpc.StatusCode.UNKNOWN: ("internal_failure", "repeat"),
    # A stream is too long, or no audio came for too long: the usual end of a stream.
    grpc.StatusCode.OUT_OF_RANGE: ("stream_over", "renew"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: ("quota_exceeded", "wait"),
    grpc.StatusCode.FAILED_PRECONDITION: ("wrong_state", "none"),
    grpc.StatusCode.INVALID_ARGUMENT: ("bad_request", "none"),
    grpc.StatusCode.NOT_FOUND: ("not_found", "none"),
    grpc.StatusCode.PERMISSION_DENIED: ("access_denied", "none"),
    # For one, the key was revoked.
    grpc.StatusCode.UNAUTHENTICATED: ("key_refused", "none"),
}
_OTHER: Final[tuple[str, Remedy]] = ("refused", "none")
_OF_LOCATIONS: Final = ("location", "region")
# What gRPC itself says, on our side.
_TOO_LARGE: Final = "received message larger than max"


def failure_of(code: grpc.StatusCode | None, details: str = "") -> AgentFailed:
    """What a status means that has ended a call.

    Args:
        code: the status; None if there is none.
        details: Google's text beside it.
    """
    details = details.lower()
    if code is grpc.StatusCode.INVALID_ARGUMENT and any(map(details.__contains__, _OF_LOCATIONS)):
        return AgentFailed("wrong_location")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in details:
        return AgentFailed("reply_too_large")
    return AgentFailed(*_MEANINGS.get(code, _OTHER) if code else _OTHER)


def failure_of_stream(error: grpc.RpcError) -> AgentFailed:
    """What the error means that has ended a stream; gRPC raises its calls as errors."""
    call: Any = error
    return failure_of(call.code(), call.details() or "")


def failure_of_request(error: GoogleAPICallError) -> AgentFailed:
    """What the error means that has ended a call without a stream."""
    return failure_of(error.grpc_status_code, error.message)
