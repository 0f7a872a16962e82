"""The wire of Amazon Transcribe's WebSocket: the signed URL, and frames in both directions. No I/O.

Source: docs.aws.amazon.com/transcribe/latest/dg/streaming-websocket.html and streaming-setting-up.
"""

import struct
from binascii import crc32
from collections.abc import Iterator
from typing import Final, NamedTuple

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.eventstream import EventStreamBuffer, ParserError

from callstream.transcription.engine import SAMPLE_RATE, EngineFailed, SessionSettings

PORT: Final = 8443
PATH: Final = "/stream-transcription-websocket"
PIECE_MS: Final = 100
"""The audio of a frame. Amazon asks for 50 to 200 ms, and takes a second at most."""

# The signature need only live as long as the handshake. Amazon takes 300 at most.
_SIGNED_SECONDS: Final = 60
# What ASAPP redacts by default.
_PRIVATE: Final = "CREDIT_DEBIT_NUMBER,CREDIT_DEBIT_CVV,PIN,SSN,PASSWORD"


def parameters(settings: SessionSettings, session_id: str) -> dict[str, str]:
    """The query of a session, before it is signed. `session_id` is a UUID, new for each session.

    Entities are marked, not redacted: one stream gives the text with and without them.
    """
    query = {
        "language-code": settings.language,
        "media-encoding": "pcm",
        "sample-rate": str(SAMPLE_RATE),
        "session-id": session_id,
    }
    if settings.channels > 1:
        query["enable-channel-identification"] = "true"
        query["number-of-channels"] = str(settings.channels)
    if settings.finds_private:
        query["content-identification-type"] = "PII"
        query["pii-entity-types"] = _PRIVATE
    if not settings.smart_formatting:
        query["transcript-format"] = "SPOKEN"
    if settings.vocabulary is not None:
        query["vocabulary-name"] = settings.vocabulary
    return query


def signed_url(
    endpoint: str,
    region: str,
    credentials: Credentials | ReadOnlyCredentials,
    query: dict[str, str],
) -> str:
    """The URL of a session. It is a secret: whoever has it can transcribe at our expense.

    Args:
        endpoint: `wss://` or `ws://`, host and port. The port is part of what is signed.
        region: of Amazon Transcribe.
        credentials: allow `transcribe:StartStreamTranscriptionWebSocket`.
        query: made by `parameters`.
    """
    # The signer adds `host` with every port but http's and https's own, as the handshake does.
    url = endpoint.replace("ws", "http", 1) + PATH
    request = AWSRequest("GET", url, params=query)
    SigV4QueryAuth(credentials, "transcribe", region, _SIGNED_SECONDS).add_auth(request)
    return str(request.url).replace("http", "ws", 1)


_STRING: Final = b"\x07"
"""The type of a header's value."""


def _header(name: str, value: str) -> bytes:
    length = struct.pack("!H", len(value))
    return bytes([len(name)]) + name.encode() + _STRING + length + value.encode()


_AUDIO_HEADERS: Final = b"".join(
    _header(name, value)
    for name, value in (
        (":content-type", "application/octet-stream"),
        (":event-type", "AudioEvent"),
        (":message-type", "event"),
    )
)
_PRELUDE_BYTES: Final = 12
_CRC_BYTES: Final = 4


def audio_frame(audio: bytes) -> bytes:
    """Encode audio for Amazon. A frame without audio ends the stream."""
    length = _PRELUDE_BYTES + len(_AUDIO_HEADERS) + len(audio) + _CRC_BYTES
    prelude = struct.pack("!II", length, len(_AUDIO_HEADERS))
    frame = prelude + struct.pack("!I", crc32(prelude)) + _AUDIO_HEADERS + audio
    return frame + struct.pack("!I", crc32(frame))


class Frame(NamedTuple):
    """A frame of Amazon's. `kind` is the type of the event or of the exception."""

    kind: str
    payload: bytes
    is_exception: bool = False


class FrameReader:
    """Decodes Amazon's frames from pieces of any length."""

    def __init__(self) -> None:
        self._buffer = EventStreamBuffer()

    def read(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with this piece.

        Raises:
            EngineFailed: these are no frames, or a checksum is wrong.
        """
        self._buffer.add_data(data)
        try:
            for message in self._buffer:
                headers: dict[str, str] = message.headers  # type: ignore[assignment]
                match headers[":message-type"]:
                    case "exception":
                        yield Frame(headers[":exception-type"], message.payload, is_exception=True)
                    case "error":  # the encoding's own kind, for errors that no service defines
                        yield Frame(headers[":error-code"], b"", is_exception=True)
                    case _:
                        yield Frame(headers[":event-type"], message.payload)
        except (ParserError, struct.error, KeyError, UnicodeError):
            raise EngineFailed("unreadable answer") from None
