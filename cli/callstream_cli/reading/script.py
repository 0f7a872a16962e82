"""The messages that play a recorded stream again, with their times. Pure: no socket, no clock."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from callstream.audio import packets
from callstream.audio.conversion import Converter, UnusableAudio, can_convert, converter
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.dialects import DIALECTS, translate
from callstream.dialects.events import (
    CarrierEvent,
    Connected,
    Mark,
    Media,
    Start,
    Stop,
    Track,
    Vocabulary,
)
from callstream.errors import Inexpressible
from callstream.frames.records import Disconnected, GatewayEvent, RecordEvent, Rejected
from callstream_cli.formats import title
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.recording import Story

_UUID_BITS: Final = 128


@dataclass(frozen=True, slots=True)
class Line:
    """One message. `at` is in seconds of the stream's own time."""

    at: float
    event: CarrierEvent
    text: str


@dataclass(frozen=True, slots=True)
class Script:
    """All messages of a stream, in order."""

    dialect: str
    carrier_stream_id: str
    lines: Sequence[Line]
    left_out: int
    """How many messages were unreadable, or cannot be expressed in the dialect or the codec."""


def carrier_stream_id(dialect: str, random: Random) -> str:
    """A new stream id, in the carrier's form."""
    bits = random.getrandbits(_UUID_BITS)
    return str(UUID(int=bits, version=4)) if dialect == "telnyx" else f"MZ{bits:032x}"


def script(
    story: Story,
    dialect: str,
    stream_id: str,
    *,
    target: AudioFormat | None = None,
    byte_order: ByteOrder = "big",
) -> Script:
    """Write a stream's messages in a dialect, as a new stream with the id `stream_id`.

    Messages are numbered anew, without gaps; chunk numbers and timestamps stay as they were, so
    receivers can see where frames were lost. An event without a timestamp follows its predecessor
    at once. A `connected` or `stop` that was not recorded is added.

    Args:
        story: the stream.
        dialect: the dialect of the messages.
        stream_id: the carrier's id of the new stream.
        target: the format to convert the audio to; None leaves the audio as it is.
        byte_order: the byte order of L16.

    Raises:
        ConsumerError: the stream's `start` was not recorded, or its audio cannot be converted.
    """
    if story.start is None:
        raise ConsumerError(f"the start of stream {story.stream_id} is no longer kept")
    # What a client has streamed itself is played as a carrier's.
    source = story.dialect if story.dialect in DIALECTS else dialect
    start, events = story.start, story.events
    left_out = story.rejected
    if target is not None and target != start.format:
        events, undecodable = _converted(events, start.format, target, byte_order)
        start = replace(start, format=target)
        left_out += undecodable
    lines: list[Line] = []
    number, at = 1, 0
    for event in _events(dataclasses.replace(story, events=events), start, source, stream_id):
        numbered = _is_numbered(event, dialect)
        if not isinstance(event, Connected):
            event = replace(event, sequence=number if numbered else None)  # noqa: PLW2901
        if isinstance(event, Media):
            at = max(at, event.timestamp)
        try:
            text = translate(event, source, dialect, stream_id)
        except Inexpressible:
            left_out += 1
            continue
        number += numbered
        lines.append(Line(at / 1000, event, text))
    return Script(dialect, stream_id, lines, left_out)


def _converted(
    events: Iterable[RecordEvent], source: AudioFormat, target: AudioFormat, byte_order: ByteOrder
) -> tuple[Sequence[RecordEvent], int]:
    """The events with their audio converted, and how many frames cannot be decoded.

    A frame keeps its chunk number and timestamp. If a frame becomes several packets, they count on.
    """
    if not can_convert(source, target):
        raise ConsumerError(f"{title(source)} cannot be converted to {title(target)} here")
    converters = defaultdict[Track, Converter](lambda: converter(source, target, byte_order))
    chunks: Counter[Track] = Counter()
    made: list[RecordEvent] = []
    undecodable = 0
    for event in events:
        if not isinstance(event, Media):
            made.append(event)
            continue
        try:
            payloads = converters[event.track].convert(event.audio)
        except UnusableAudio:
            undecodable += 1
            continue
        at = float(event.timestamp)
        for payload in payloads:
            chunk = chunks[event.track] = max(chunks[event.track] + 1, event.chunk)
            made.append(replace(event, audio=payload, chunk=chunk, timestamp=round(at)))
            at += packets.seconds(payload, target) * 1000
    return made, undecodable


def _events(story: Story, start: Start, source: str, stream_id: str) -> Iterator[CarrierEvent]:
    """The carrier's events, with `connected` and `stop`, which are often lost."""
    events = [
        event
        for event in story.events
        if not isinstance(event, Rejected | Disconnected | Vocabulary | GatewayEvent)
    ]
    first = [event for event in events if isinstance(event, Connected)]
    last = [event for event in events if isinstance(event, Stop)]
    yield first[0] if first else DIALECTS[source].PROTOCOL
    # Telnyx's start does not list the tracks; the others' starts do.
    tracks = start.tracks or tuple(story.frames())
    yield replace(start, carrier_stream_id=stream_id, tracks=tracks)
    for event in events:
        if not isinstance(event, Connected | Start | Stop):
            yield event
    stop = last[0] if last else Stop(sequence=0)
    yield replace(
        stop,
        call_id=stop.call_id or start.call_id,
        account_id=stop.account_id or start.account_id,
    )


def _is_numbered(event: CarrierEvent, dialect: str) -> bool:
    match event:
        case Connected():
            return False
        case Mark():
            return dialect != "signalwire"
        case _:
            # Telnyx numbers some of its errors.
            return event.sequence is not None
