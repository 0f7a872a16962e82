"""What Amazon Transcribe checks of its clients, recomputed from what they send.

None of this is the client's code, or its signer's: a client's mistake is found here.
"""

import hashlib
import hmac
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote
from zlib import crc32

REGION: Final = "us-east-1"
SERVICE: Final = "transcribe"


class Refused(Exception):
    """What Amazon answers with an exception."""

    def __init__(self, exception: str, message: str) -> None:
        super().__init__(f"{exception}: {message}")
        self.exception, self.message = exception, message


def bad_request(message: str) -> Refused:
    """A mistake of the client's."""
    return Refused("BadRequestException", message)


@dataclass(frozen=True)
class Key:
    """The secret and the session token that belong to an access key."""

    secret: str
    token: str | None = None


def check_signature(
    target: str, host: str, keys: Mapping[str, Key], now: datetime, *, region: str = REGION
) -> None:
    """Check a signed GET request.

    Args:
        target: path and query as they came.
        host: the header.
        keys: that are known.
        now: the moment of the check.
        region: that the signature must be for.

    Raises:
        Refused: the signature does not allow the request.
    """
    path, _, query = target.partition("?")
    encoded = [
        (name, value) for name, _, value in (part.partition("=") for part in query.split("&"))
    ]
    given = {name: unquote(value) for name, value in encoded}
    if len(given) != len(encoded):
        raise bad_request("a parameter is repeated")
    try:
        signed_at = datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        access_key, *scope = given["X-Amz-Credential"].split("/")
        expires, signature = int(given["X-Amz-Expires"]), given["X-Amz-Signature"]
        how = given["X-Amz-Algorithm"], given["X-Amz-SignedHeaders"]
    except (KeyError, ValueError) as error:
        raise Refused("MissingAuthenticationTokenException", str(error)) from None
    if how != ("AWS4-HMAC-SHA256", "host"):
        raise Refused("IncompleteSignatureException", "algorithm or signed headers")
    if scope != [f"{signed_at:%Y%m%d}", region, SERVICE, "aws4_request"]:
        raise Refused("InvalidSignatureException", "Credential should be scoped to transcribe")
    if not 1 <= expires <= 300:
        raise bad_request("X-Amz-Expires must be from 1 to 300 seconds")
    if not timedelta(minutes=-5) <= now - signed_at <= timedelta(seconds=expires):
        raise Refused("InvalidSignatureException", "Signature expired")
    key = keys.get(access_key)
    # The emulator's functions have an empty token.
    if key is None or key.token != (given.get("X-Amz-Security-Token") or None):
        raise Refused("UnrecognizedClientException", "The security token is invalid.")
    # Everything but the signature, by name, in the only encoding that is allowed.
    signed = sorted((name, value) for name, value in given.items() if name != "X-Amz-Signature")
    canonical_query = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in signed)
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n{path}\n{canonical_query}\nhost:{host}\n\nhost\n{empty}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{given['X-Amz-Date']}\n{'/'.join(scope)}\n{hashed}"
    digest = f"AWS4{key.secret}".encode()
    for part in (*scope, to_sign):
        digest = hmac.digest(digest, part.encode(), "sha256")
    if digest.hex() != signature:
        raise Refused("InvalidSignatureException", "The signature does not match.")


_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)


def _encoded(text: str) -> str:
    return "".join(chr(b) if b in _UNRESERVED else f"%{b:02X}" for b in text.encode())


def encode_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A frame of the stand-in's."""
    encoded = b""
    for name, value in headers.items():
        encoded += struct.pack("!B", len(name)) + name.encode()
        encoded += struct.pack("!BH", 7, len(value)) + value.encode()
    head = struct.pack("!II", 16 + len(encoded) + len(payload), len(encoded))
    body = head + struct.pack("!I", crc32(head)) + encoded + payload
    return body + struct.pack("!I", crc32(body))


def decode_frame(data: bytes) -> tuple[dict[str, str], bytes]:
    """The headers and the payload of a client's frame. Raises Refused."""
    if len(data) < 16:
        raise bad_request("the frame is too short")
    length, headers_length, head_crc = struct.unpack_from("!III", data)
    if length != len(data) or headers_length > length - 16:
        raise bad_request("a length is wrong")
    if crc32(data[:8]) != head_crc:
        raise bad_request("the checksum of the prelude is wrong")
    if crc32(data[:-4]) != struct.unpack("!I", data[-4:])[0]:
        raise bad_request("the checksum of the message is wrong")
    headers, at, end = {}, 12, 12 + headers_length
    while at < end:
        name_end = at + 1 + data[at]
        kind, value_length = struct.unpack_from("!BH", data, name_end)
        if kind != 7:
            raise bad_request("a header is no string")
        value_end = name_end + 3 + value_length
        headers[data[at + 1 : name_end].decode()] = data[name_end + 3 : value_end].decode()
        at = value_end
    return headers, data[end:-4]


AUDIO_HEADERS: Final = {
    ":content-type": "application/octet-stream",
    ":event-type": "AudioEvent",
    ":message-type": "event",
}


def transcript_event(results: Sequence[Any]) -> bytes:
    """The frame of some results."""
    headers = {
        ":content-type": "application/json",
        ":event-type": "TranscriptEvent",
        ":message-type": "event",
    }
    return encode_frame(headers, json.dumps({"Transcript": {"Results": results}}).encode())


def exception_frame(exception: str, message: str) -> bytes:
    """The frame of an exception."""
    headers = {
        ":content-type": "application/json",
        ":exception-type": exception,
        ":message-type": "exception",
    }
    return encode_frame(headers, json.dumps({"Message": message}).encode())
