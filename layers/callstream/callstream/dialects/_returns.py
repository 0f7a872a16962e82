"""The messages to a carrier on a bidirectional stream: the same few in every dialect.

Twilio and SignalWire want `streamSid` in each message, Telnyx wants no stream id; only SignalWire
can press a key. Sources: as in each dialect's module.
"""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from callstream.dialects._wire import Documented, Fields, Reader, write
from callstream.dialects.events import (
    Clear,
    ReturnDtmf,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
)


class _Message(Documented, kw_only=True, tag_field="event"):
    stream_sid: str = field(default="", name="streamSid")
    stream_id: str = ""


class _MediaBody(Documented):
    payload: bytes


class _Media(_Message, tag="media"):
    media: _MediaBody


class _MarkBody(Documented):
    # The carrier sends the name back, and API Gateway closes connections that send more than 32 KB
    # in one frame.
    name: Annotated[str, Meta(max_length=8192)]


class _Mark(_Message, tag="mark"):
    mark: _MarkBody


class _Clear(_Message, tag="clear"):
    pass


class _DtmfBody(Documented):
    digit: Annotated[str, Meta(pattern=r"\A[0-9*#A-Da-d]\Z")]


class _Dtmf(_Message, tag="dtmf"):
    dtmf: _DtmfBody


READER: Final[Reader[_Media | _Mark | _Clear]] = Reader(_Media | _Mark | _Clear)
READER_WITH_DTMF: Final[Reader[_Media | _Mark | _Clear | _Dtmf]] = Reader(
    _Media | _Mark | _Clear | _Dtmf
)


def read_return(
    reader: Reader[_Media | _Mark | _Clear] | Reader[_Media | _Mark | _Clear | _Dtmf],
    text: str | bytes,
) -> ReturnEvent:
    """Read one message into its event. Raises `UnreadableMessage`."""
    message, extra = reader.read(text)
    match message:
        case _Media(media=media):
            return ReturnMedia(media.payload, extra=extra)
        case _Mark(mark=mark):
            return ReturnMark(mark.name, extra=extra)
        case _Clear():
            return Clear(extra=extra)
        case _Dtmf(dtmf=dtmf):
            return ReturnDtmf(dtmf.digit, extra=extra)


class _WrittenMedia(Struct, tag_field="event", tag="media"):
    """Audio as it is written, 50 times a second: quicker than from a dict."""

    media: _MediaBody
    stream_sid: str | UnsetType = field(default=UNSET, name="streamSid")


_encoder: Final = msgspec.json.Encoder()


def write_return(event: ReturnEvent, stream_sid: str | UnsetType = UNSET) -> str:
    """Write an event as a message, with the stream's id if the carrier wants it there."""
    if isinstance(event, ReturnMedia) and not event.extra:
        return _encoder.encode(_WrittenMedia(_MediaBody(event.audio), stream_sid)).decode()
    stream: Fields = {} if stream_sid is UNSET else {"streamSid": stream_sid}
    return write(_fields(event) | stream, event.extra)


def _fields(event: ReturnEvent) -> Fields:
    match event:
        case ReturnMedia(audio=audio):
            return {"event": "media", "media": {"payload": audio}}
        case ReturnMark(name=name):
            return {"event": "mark", "mark": {"name": name}}
        case Clear():
            return {"event": "clear"}
        case ReturnDtmf(digit=digit):
            return {"event": "dtmf", "dtmf": {"digit": digit}}
