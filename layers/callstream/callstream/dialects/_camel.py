"""The messages that Twilio and SignalWire share: SignalWire took over Twilio's protocol.

Source: twilio.com/docs/voice/media-streams/websocket-messages. Where SignalWire's messages differ,
`signalwire.py` says so.
"""

from typing import Annotated, TypeAlias

from msgspec import Meta, field

from callstream.audio.formats import AudioFormat, media_type, rtp_name
from callstream.dialects._wire import Documented, Fields, MediaBody, Name, OtherName
from callstream.dialects.events import Connected, Counter, Media, Start, Track
from callstream.errors import UnreadableMessage


class Message(Documented, kw_only=True, tag_field="event", rename="camel"):
    """A message from the carrier. `streamSid` is empty in the messages that have none."""

    stream_sid: OtherName = ""


class MediaFormat(Documented, rename="camel"):
    """The `mediaFormat` of a `start`; the rate is in Hz."""

    encoding: OtherName
    sample_rate: Annotated[int, Meta(gt=0, le=192_000)]
    channels: Annotated[int, Meta(gt=0, le=8)] = 1


class StartBody(Documented, rename="camel"):
    """The `start` object."""

    call_sid: Name
    media_format: MediaFormat
    stream_sid: OtherName = ""
    """If empty, the message's top-level `streamSid` is used."""
    account_sid: OtherName = ""
    tracks: tuple[Track, ...] = ()
    custom_parameters: dict[str, str] = field(default_factory=dict)


class ConnectedMessage(Message, tag="connected"):
    """The first message."""

    protocol: str = "Call"
    version: str = ""


class StartMessage(Message, tag="start"):
    """The identity and the format of the stream. Every vendor documents 1 as its number.

    A `start` without a number has 0, so that it has no number of another message.
    """

    start: StartBody
    sequence_number: Counter = 0


class MediaMessage(Message, tag="media"):
    """One frame."""

    sequence_number: Counter
    media: MediaBody


Common: TypeAlias = ConnectedMessage | StartMessage | MediaMessage
"""The messages that are the same for both carriers."""


def common_event(message: Common, extra: str) -> Connected | Start | Media:
    """Make the event of a shared message."""
    match message:
        case MediaMessage(sequence_number=sequence, media=media):
            return Media(
                sequence, media.track, media.chunk, media.timestamp, media.payload, extra=extra
            )
        case ConnectedMessage(protocol=protocol, version=version):
            return Connected(protocol, version, extra=extra)
        case StartMessage():
            return _start_event(message, extra)


def _start_event(message: StartMessage, extra: str) -> Start:
    body = message.start
    if not (stream_sid := body.stream_sid or message.stream_sid):
        raise UnreadableMessage("not_as_documented", "a start without streamSid")
    return Start(
        sequence=message.sequence_number,
        carrier_stream_id=stream_sid,
        call_id=body.call_sid,
        account_id=body.account_sid,
        tracks=body.tracks,
        format=AudioFormat(
            encoding=rtp_name(body.media_format.encoding),
            sample_rate=body.media_format.sample_rate,
            channels=body.media_format.channels,
        ),
        parameters=body.custom_parameters,
        extra=extra,
    )


def connected_message(connected: Connected) -> Fields:
    """The whole `connected` message of an event."""
    return {
        "event": "connected",
        "protocol": connected.protocol,
        "version": connected.version,
    }


def start_body(start: Start) -> Fields:
    """The `start` object of an event, without custom parameters."""
    return {
        "streamSid": start.carrier_stream_id,
        "accountSid": start.account_id,
        "callSid": start.call_id,
        "tracks": start.tracks,
        "mediaFormat": {
            "encoding": media_type(start.format.encoding),
            "sampleRate": start.format.sample_rate,
            "channels": start.format.channels,
        },
    }
