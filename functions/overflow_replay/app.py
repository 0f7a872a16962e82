"""Puts records back that Kinesis had refused. What fails again stays in the queue."""

import os
from typing import Any

from callstream.adapters.aws.record_sinks import overflow_record
from callstream.errors import Unavailable
from callstream.wiring.media import frames_sink

_frames = frames_sink(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Take a batch of SQS messages; the answer names those to deliver again."""
    messages = event["Records"]
    for index, message in enumerate(messages):
        try:
            _frames.put(*overflow_record(message))
        except Unavailable:
            # The rest would be refused too, and each refusal takes seconds.
            return {"batchItemFailures": [_identifier(failed) for failed in messages[index:]]}
    return {"batchItemFailures": []}


def _identifier(message: dict[str, Any]) -> dict[str, str]:
    return {"itemIdentifier": message["messageId"]}
