"""Recorded streams, made up for tests."""

from random import Random
from typing import Any

from callstream.audio.formats import AudioFormat
from callstream.dialects.events import Connected, Media, Start, Track
from callstream.frames.arrivals import Arrival
from callstream.frames.recording import StreamRecording
from callstream.frames.records import Disconnected, Record, RecordEvent
from callstream_cli.reading.recording import Story, story_of

BEGAN = 1_767_268_800_000
TRACKS: tuple[Track, ...] = ("inbound", "outbound")
CONNECTED = Connected(protocol="Call", version="1.0.0")
GONE = Disconnected(1000, "")


def start(**fields: Any) -> Start:
    given: dict[str, Any] = {
        "sequence": 1,
        "carrier_stream_id": "MZ1",
        "call_id": "CA1",
        "account_id": "AC1",
        "tracks": TRACKS,
        "format": AudioFormat(encoding="PCMU", sample_rate=8000, channels=1),
        "parameters": {"agent": "7"},
    }
    return Start(**given | fields)


def frames(said: dict[Track, bytes], size: int = 160, ms: int = 20, first: int = 2) -> list[Media]:
    """Both tracks' frames by turns, as a carrier sends them."""
    media: list[Media] = []
    longest = max(map(len, said.values()))
    for index, at in enumerate(range(0, longest, size)):
        for track, content in said.items():
            if piece := content[at : at + size]:
                number = first + len(media)
                media.append(
                    Media(
                        sequence=number,
                        track=track,
                        chunk=index + 1,
                        timestamp=index * ms,
                        audio=piece,
                    )
                )
    return media


def noise(size: int, seed: int) -> bytes:
    return Random(seed).randbytes(size)  # noqa: S311


def record(
    event: RecordEvent, stream: str = "s1", at: int = BEGAN, dialect: str = "twilio"
) -> Record:
    return Record(stream, "acme", "genagent", dialect, at, event)


def arrival(event: RecordEvent, stream: str = "s1", at: int = BEGAN) -> Arrival:
    return Arrival(record(event, stream, at), stream, "a", at)


def story(
    *events: RecordEvent, at: int = BEGAN, dialect: str = "twilio", stream: str = "s1"
) -> Story:
    recording = StreamRecording()
    for offset, event in enumerate(events):
        recording.add(record(event, stream, at + offset, dialect))
    return story_of(recording)
