"""Twilio Media Streams messages.

Source: twilio.com/docs/voice/media-streams/websocket-messages. On the wire the counters are
decimal strings (numbers are read too), audio is base64, and only `dtmf` writes its track with
`_track`.
"""

from base64 import b64encode
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from callstream.dialects._wire import decode
from callstream.dialects.events import (
    AudioFormat,
    CarrierEvent,
    Clear,
    Connected,
    Counter,
    Dtmf,
    Mark,
    Media,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
    Start,
    Stop,
    Track,
)

PROTOCOL: Final = Connected(protocol="Call", version="1.0.0")
_ENCODINGS: Final = {"audio/x-mulaw": "PCMU"}
_WIRE_ENCODINGS: Final = {codec: wire for wire, codec in _ENCODINGS.items()}

_Name = Annotated[str, Meta(min_length=1, max_length=500)]


class _Message(Struct, tag_field="event", tag=lambda name: name[1:].lower(), rename="camel"):
    pass


class _Connected(_Message):
    protocol: str
    version: str


class _MediaFormat(Struct, rename="camel"):
    encoding: str
    sample_rate: Annotated[int, Meta(gt=0, le=192_000)]
    channels: Annotated[int, Meta(gt=0, le=8)]


class _StartBody(Struct, rename="camel"):
    stream_sid: _Name
    call_sid: _Name
    account_sid: _Name
    tracks: tuple[Track, ...]
    media_format: _MediaFormat
    custom_parameters: dict[str, str] = field(default_factory=dict)


class _Start(_Message):
    sequence_number: Counter
    start: _StartBody


class _MediaBody(Struct):
    track: Track
    chunk: Counter
    timestamp: Counter
    payload: bytes


class _Media(_Message):
    sequence_number: Counter
    media: _MediaBody


class _DtmfBody(Struct):
    digit: Annotated[str, Meta(min_length=1, max_length=1)]
    track: Literal["inbound_track", "outbound_track"] = "inbound_track"


class _Dtmf(_Message):
    sequence_number: Counter
    dtmf: _DtmfBody


class _MarkBody(Struct):
    name: str


class _Mark(_Message):
    sequence_number: Counter
    mark: _MarkBody


class _StopBody(Struct, rename="camel"):
    call_sid: str
    account_sid: str


class _Stop(_Message):
    sequence_number: Counter
    stop: _StopBody


# strict=False reads the counters out of their strings.
_decoder: msgspec.json.Decoder[_Connected | _Start | _Media | _Dtmf | _Mark | _Stop] = (
    msgspec.json.Decoder(_Connected | _Start | _Media | _Dtmf | _Mark | _Stop, strict=False)
)


def parse(text: str | bytes) -> CarrierEvent:
    """Read a message from Twilio.

    Raises:
        UnreadableMessage: it is not one of Twilio's messages.
    """
    match decode(_decoder, text):
        case _Media(sequence_number=sequence, media=media):
            return Media(sequence, media.track, media.chunk, media.timestamp, media.payload)
        case _Connected(protocol=protocol, version=version):
            return Connected(protocol, version)
        case _Start(sequence_number=sequence, start=start):
            audio = start.media_format
            return Start(
                sequence=sequence,
                carrier_stream_id=start.stream_sid,
                call_id=start.call_sid,
                account_id=start.account_sid,
                tracks=start.tracks,
                format=AudioFormat(
                    # An encoding that we do not know is carried under its own name.
                    encoding=_ENCODINGS.get(audio.encoding, audio.encoding),
                    sample_rate=audio.sample_rate,
                    channels=audio.channels,
                ),
                parameters=start.custom_parameters,
            )
        case _Dtmf(sequence_number=sequence, dtmf=dtmf):
            track: Track = "inbound" if dtmf.track == "inbound_track" else "outbound"
            return Dtmf(sequence, track, dtmf.digit)
        case _Mark(sequence_number=sequence, mark=mark):
            return Mark(sequence, mark.name)
        case _Stop(sequence_number=sequence, stop=stop):
            return Stop(sequence, stop.call_sid, stop.account_sid)


def render(event: CarrierEvent, carrier_stream_id: str) -> str:
    """Write a message as Twilio sends it."""
    message: dict[str, object]
    match event:
        case Connected(protocol=protocol, version=version):
            return _dumps({"event": "connected", "protocol": protocol, "version": version})
        case Start(format=audio):
            message = {
                "event": "start",
                "sequenceNumber": str(event.sequence),
                "start": {
                    "streamSid": event.carrier_stream_id,
                    "accountSid": event.account_id,
                    "callSid": event.call_id,
                    "tracks": event.tracks,
                    "customParameters": event.parameters,
                    "mediaFormat": {
                        "encoding": _WIRE_ENCODINGS.get(audio.encoding, audio.encoding),
                        "sampleRate": audio.sample_rate,
                        "channels": audio.channels,
                    },
                },
            }
        case Media():
            message = {
                "event": "media",
                "sequenceNumber": str(event.sequence),
                "media": {
                    "track": event.track,
                    "chunk": str(event.chunk),
                    "timestamp": str(event.timestamp),
                    "payload": b64encode(event.audio).decode(),
                },
            }
        case Dtmf():
            message = {
                "event": "dtmf",
                "sequenceNumber": str(event.sequence),
                "dtmf": {"track": f"{event.track}_track", "digit": event.digit},
            }
        case Mark():
            message = {
                "event": "mark",
                "sequenceNumber": str(event.sequence),
                "mark": {"name": event.name},
            }
        case Stop():
            message = {
                "event": "stop",
                "sequenceNumber": str(event.sequence),
                "stop": {"accountSid": event.account_id, "callSid": event.call_id},
            }
    return _dumps(message | {"streamSid": carrier_stream_id})


class _ReturnMessage(
    Struct, tag_field="event", tag=lambda name: name.removeprefix("_Return").lower()
):
    pass


class _ReturnMediaBody(Struct):
    payload: bytes


class _ReturnMedia(_ReturnMessage):
    media: _ReturnMediaBody


class _ReturnMark(_ReturnMessage):
    mark: _MarkBody


class _ReturnClear(_ReturnMessage):
    pass


_return_decoder: msgspec.json.Decoder[_ReturnMedia | _ReturnMark | _ReturnClear] = (
    msgspec.json.Decoder(_ReturnMedia | _ReturnMark | _ReturnClear)
)


def parse_return(text: str | bytes) -> ReturnEvent:
    """Read a message that a server sends to Twilio on a bidirectional stream.

    Raises:
        UnreadableMessage: Twilio would answer it with error 31950.
    """
    match decode(_return_decoder, text):
        case _ReturnMedia(media=media):
            return ReturnMedia(media.payload)
        case _ReturnMark(mark=mark):
            return ReturnMark(mark.name)
        case _ReturnClear():
            return Clear()


def render_return(event: ReturnEvent, carrier_stream_id: str) -> str:
    """Write a message to Twilio on a bidirectional stream."""
    message: dict[str, object]
    match event:
        case ReturnMedia(audio=audio):
            message = {"event": "media", "media": {"payload": b64encode(audio).decode()}}
        case ReturnMark(name=name):
            message = {"event": "mark", "mark": {"name": name}}
        case Clear():
            message = {"event": "clear"}
    return _dumps(message | {"streamSid": carrier_stream_id})


def _dumps(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()
