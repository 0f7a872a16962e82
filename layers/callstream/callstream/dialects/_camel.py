"""What Twilio's messages and SignalWire's have in common: SignalWire took the protocol over.

Source of both: twilio.com/docs/voice/media-streams/websocket-messages; where SignalWire's differ,
its own module says so.
"""

from base64 import b64encode

from msgspec import field

from callstream.audio.formats import AudioFormat, media_type, rtp_name
from callstream.dialects._wire import Documented, Fields, MediaFormat, Name
from callstream.dialects.events import Connected, Counter, Media, Start, Track


class Message(Documented, kw_only=True, tag_field="event", rename="camel"):
    """A message of the carrier's. Some have no `streamSid` at the top, or need not."""

    stream_sid: str = ""


class StartBody(Documented, rename="camel"):
    """What is in a `start`."""

    stream_sid: Name
    call_sid: Name
    account_sid: Name
    tracks: tuple[Track, ...]
    media_format: MediaFormat
    custom_parameters: dict[str, str] = field(default_factory=dict)


class MediaBody(Documented):
    """What is in a `media`."""

    track: Track
    chunk: Counter
    timestamp: Counter
    payload: bytes


class MarkBody(Documented):
    """What is in a `mark`."""

    name: str


class ConnectedMessage(Message, tag="connected"):
    """The first message."""

    protocol: str
    version: str


class StartMessage(Message, tag="start"):
    """What the stream is."""

    sequence_number: Counter
    start: StartBody


class MediaMessage(Message, tag="media"):
    """One frame."""

    sequence_number: Counter
    media: MediaBody


type Common = ConnectedMessage | StartMessage | MediaMessage
"""The messages in which the two do not differ."""


def common_event(message: Common, extra: str) -> Connected | Start | Media:
    """One of these as the event."""
    match message:
        case MediaMessage(sequence_number=sequence, media=media):
            return Media(
                sequence, media.track, media.chunk, media.timestamp, media.payload, extra=extra
            )
        case ConnectedMessage(protocol=protocol, version=version):
            return Connected(protocol, version, extra=extra)
        case StartMessage(sequence_number=sequence, start=start):
            return _start_event(sequence, start, extra)


def _start_event(sequence: Counter, body: StartBody, extra: str) -> Start:
    return Start(
        sequence=sequence,
        carrier_stream_id=body.stream_sid,
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


def start_body(start: Start) -> Fields:
    """The event as what is in a `start`, without custom parameters."""
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


def media_body(media: Media) -> Fields:
    """The event as what is in a `media`."""
    return {
        "track": media.track,
        "chunk": str(media.chunk),
        "timestamp": str(media.timestamp),
        "payload": b64encode(media.audio).decode(),
    }
