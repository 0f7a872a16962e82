"""The relay API's routes: a run of a relay asks for the records of a stream."""

import os
from typing import Any
from urllib.parse import parse_qsl

from callstream.access.websocket_events import OK
from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.identity import RelayIdentity
from callstream.relays.fan_out import Subscriber, Subscriptions
from callstream.wiring.settings import FanOutSettings, load

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
