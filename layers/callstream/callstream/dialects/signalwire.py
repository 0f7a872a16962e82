"""SignalWire's media stream messages, of its Compatibility API (cXML `<Stream>`).

Source: developer.signalwire.com/compatibility-api/cxml/voice/stream. The messages are Twilio's,
with these differences: the protocol version is 0.2.0; only `dtmf` and `mark` have `streamSid` at
the top; `dtmf` has a duration instead of a track; `mark` has no sequence number; `stop` is empty;
L16 comes at 16 and 24 kHz; a server can press a key into the call.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from msgspec import Meta

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects._camel import (
    ConnectedMessage,
    MediaMessage,
    Message,
    StartMessage,
    common_event,
    connected_message,
    start_body,
)
from callstream.dialects._returns import READER_WITH_DTMF, read_return, write_return
from callstream.dialects._wire import Documented, Fields, MarkBody, Reader, media_body, write
from callstream.dialects.events import (
    CarrierEvent,
    Connected,
    Counter,
    Dtmf,
    Error,
    Mark,
    Media,
    Refusal,
    ReturnEvent,
    Start,
    Stop,
)
from callstream.dialects.shapes import Shape
from callstream.errors import Inexpressible

if TYPE_CHECKING:
    from uuid import UUID

PROTOCOL: Final = Connected(protocol="Call", version="0.2.0")
NUMBERS_MARKS: Final = False
FORMATS: Final = (PCMU_8K, *(AudioFormat("L16", rate, 1) for rate in (8000, 16_000, 24_000)))
ERRORS: Final[Mapping[Refusal, tuple[str, str]]] = {}


class _DtmfBody(Documented):
    digit: Annotated[str, Meta(min_length=1, max_length=1)]
    duration: Counter | None = None


class _Dtmf(Message, tag="dtmf"):
    sequence_number: Counter
    dtmf: _DtmfBody


class _Mark(Message, tag="mark"):
    mark: MarkBody
    sequence_number: Counter | None = None


class _Stop(Message, tag="stop"):
    sequence_number: Counter


_Messages: TypeAlias = ConnectedMessage | StartMessage | MediaMessage | _Dtmf | _Mark | _Stop
_reader: Final[Reader[_Messages]] = Reader(
    ConnectedMessage | StartMessage | MediaMessage | _Dtmf | _Mark | _Stop
)


def stream_id(unique: "UUID") -> str:
    """The sid of a new stream."""
    return str(unique)


def greeting(handshake_headers: Mapping[str, str]) -> Connected:
    """The first message to a server; it repeats no header."""
    del handshake_headers
    return PROTOCOL


def claims(shape: Shape) -> bool:
    """Whether a message of this shape, which no other carrier claims, is SignalWire's."""
    if shape.event == "connected":
        return shape.has_protocol
    return shape.has_stream_sid or shape.has_sequence_number


def parse(text: str | bytes) -> CarrierEvent:
    """Read a message from SignalWire.

    Raises:
        UnreadableMessage: the text is not one of SignalWire's messages.
    """
    message, extra = _reader.read(text)
    match message:
        case MediaMessage() | ConnectedMessage() | StartMessage():
            return common_event(message, extra)
        case _Dtmf(sequence_number=sequence, dtmf=dtmf):
            return Dtmf(sequence, "inbound", dtmf.digit, dtmf.duration, extra=extra)
        case _Mark(sequence_number=number, mark=mark):
            return Mark(number, mark.name, extra=extra)
        case _Stop(sequence_number=sequence):
            return Stop(sequence, extra=extra)


def render(event: CarrierEvent, carrier_stream_id: str) -> str:
    """Write a message as SignalWire sends it.

    Raises:
        Inexpressible: the event is an `Error`, for which SignalWire has no message.
    """
    message: Fields
    match event:
        case Connected():
            return write(connected_message(event), event.extra)
        case Mark(name=name):
            message = {"event": "mark", "streamSid": carrier_stream_id, "mark": {"name": name}}
            return write(message, event.extra)
        case Start():
            parameters = {"customParameters": dict(event.parameters)} if event.parameters else {}
            message = {"event": "start", "start": start_body(event) | parameters}
        case Media():
            message = {"event": "media", "media": media_body(event)}
        case Dtmf():
            dtmf: Fields = {"digit": event.digit}
            if event.duration_ms is not None:
                dtmf["duration"] = event.duration_ms
            message = {"event": "dtmf", "streamSid": carrier_stream_id, "dtmf": dtmf}
        case Stop():
            message = {"event": "stop"}
        case Error():
            raise Inexpressible("signalwire", event)
    return write(message | {"sequenceNumber": str(event.sequence)}, event.extra)


def parse_return(text: str | bytes) -> ReturnEvent:
    """Read a message that a server sends to SignalWire on a bidirectional stream.

    Raises:
        UnreadableMessage: SignalWire does not document such a message.
    """
    return read_return(READER_WITH_DTMF, text)


def render_return(event: ReturnEvent, carrier_stream_id: str) -> str:
    """Write a message to SignalWire on a bidirectional stream."""
    return write_return(event, carrier_stream_id)
