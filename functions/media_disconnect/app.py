"""`$disconnect`: closes the stream. API Gateway calls it on best effort."""

import logging
import os
from typing import Any

from callstream.adapters import clock
from callstream.adapters.sinks import publisher
from callstream.adapters.tables import stream_store
from callstream.errors import IllegalTransition, Unavailable
from callstream.records import Disconnected
from callstream.websocket import OK, identity_of, received_at

_logger = logging.getLogger("callstream")
_publisher = publisher(os.environ)
_streams = stream_store(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Record that the socket is gone."""
    identity, context = identity_of(event), event["requestContext"]
    disconnected = Disconnected(
        code=context.get("disconnectStatusCode", 1005), reason=context.get("disconnectReason") or ""
    )
    _publisher.publish(identity, received_at(event), disconnected)
    try:
        _streams.disconnect(identity.stream_id, clock.now())
    except (IllegalTransition, Unavailable) as error:
        _logger.warning("state not changed: %s", error, extra={"stream_id": identity.stream_id})
    return OK
