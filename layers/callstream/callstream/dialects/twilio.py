"""Twilio Media Streams messages.

Source: twilio.com/docs/voice/media-streams/websocket-messages. On the wire the counters are
decimal strings (numbers are read too), audio is base64, and only `dtmf` writes its track with
`_track`. `connected` is the only message without a stream id and a sequence number.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from msgspec import Meta, field

from callstream.audio.formats import PCMU_8K
from callstream.dialects._camel import (
    ConnectedMessage,
    MediaMessage,
    Message,
    StartMessage,
    common_event,
    connected_message,
    start_body,
)
from callstream.dialects._returns import READER, read_return, write_return
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
    ReturnDtmf,
    ReturnEvent,
    Start,
    Stop,
    Track,
)
from callstream.dialects.shapes import Shape
from callstream.errors import Inexpressible

if TYPE_CHECKING:
    from uuid import UUID

PROTOCOL: Final = Connected(protocol="Call", version="1.0.0")
NUMBERS_MARKS: Final = True
FORMATS: Final = (PCMU_8K,)
ERRORS: Final[Mapping[Refusal, tuple[str, str]]] = {}


class _DtmfBody(Documented):
    digit: Annotated[str, Meta(min_length=1, max_length=1)]
    track: Literal["inbound_track", "outbound_track"] = "inbound_track"


class _Dtmf(Message, tag="dtmf"):
    sequence_number: Counter
    dtmf: _DtmfBody


class _Mark(Message, tag="mark"):
    mark: MarkBody
    sequence_number: Counter | None = None


class _StopBody(Documented, rename="camel"):
    call_sid: str | None = None
    account_sid: str | None = None


class _Stop(Message, tag="stop"):
    sequence_number: Counter
    stop: _StopBody = field(default_factory=_StopBody)


_Messages: TypeAlias = ConnectedMessage | StartMessage | MediaMessage | _Dtmf | _Mark | _Stop
_reader: Final[Reader[_Messages]] = Reader(
    ConnectedMessage | StartMessage | MediaMessage | _Dtmf | _Mark | _Stop
)


def stream_id(unique: "UUID") -> str:
    """The sid of a new stream: MZ and 32 hexadecimal digits."""
    return f"MZ{unique.hex}"


def greeting(handshake_headers: Mapping[str, str]) -> Connected:
    """The first message to a server; it repeats no header."""
    del handshake_headers
    return PROTOCOL


def claims(shape: Shape) -> bool:
    """Whether a message of this shape is Twilio's rather than SignalWire's."""
    match shape.event:
        case "connected":
            return shape.has_protocol and shape.is_version(PROTOCOL.version)
        case "dtmf":
            return shape.has_stream_sid and shape.names_dtmf_track
        case _:
            return shape.has_stream_sid and shape.has_sequence_number


def parse(text: str | bytes) -> CarrierEvent:
    """Read a message from Twilio.

    Raises:
        UnreadableMessage: the text is not one of Twilio's messages.
    """
    message, extra = _reader.read(text)
    match message:
        case MediaMessage() | ConnectedMessage() | StartMessage():
            return common_event(message, extra)
        case _Dtmf(sequence_number=sequence, dtmf=dtmf):
            track: Track = "inbound" if dtmf.track == "inbound_track" else "outbound"
            return Dtmf(sequence, track, dtmf.digit, extra=extra)
        case _Mark(sequence_number=sequence, mark=mark):
            return Mark(sequence, mark.name, extra=extra)
        case _Stop(sequence_number=sequence, stop=stop):
            return Stop(sequence, stop.call_sid, stop.account_sid, extra=extra)


def render(event: CarrierEvent, carrier_stream_id: str) -> str:
    """Write a message as Twilio sends it.

    Raises:
        Inexpressible: the event is an `Error`, for which Twilio has no message.
    """
    message: Fields
    match event:
        case Connected():
            return write(connected_message(event), event.extra)
        case Start():
            parameters = {"customParameters": dict(event.parameters)}
            message = {"event": "start", "start": start_body(event) | parameters}
        case Media():
            message = {"event": "media", "media": media_body(event)}
        case Dtmf():
            dtmf = {"track": f"{event.track}_track", "digit": event.digit}
            message = {"event": "dtmf", "dtmf": dtmf}
        case Mark():
            message = {"event": "mark", "mark": {"name": event.name}}
        case Stop():
            stop = {"accountSid": event.account_id or "", "callSid": event.call_id or ""}
            message = {"event": "stop", "stop": stop}
        case Error():
            raise Inexpressible("twilio", event)
    numbered = {"sequenceNumber": str(event.sequence or 0), "streamSid": carrier_stream_id}
    return write(message | numbered, event.extra)


def parse_return(text: str | bytes) -> ReturnEvent:
    """Read a message that a server sends to Twilio on a bidirectional stream.

    Raises:
        UnreadableMessage: Twilio would answer the message with error 31950.
    """
    return read_return(READER, text)


def render_return(event: ReturnEvent, carrier_stream_id: str) -> str:
    """Write a message to Twilio on a bidirectional stream.

    Raises:
        Inexpressible: the event is a `ReturnDtmf`: Twilio cannot press keys.
    """
    if isinstance(event, ReturnDtmf):
        raise Inexpressible("twilio", event)
    return write_return(event, carrier_stream_id)
