"""Delivers callbacks to tenants. Callbacks that must be tried again stay in the queue."""

import os
from typing import Any

from callstream.adapters.aws.sqs_event import retry
from callstream.wiring.callbacks import callback_worker

_worker = callback_worker(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Deliver the callbacks of an SQS event; the answer names the unfinished messages.

    After the first unfinished callback no other is tried: it could be of the same relay.
    """
    messages = event["Records"]
    for index, message in enumerate(messages):
        if not _worker.take(message):
            return retry(messages[index:])
    return retry([])
