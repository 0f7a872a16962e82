"""The relay API's routes: a run of a relay subscribes to the records of a stream."""

import os
from typing import Any

from callstream.access.websocket_events import OK
from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.relays.subscriptions import SubscribeRequest, Subscriptions
from callstream.wiring.settings import FanOutSettings, load

_settings = load(FanOutSettings, os.environ)
_subscriptions = Subscriptions(DynamoTable(_settings.streams_table))
_connections = ApiConnections(_settings.relay_connections_url)


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Connect, disconnect, or subscribe. Only relays get here: the API takes their role alone."""
    context = event["requestContext"]
    if context["eventType"] == "MESSAGE":
        request = SubscribeRequest.decode(event.get("body") or "")
        if request is not None:
            subscriber = request.subscriber(context["connectionId"])
            _subscriptions.add(request.stream_id, subscriber, clock.now())
            _connections.post(subscriber.connection_id, request.confirmation().encode())
    return OK
