"""The typed events that every dialect is parsed into and rendered from.

Sequence numbers, chunk numbers and timestamps are integers here, whatever the messages have.
Timestamps are milliseconds since the stream's start; audio is raw bytes in the stream's own codec.
Fields that only some carriers send are optional. The Kinesis records carry the same structs, tagged
by `kind` (`callstream.frames.records`).
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from callstream.audio.formats import AudioFormat

# Larger counters would be an error, and would not survive readers whose numbers are doubles.
Counter = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Track = Literal["inbound", "outbound"]
TRACKS: Final[tuple[Track, ...]] = ("inbound", "outbound")
Tracks = Literal["inbound_track", "outbound_track", "both_tracks"]
"""The tracks of a call that a relay takes, in the words that Telnyx and SignalWire share."""

Refusal = Literal["unusable", "malformed", "not_base64", "too_many"]
"""Why something that a consumer sends back is refused."""


class _Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    extra: str = ""
    """The unknown fields of the message, as JSON text; mostly empty."""


class Connected(_Event, frozen=True, tag="connected"):
    """The carrier opened the socket and names its protocol."""

    protocol: str | None
    version: str


class TranscriptionRequest(Struct, frozen=True, omit_defaults=True):
    """How a client that streams its own audio wants the audio transcribed, in the client's values.

    `redaction` is None if the client leaves the choice to the gateway.
    """

    role: str
    external_id: str
    language: str
    smart_formatting: bool = True
    word_times: bool = False
    may_record: bool = False
    redaction: str | None = None


class Start(_Event, frozen=True, tag="start"):
    """The stream's identity and format.

    `session_id` is common to the legs of one call (Telnyx), or to the streams of one conversation.
    `tracks` is empty if the carrier does not list them. `client_state` is base64, as the carrier
    sends it. Carriers number their starts; other clients need not.
    """

    sequence: Counter | None
    carrier_stream_id: str
    call_id: str
    account_id: str
    tracks: tuple[Track, ...]
    format: AudioFormat
    parameters: dict[str, str] = field(default_factory=dict)
    session_id: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    tags: tuple[str, ...] = ()
    client_state: str | None = None
    transcription: TranscriptionRequest | None = None


class Media(_Event, frozen=True, tag="media"):
    """One frame of audio."""

    sequence: Counter
    track: Track
    chunk: Counter
    timestamp: Counter
    audio: bytes


class Dtmf(_Event, frozen=True, tag="dtmf"):
    """A key that the party on `track` pressed. `occurred_at` is text as the carrier writes it."""

    sequence: Counter
    track: Track
    digit: str
    duration_ms: Counter | None = None
    occurred_at: str | None = None


class Mark(_Event, frozen=True, tag="mark"):
    """The carrier has played everything up to the mark of this name."""

    sequence: Counter | None
    name: str


class Error(_Event, frozen=True, tag="error"):
    """The carrier could not use a message that it received on this stream."""

    sequence: Counter | None
    code: str
    title: str = ""
    detail: str = ""


class Stop(_Event, frozen=True, tag="stop"):
    """The carrier ends the stream. Carriers number their stops; other clients need not."""

    sequence: Counter | None
    call_id: str | None = None
    account_id: str | None = None


class SpokenPhrase(Struct, frozen=True, omit_defaults=True):
    """A phrase to write where one of the sounds is heard."""

    phrase: str
    sounds_like: tuple[str, ...] = ()
    category: str | None = None

    @property
    def size(self) -> int:
        """The length of all its texts, in bytes of UTF-8."""
        return len("".join([self.phrase, *self.sounds_like, self.category or ""]).encode())


class Vocabulary(_Event, frozen=True, tag="vocabulary"):
    """A client adds phrases to the vocabulary of its stream."""

    sequence: Counter | None
    phrases: tuple[SpokenPhrase, ...]


CarrierEvent = Connected | Start | Media | Dtmf | Mark | Error | Stop


class _ReturnEvent(Struct, frozen=True, kw_only=True):
    extra: str = ""
    """As in the carrier's events above."""


class ReturnMedia(_ReturnEvent, frozen=True):
    """Audio for the carrier to play, in the stream's own codec."""

    audio: bytes


class ReturnMark(_ReturnEvent, frozen=True):
    """Ask the carrier for a mark once everything that was sent so far has been played."""

    name: str


class ReturnDtmf(_ReturnEvent, frozen=True):
    """Press a key into the call."""

    digit: str


class Clear(_ReturnEvent, frozen=True):
    """Drop the audio that waits to be played; pending marks come back at once."""


ReturnEvent = ReturnMedia | ReturnMark | ReturnDtmf | Clear
