"""The relay API's routes: a relay asks for the records of a stream."""

import os
from typing import Any
from urllib.parse import parse_qs

from callstream.adapters import clock
from callstream.adapters.connections import ApiConnections
from callstream.adapters.tables import DynamoTable
from callstream.settings import FanOutSettings, load
from callstream.subscriptions import Subscriptions
from callstream.websocket import OK

_settings = load(FanOutSettings, os.environ)
_subscriptions = Subscriptions(DynamoTable(_settings.streams_table))
_connections = ApiConnections(_settings.relay_connections_url)


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Connect, disconnect, or subscribe. Only relays get here: the API takes their role alone."""
    context = event["requestContext"]
    if context["eventType"] == "MESSAGE":
        for stream_id in parse_qs(event.get("body") or "").get("subscribe", ()):
            _subscriptions.add(stream_id, context["connectionId"], clock.now())
            _connections.post(context["connectionId"], f"subscribed={stream_id}".encode())
    return OK
