"""The records of the Kinesis stream: MessagePack, one record a message of the carrier.

The format is a contract with readers in other languages: docs/records.md describes it.
The partition key of a record is its stream id.
"""

from typing import Final, get_args

import msgspec
from msgspec import Struct

from callstream.dialects.events import CarrierEvent, Start, Track, Vocabulary
from callstream.errors import UnreadableMessage

VERSION: Final = 1
REJECTED_HEAD_BYTES: Final = 64
MOST_EVENT_BYTES: Final = 90_000
"""The most bytes of an event. With the few KB of the rest of its record, it travels every road: as
one message to a relay (API Gateway: 128 KB, in base64), in the overflow queue (SQS: 256 KB, in
base64), on Kinesis (1 MB), and with a call's items in DynamoDB (400 KB)."""
# An event is at most so many times as large as the characters of its message: a character has up to
# 4 bytes, and a number of 4 characters, such as 1E15, is written again with 18.
_MOST_GROWTH: Final = 5


class Rejected(Struct, frozen=True, tag_field="kind", tag="rejected"):
    """A message that could not be read: why, how large it was, and its first bytes."""

    reason: str
    detail: str
    size: int
    head: bytes


class Disconnected(Struct, frozen=True, tag_field="kind", tag="disconnected"):
    """The socket is gone, with a `stop` before it or not. `code` is the WebSocket close code."""

    code: int
    reason: str


class Returned(Struct, frozen=True, tag_field="kind", tag="returned"):
    """Audio, in the stream's own codec, that a relay has posted to the carrier to be played.

    `number` counts the messages of one run of the relay to the stream.
    """

    relay_id: str
    number: int
    audio: bytes


class Cleared(Struct, frozen=True, tag_field="kind", tag="cleared"):
    """A relay has posted a `clear`: what the carrier has not played yet is not played."""

    relay_id: str
    number: int


AnswerEvent = Returned | Cleared
"""What was posted to the carrier. The time of receipt is when the carrier's side took it."""


class Halted(Struct, frozen=True, tag_field="kind", tag="halted"):
    """A command has stopped a relay: audio that is received from now on is not for this relay."""

    relay_id: str


class Word(Struct, frozen=True, omit_defaults=True):
    """A word of a line, with the punctuation before and after it. Times are as those of the line.

    `confidence` is from 0 to 1; None if the engine gives none.
    """

    text: str
    start_ms: int
    end_ms: int
    before: str = ""
    after: str = ""
    confidence: float | None = None


class Transcript(Struct, frozen=True, tag_field="kind", tag="transcript", omit_defaults=True):
    """A line: what the speaker on `track` has said until a pause. Lines are never changed.

    Times are in milliseconds of the stream's time, as those of its frames. `number` counts the
    lines of a track of the call, from 1 on, without gaps. `unredacted` is the text before
    redaction, if the command has asked for both texts; None otherwise.
    """

    relay_id: str
    number: int
    track: Track
    start_ms: int
    end_ms: int
    language: str
    text: str
    words: tuple[Word, ...] = ()
    unredacted: str | None = None


GatewayEvent = AnswerEvent | Halted | Transcript
"""An event of this gateway, not of the carrier: it has no sequence number, and no dialect."""

StreamEvent = CarrierEvent | Vocabulary | Rejected | Disconnected | Halted
"""What happens on a stream, without what relays put there."""

RecordEvent = StreamEvent | AnswerEvent | Transcript


class Record(Struct, frozen=True, rename={"version": "v"}):
    """One record. `received_at` is API Gateway's time of receipt in milliseconds since 1970.

    `dialect` is None if there was no message of the carrier's, or none that could be recognised.
    """

    stream_id: str
    tenant_id: str
    route: str
    dialect: str | None
    received_at: int
    event: RecordEvent
    version: int = VERSION


def stream_dialect(known: str | None, dialect: str | None, event: RecordEvent) -> str | None:
    """A stream's dialect after one more message: that of its `start`, or else of the first message.

    Telnyx's `connected` may look like Twilio's: only `start` is certain.

    Args:
        known: the stream's dialect as far as it was known before.
        dialect: the dialect of the message; None if it was not recognised.
        event: the event of the message.
    """
    return dialect or known if isinstance(event, Start) else known or dialect


_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """Encode a record for Kinesis."""
    return _encoder.encode(record)


def decode(data: bytes) -> Record:
    """Decode a record from Kinesis.

    Raises:
        UnreadableMessage: reason `newer_version` (a version after ours), `unknown_kind` (an event
            that was added since), or `not_a_record`.
    """
    try:
        record = _decoder.decode(data)
    except _UNREADABLE as error:
        raise UnreadableMessage(_why_unreadable(data), str(error)) from None
    if record.version > VERSION:
        raise UnreadableMessage("newer_version", str(record.version))
    return record


class _Kind(Struct):
    kind: str


class _Outline(Struct, rename={"version": "v"}):
    """As much of a record as every version has."""

    version: int
    event: _Kind


_outline_decoder = msgspec.msgpack.Decoder(_Outline)
_KINDS: Final = frozenset(kind.__struct_config__.tag for kind in get_args(RecordEvent))
_OUTPUT_EVENTS: Final = (*get_args(AnswerEvent), Transcript)
_OUTPUT_MARKERS: Final = tuple(
    msgspec.msgpack.encode("kind") + msgspec.msgpack.encode(kind.__struct_config__.tag)
    for kind in _OUTPUT_EVENTS
)


def is_output(data: bytes) -> bool:
    """Whether an encoded record is a relay's own output; cheap for a record that is not."""
    if not any(marker in data for marker in _OUTPUT_MARKERS):
        return False
    try:
        return isinstance(_decoder.decode(data).event, _OUTPUT_EVENTS)
    except _UNREADABLE:
        return False


def _why_unreadable(data: bytes) -> str:
    try:
        outline = _outline_decoder.decode(data)
    except _UNREADABLE:
        return "not_a_record"
    if outline.version > VERSION:
        return "newer_version"
    return "not_a_record" if outline.event.kind in _KINDS else "unknown_kind"


def check_size(event: CarrierEvent | Vocabulary, body: str) -> None:
    """Refuse an event of a message that is too large for a record; cheap for a usual message.

    Raises:
        UnreadableMessage: reason `too_large`.
    """
    if len(body) > MOST_EVENT_BYTES // _MOST_GROWTH:
        size = len(_encoder.encode(event))
        if size > MOST_EVENT_BYTES:
            raise UnreadableMessage("too_large", f"an event of {size} bytes")


def rejected(body: str | bytes, error: UnreadableMessage) -> Rejected:
    """The event of a message that could not be read, with its first bytes."""
    # API Gateway's text may hold lone surrogates, which UTF-8 does not have.
    data = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    return Rejected(error.reason, error.detail[:200], len(data), data[:REJECTED_HEAD_BYTES])
