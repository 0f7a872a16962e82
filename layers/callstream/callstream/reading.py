"""The reader of live streams, made for a Kinesis stream: what a consumer in Python begins with."""

import time
from collections.abc import Iterator

from callstream.adapters.aws.kinesis_reader import FrameStreamReader, Position, kinesis_client
from callstream.frames.reader import FrameReader, ReadEvent, Selection


def follow(
    stream: str, selection: Selection | None = None, position: Position = "LATEST"
) -> Iterator[ReadEvent]:
    """Follow the streams of a selection on a Kinesis stream, each in order, for ever.

    Whoever needs more than this makes a `FrameReader` of their own.

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
