"""Sends the records of the frames stream to the relays that have subscribed to them."""

import logging
import os
import time
from base64 import b64decode
from collections import defaultdict
from typing import Any

from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.errors import Unavailable
from callstream.relays.fan_out import FanOut
from callstream.relays.subscriptions import Subscriptions
from callstream.wiring.notifier import starter
from callstream.wiring.settings import FanOutSettings, load

_logger = logging.getLogger("callstream")
_settings = load(FanOutSettings, os.environ)
_fan_out = FanOut(
    Subscriptions(DynamoTable(_settings.streams_table)),
    ApiConnections(_settings.relay_connections_url),
    starter(os.environ),
    time.monotonic,
)


def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Take a batch of Kinesis records; the answer says from where on to deliver again."""
    streams: defaultdict[str, list[bytes]] = defaultdict(list)
    first: dict[str, str] = {}
    for entry in event["Records"]:
        kinesis = entry["kinesis"]
        # The partition key is the stream's id, so that no record needs to be decoded here.
        streams[kinesis["partitionKey"]].append(b64decode(kinesis["data"]))
        first.setdefault(kinesis["partitionKey"], kinesis["sequenceNumber"])
    failed: list[str] = []
    for stream_id, encoded in streams.items():
        try:
            _fan_out.deliver(stream_id, encoded)
        except Unavailable:
            _logger.exception("not handed on yet", extra={"stream_id": stream_id})
            failed.append(first[stream_id])
    # Other streams' later records come again as well; relays drop repeats.
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
