"""The typed events that every dialect is parsed into and rendered from.

Sequence numbers, chunk numbers and timestamps are integers here, whatever the wire has.
Timestamps are milliseconds since the stream's start; audio is raw bytes in the stream's own codec.
The same structs, tagged by `kind`, are what the Kinesis records carry (`callstream.records`).
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

# Larger counters would be an error, and would not survive readers whose numbers are doubles.
Counter = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Track = Literal["inbound", "outbound"]


class AudioFormat(Struct, frozen=True):
    """A stream's audio: codec by its RTP name (`PCMU`, `PCMA`, `G722`, `L16`, …), rate in Hz."""

    encoding: str
    sample_rate: int
    channels: int


PCMU_8K = AudioFormat(encoding="PCMU", sample_rate=8000, channels=1)


class _Event(Struct, frozen=True, tag_field="kind", tag=str.lower):
    pass


class Connected(_Event, frozen=True):
    """The carrier opened the socket and names its protocol."""

    protocol: str
    version: str


class Start(_Event, frozen=True):
    """The stream's identity and format."""

    sequence: Counter
    carrier_stream_id: str
    call_id: str
    account_id: str
    tracks: tuple[Track, ...]
    format: AudioFormat
    parameters: dict[str, str] = field(default_factory=dict)


class Media(_Event, frozen=True):
    """One frame of audio."""

    sequence: Counter
    track: Track
    chunk: Counter
    timestamp: Counter
    audio: bytes


class Dtmf(_Event, frozen=True):
    """A key that the party on `track` pressed."""

    sequence: Counter
    track: Track
    digit: str


class Mark(_Event, frozen=True):
    """The carrier has played everything up to the mark of this name."""

    sequence: Counter
    name: str


class Stop(_Event, frozen=True):
    """The carrier ends the stream."""

    sequence: Counter
    call_id: str
    account_id: str


CarrierEvent = Connected | Start | Media | Dtmf | Mark | Stop


class ReturnMedia(Struct, frozen=True):
    """Audio for the carrier to play, in the stream's own codec."""

    audio: bytes


class ReturnMark(Struct, frozen=True):
    """Ask the carrier to say when everything sent so far has been played."""

    name: str


class Clear(Struct, frozen=True):
    """Throw away what is waiting to be played; pending marks come back at once."""


ReturnEvent = ReturnMedia | ReturnMark | Clear
