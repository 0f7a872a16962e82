"""The relay API's routes: a run of a relay subscribes to the records of a stream."""

import logging
import os
from typing import Any

from callstream.access.websocket_events import OK, REFUSED, role_of
from callstream.adapters import clock
from callstream.adapters.aws.api_gateway import ApiConnections
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.warm_up_event import warmable
from callstream.relays.subscriptions import SubscribeRequest, Subscriptions
from callstream.wiring.settings import FanOutSettings, RelayApiSettings, is_local, load

_settings = load(FanOutSettings, os.environ)
_subscriptions = Subscriptions(DynamoTable(_settings.streams_table))
_connections = ApiConnections(_settings.relay_connections_url, to_relays=True)
_roles = frozenset(load(RelayApiSettings, os.environ).relay_roles.split(","))
_is_local = is_local(os.environ)
_logger = logging.getLogger("callstream")


@warmable()
def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Connect, disconnect, or subscribe. Only relays connect, since they get every tenant's audio.

    IAM lets in every principal of the account that may invoke APIs; a WebSocket API has no policy
    of its own that names roles.
    """
    context = event["requestContext"]
    # The emulator does not say who signed.
    if context["eventType"] == "CONNECT" and not _is_local and role_of(event) not in _roles:
        extra = {"role": role_of(event)}
        _logger.warning("connection refused: not the role of a relay", extra=extra)
        return REFUSED
    if context["eventType"] == "MESSAGE":
        request = SubscribeRequest.decode(event.get("body") or "")
        if request is not None:
            subscriber = request.subscriber(context["connectionId"])
            _subscriptions.add(request.stream_id, subscriber, clock.now())
            _connections.post(subscriber.connection_id, request.confirmation().encode())
    return OK
