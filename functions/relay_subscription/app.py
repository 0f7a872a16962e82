"""The relay API's routes: a run of a relay asks for the records of a stream."""

import os
from typing import Any
from urllib.parse import parse_qsl

from callstream.adapters import clock
from callstream.adapters.connections import ApiConnections
from callstream.adapters.tables import DynamoTable
from callstream.identity import RelayIdentity
from callstream.settings import FanOutSettings, load
from callstream.subscriptions import Subscriber, Subscriptions
from callstream.websocket import OK

_settings = load(FanOutSettings, os.environ)
_subscriptions = Subscriptions(DynamoTable(_settings.streams_table))
_connections = ApiConnections(_settings.relay_connections_url)


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Connect, disconnect, or subscribe. Only relays get here: the API takes their role alone."""
    context = event["requestContext"]
    if context["eventType"] == "MESSAGE":
        said = dict(parse_qsl(event.get("body") or ""))
        if "subscribe" in said:
            relay = RelayIdentity(said["tenant_id"], said["call_id"], said["relay_id"])
            subscriber = Subscriber(context["connectionId"], relay, said["run_id"])
            _subscriptions.add(said["subscribe"], subscriber, clock.now())
            answer = f"subscribed={said['subscribe']}"
            _connections.post(subscriber.connection_id, answer.encode())
    return OK
