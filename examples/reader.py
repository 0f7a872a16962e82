"""Reads calls from Kinesis, live and in order, and prints how much audio each track has had.

    pip install "callstream[reading] @ file:///path/to/the/checkout"
    eval "$(./callstream env)"
    python3 reader.py

Needs Python 3.11 or later. On AWS, set CALLSTREAM_FRAMES_STREAM to the stack's output
FramesStreamName. docs/reading.md has the rest. Ends with Ctrl-C, or after as many streams as its
argument says.
"""

import os
import sys
from collections import Counter

from callstream.reading import Media, Start, StreamOver, follow

left = int(sys.argv[1]) if len(sys.argv) > 1 else -1
audio: Counter[tuple[str, str]] = Counter()

for stream, event in follow(os.environ["CALLSTREAM_FRAMES_STREAM"]):
    match event:
        case Start():
            print(event.call_id, "starts:", event.format, flush=True)
        case Media():
            # In the codec of the call, as the carrier sends it.
            audio[stream.stream_id, event.track] += len(event.audio)
        case StreamOver():
            for track in ("inbound", "outbound"):
                print(stream.stream_id, track, audio.pop((stream.stream_id, track), 0), flush=True)
            left -= 1
            if not left:
                break
