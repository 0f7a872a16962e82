"""Puts records on the frames stream that Kinesis has refused before, from the overflow queue."""

import os
from typing import Any

from callstream.adapters.aws.record_sinks import overflow_record
from callstream.adapters.aws.sqs_event import retry
from callstream.errors import Unavailable
from callstream.wiring.media import frames_sink

_frames = frames_sink(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Take a batch of SQS messages; the answer names the messages to deliver again."""
    messages = event["Records"]
    for index, message in enumerate(messages):
        try:
            _frames.put(*overflow_record(message))
        except Unavailable:
            # Kinesis would refuse the rest too, and each refusal takes seconds.
            return retry(messages[index:])
    return retry([])
