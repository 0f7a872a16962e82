"""Telnyx's media streaming messages.

Source: developers.telnyx.com/docs/voice/programmable-voice/media-streaming. Names are snake_case;
the stream id is at the top of each message but the first; counters are decimal strings. `error` and
the names of codecs have two published forms, and both are read. `start` does not list the tracks.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, field

from callstream.audio.formats import AudioFormat, rtp_name
from callstream.dialects._returns import READER, read_return, write_return
from callstream.dialects._wire import (
    Documented,
    Fields,
    MarkBody,
    MediaBody,
    Name,
    OtherName,
    Reader,
    media_body,
    write,
)
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
)
from callstream.dialects.shapes import Shape
from callstream.errors import Inexpressible, UnreadableMessage

if TYPE_CHECKING:
    from uuid import UUID

PROTOCOL: Final = Connected(protocol=None, version="1.0.0")
NUMBERS_MARKS: Final = True
FORMATS: Final[Sequence[AudioFormat]] = ()
# developers.telnyx.com/docs/voice/programmable-voice/media-streaming
ERRORS: Final[Mapping[Refusal, tuple[str, str]]] = {
    "unusable": ("100002", "unknown_error"),
    "malformed": ("100003", "malformed_frame"),
    "not_base64": ("100004", "invalid_media"),
    "too_many": ("100005", "rate_limit_reached"),
}
HANDSHAKE_HEADER: Final = "x-telnyx-streaming-auth-token"
"""The header of the handshake by which Telnyx proves who connects: a secret."""
_CODE: Final = re.compile("[1-9][0-9]{0,8}")


class _Message(Documented, kw_only=True, tag_field="event"):
    stream_id: str = ""


class _Connected(_Message, tag="connected"):
    version: str = ""
    protocol: str | None = None
    # Headers of the handshake, the token among them: a secret, which goes no further.
    connected: Any = None


class _MediaFormat(Documented):
    encoding: OtherName
    sample_rate: Annotated[int, Meta(gt=0, le=192_000)]
    channels: Annotated[int, Meta(gt=0, le=8)] = 1


class _Parameter(Struct):
    # Not `Documented`: unknown fields of objects in a list cannot be kept, so they are dropped.
    name: str
    value: str


class _StartBody(Documented, rename={"from_number": "from", "to_number": "to"}):
    call_control_id: Name
    media_format: _MediaFormat
    user_id: OtherName = ""
    call_session_id: OtherName | None = None
    from_number: OtherName | None = None
    to_number: OtherName | None = None
    tags: tuple[str, ...] | None = None
    client_state: str | None = None
    custom_parameters: dict[str, str] | list[_Parameter] | None = None


class _Start(_Message, tag="start"):
    stream_id: Name
    start: _StartBody
    sequence_number: Counter = 0


class _Media(_Message, tag="media"):
    sequence_number: Counter
    media: MediaBody


class _DtmfBody(Documented):
    digit: Annotated[str, Meta(min_length=1, max_length=1)]


class _Dtmf(_Message, tag="dtmf"):
    sequence_number: Counter
    dtmf: _DtmfBody
    occurred_at: str | None = None


class _Mark(_Message, tag="mark"):
    mark: MarkBody
    sequence_number: Counter | None = None


class _StopBody(Documented):
    call_control_id: str | None = None
    user_id: str | None = None


class _Stop(_Message, tag="stop"):
    sequence_number: Counter
    stop: _StopBody = field(default_factory=_StopBody)


class _ErrorBody(Documented):
    code: int | str
    title: str = ""
    detail: str = ""


class _Error(_Message, tag="error"):
    payload: _ErrorBody | None = None
    error: _ErrorBody | None = None
    sequence_number: Counter | None = None


_reader: Final[Reader[_Connected | _Start | _Media | _Dtmf | _Mark | _Stop | _Error]] = Reader(
    _Connected | _Start | _Media | _Dtmf | _Mark | _Stop | _Error
)


def stream_id(unique: "UUID") -> str:
    """The id of a new stream."""
    return str(unique)


def greeting(handshake_headers: Mapping[str, str]) -> Connected:
    """The first message to a server; it repeats the token by which Telnyx proves who connects."""
    token = handshake_headers.get(HANDSHAKE_HEADER)
    extra = write({"connected": {HANDSHAKE_HEADER: token}}) if token else ""
    return Connected(PROTOCOL.protocol, PROTOCOL.version, extra=extra)


def claims(shape: Shape) -> bool:
    """Whether a message of this shape is Telnyx's.

    A `connected` with a protocol and no `connected` object looks like Twilio's. The stream's
    `start` tells the two apart.
    """
    is_connected = shape.event == "connected"
    return shape.is_snake or (is_connected and (shape.has_handshake or not shape.has_protocol))


def parse(text: str | bytes) -> CarrierEvent:  # noqa: PLR0911  # one for each message
    """Read a message from Telnyx.

    Raises:
        UnreadableMessage: the text is not one of Telnyx's messages.
    """
    message, extra = _reader.read(text)
    match message:
        case _Media(sequence_number=sequence, media=media):
            return Media(
                sequence, media.track, media.chunk, media.timestamp, media.payload, extra=extra
            )
        case _Connected(protocol=protocol, version=version):
            return Connected(protocol, version, extra=extra)
        case _Start():
            return _start_event(message, extra)
        case _Dtmf(sequence_number=sequence, dtmf=dtmf):
            return Dtmf(
                sequence, "inbound", dtmf.digit, occurred_at=message.occurred_at, extra=extra
            )
        case _Mark(sequence_number=number, mark=mark):
            return Mark(number, mark.name, extra=extra)
        case _Error(sequence_number=number, payload=present, error=older):
            error = present or older
            if error is None:
                raise UnreadableMessage("not_as_documented", "an error without payload and error")
            extra = _in_present_form(extra) if older else extra
            return Error(number, str(error.code), error.title, error.detail, extra=extra)
        case _Stop(sequence_number=sequence, stop=stop):
            return Stop(sequence, stop.call_control_id, stop.user_id, extra=extra)


def _start_event(message: _Start, extra: str) -> Start:
    start = message.start
    parameters = start.custom_parameters or {}
    if isinstance(parameters, list):
        parameters = {parameter.name: parameter.value for parameter in parameters}
    return Start(
        sequence=message.sequence_number,
        carrier_stream_id=message.stream_id,
        call_id=start.call_control_id,
        account_id=start.user_id,
        tracks=(),
        format=AudioFormat(
            encoding=rtp_name(start.media_format.encoding),
            sample_rate=start.media_format.sample_rate,
            channels=start.media_format.channels,
        ),
        parameters=parameters,
        session_id=start.call_session_id or None,
        from_number=start.from_number,
        to_number=start.to_number,
        tags=start.tags or (),
        client_state=start.client_state,
        extra=extra,
    )


def _in_present_form(extra: str) -> str:
    """Move the unknown fields of an error in the older form to their place in the present form."""
    fields: Fields = msgspec.json.decode(extra or "{}")
    if unknown := fields.pop("error", {}):
        fields["payload"] = unknown | fields.get("payload", {})
    return write(fields) if fields else ""


def render(event: CarrierEvent, carrier_stream_id: str) -> str:
    """Write a message as Telnyx sends it."""
    message: Fields
    match event:
        case Connected(version=version):
            message = {"event": "connected", "version": version}
            return write(message | _given(protocol=event.protocol), event.extra)
        case Start():
            message = {"event": "start", "start": _start_body(event)}
        case Media():
            message = {"event": "media", "media": media_body(event)}
        case Dtmf():
            message = {"event": "dtmf", "dtmf": {"digit": event.digit}}
            message |= _given(occurred_at=event.occurred_at)
        case Mark():
            message = {"event": "mark", "mark": {"name": event.name}}
        case Error():
            # The present documents have a number; a code that would change as a number stays text.
            code = int(event.code) if _CODE.fullmatch(event.code) else event.code
            payload = {"code": code, "title": event.title, "detail": event.detail}
            message = {"event": "error", "payload": payload}
        case Stop():
            stop = _given(user_id=event.account_id, call_control_id=event.call_id)
            message = {"event": "stop", "stop": stop}
    if event.sequence is not None:
        message["sequence_number"] = str(event.sequence)
    return write(message | {"stream_id": carrier_stream_id}, event.extra)


def _start_body(start: Start) -> Fields:
    return {
        "user_id": start.account_id,
        "call_control_id": start.call_id,
        **_given(call_session_id=start.session_id, client_state=start.client_state),
        **_given(**{"from": start.from_number, "to": start.to_number}),
        "tags": start.tags,
        **_given(custom_parameters=dict(start.parameters) or None),
        "media_format": {
            "encoding": start.format.encoding,
            "sample_rate": start.format.sample_rate,
            "channels": start.format.channels,
        },
    }


def _given(**fields: object) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def parse_return(text: str | bytes) -> ReturnEvent:
    """Read a message that a server sends to Telnyx on a bidirectional stream.

    Raises:
        UnreadableMessage: Telnyx would answer the message with error 100003 or 100004.
    """
    return read_return(READER, text)


def render_return(event: ReturnEvent, carrier_stream_id: str) -> str:
    """Write a message to Telnyx on a bidirectional stream; Telnyx needs no stream id.

    Raises:
        Inexpressible: the event is a `ReturnDtmf`: Telnyx cannot press keys.
    """
    del carrier_stream_id
    if isinstance(event, ReturnDtmf):
        raise Inexpressible("telnyx", event)
    return write_return(event)
