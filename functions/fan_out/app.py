"""Sends the records of the frames stream to the relays that have subscribed to them."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.warm_up_event import warmable
from callstream.frames.kinesis_event import entries_by_stream, retry_from
from callstream.relays.fan_out import FanOut
from callstream.relays.subscriptions import Subscriptions
from callstream.wiring.notifier import starter
from callstream.wiring.settings import FanOutSettings, load

# A post is short work, and waits for API Gateway for some 10 ms.
_POSTS_AT_ONCE = 8

_settings = load(FanOutSettings, os.environ)
_fan_out = FanOut(
    Subscriptions(DynamoTable(_settings.streams_table)),
    ApiConnections(_settings.relay_connections_url, to_relays=True, repeats_throttled=False),
    starter(os.environ),
    clock.now,
    ThreadPoolExecutor(_POSTS_AT_ONCE).map,
)


@warmable()
def handler(event: dict[str, Any], _context: object) -> dict[str, list[dict[str, str]]]:
    """Take a batch of Kinesis records; the answer says from where on to deliver again."""
    streams = entries_by_stream(event)
    failed = _fan_out.deliver(
        {stream_id: [entry.data for entry in entries] for stream_id, entries in streams.items()}
    )
    # Other streams' later records come again as well; relays drop repeats.
    return retry_from(*(streams[stream_id][0].position for stream_id in failed))
