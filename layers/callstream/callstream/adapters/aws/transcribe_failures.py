"""What failures of Amazon Transcribe mean for a session.

Reasons are ours: Amazon's messages may quote, and are read only to tell apart what one name covers.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct

from callstream.transcription.engine import EngineFailed


class _Message(Struct):
    message: str = msgspec.field(name="Message", default="")


_decoder = msgspec.json.Decoder(_Message)

# Names without the suffix `Exception`. Another session would fail in the same way.
_PERMANENT: Final = {
    "AccessDenied": "access denied",
    "BadRequest": "bad request",
    "IncompleteSignature": "signature refused",
    "InvalidClientTokenId": "credentials refused",
    "InvalidSignature": "signature refused",
    "MissingAuthenticationToken": "credentials refused",
    "OptInRequired": "access denied",
    "SignatureDoesNotMatch": "signature refused",
    "UnrecognizedClient": "credentials refused",
    "Validation": "bad request",
}
# More sessions than the quota, more starts a second, or a session of more than four hours.
_BUSY: Final = {
    "LimitExceeded": "quota exceeded",
    "Throttling": "quota exceeded",
    "TooManyRequests": "quota exceeded",
}
_PASSING: Final = {
    "Conflict": "conflict",
    "ExpiredToken": "credentials expired",
    "InternalFailure": "internal failure",
    "InternalServer": "internal failure",
    "ServiceUnavailable": "unavailable",
}
# How Amazon's message begins if no audio came for 15 seconds.
_NO_AUDIO: Final = "no new audio"


def failure_of(kind: str, payload: bytes = b"") -> EngineFailed:
    """What an exception means that Amazon has sent.

    Args:
        kind: the type, such as `BadRequestException`.
        payload: JSON with Amazon's message.
    """
    name = kind.removesuffix("Exception")
    if name == "BadRequest":
        message = _message(payload)
        if _NO_AUDIO in message:
            return EngineFailed("no audio for too long")
        if "vocabulary" in message:
            return EngineFailed("vocabulary refused", is_permanent=True)
    if name in _PERMANENT:
        return EngineFailed(_PERMANENT[name], is_permanent=True)
    if name in _BUSY:
        return EngineFailed(_BUSY[name], is_busy=True)
    return EngineFailed(_PASSING.get(name, "unknown exception"))


def refusal_of(status: int, headers: Mapping[str, str], body: bytes) -> EngineFailed:
    """What an HTTP answer means that refuses the handshake.

    Args:
        status: the HTTP status.
        headers: of the answer.
        body: of the answer.
    """
    # `x-amzn-errortype` may go on with a colon and a URL.
    kind = headers.get("x-amzn-errortype", "").partition(":")[0]
    named = failure_of(kind, body)
    if named.reason != "unknown exception":
        return named
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return EngineFailed("quota exceeded", is_busy=True)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return EngineFailed(f"handshake refused: {status}", is_permanent=True)
    return EngineFailed(f"handshake refused: {status}")


def _message(payload: bytes) -> str:
    try:
        return _decoder.decode(payload).message.lower()
    except (msgspec.DecodeError, UnicodeError):
        return ""
