"""Reading calls in Python: everything that a reader of the frames stream needs.

docs/reading.md shows how to use it. This module can be installed on its own, with the extra
`callstream[reading]`, for Python 3.11 and newer.
"""

import time
from collections.abc import Iterator

from callstream.adapters.aws.kinesis_reader import FrameStreamReader, Position, kinesis_client
from callstream.audio.formats import AudioFormat
from callstream.dialects.events import (
    CarrierEvent,
    Connected,
    Dtmf,
    Error,
    Mark,
    Media,
    Start,
    Stop,
    Track,
)
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames.arrivals import Arrival, ArrivalSource
from callstream.frames.reader import FrameReader, ReadEvent, Selection, Stream, StreamOver
from callstream.frames.recording import RecordingStats, StreamRecording
from callstream.frames.records import (
    Cleared,
    Disconnected,
    Halted,
    Record,
    RecordEvent,
    Rejected,
    Returned,
    Transcript,
    Word,
)
from callstream.frames.records import decode as decode_record
from callstream.frames.stream_counts import StreamCounts
from callstream.reordering.window import Window

__all__ = [
    "Arrival",
    "ArrivalSource",
    "AudioFormat",
    "CarrierEvent",
    "Cleared",
    "Connected",
    "Disconnected",
    "Dtmf",
    "Error",
    "FrameReader",
    "FrameStreamReader",
    "Halted",
    "Mark",
    "Media",
    "Position",
    "ReadEvent",
    "Record",
    "RecordEvent",
    "RecordingStats",
    "Rejected",
    "Returned",
    "Selection",
    "Start",
    "Stop",
    "Stream",
    "StreamCounts",
    "StreamOver",
    "StreamRecording",
    "Track",
    "Transcript",
    "Unavailable",
    "UnreadableMessage",
    "Window",
    "Word",
    "decode_record",
    "follow",
    "kinesis_client",
]


def follow(
    stream: str, selection: Selection | None = None, position: Position = "LATEST"
) -> Iterator[ReadEvent]:
    """Follow the streams of a selection on a Kinesis stream, each in order, for ever.

    A program that needs more than this makes a `FrameReader` of its own.

    Args:
        stream: the Kinesis stream's name (the deployment's output `FramesStreamName`), in the
            account and region of the environment.
        selection: which media streams; all if not given.
        position: where to begin; with `LATEST` at the moment of this call.

    Raises:
        Unavailable: Kinesis did not answer after bounded retries.
    """
    source = FrameStreamReader(kinesis_client(), stream, position)
    return FrameReader(source, time.monotonic, selection).follow(time.sleep)
