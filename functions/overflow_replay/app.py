"""Puts records on the frames stream that Kinesis has refused before, from the overflow queue."""

import os
from typing import Any

from callstream.adapters.aws.record_sinks import KinesisSink, overflow_record
from callstream.adapters.aws.sqs_event import retry
from callstream.frames.overflow import put_back
from callstream.wiring.settings import FramesSettings, load

_frames = KinesisSink(load(FramesSettings, os.environ).frames_stream)


def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Take a batch of SQS messages; the answer names the messages to deliver again."""
    messages = event["Records"]
    left_over = put_back(_frames, [overflow_record(message) for message in messages])
    return retry([messages[index] for index in left_over])
