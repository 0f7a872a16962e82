"""`$disconnect`: closes the stream. API Gateway calls this route on best effort."""

import os
from typing import Any

from callstream.access.websocket_events import OK, identity_of, logged, received_at
from callstream.adapters import clock
from callstream.frames.publisher import ReceivedEvent, read
from callstream.frames.records import Disconnected
from callstream.wiring.media import publisher
from callstream.wiring.state import stream_store

_publisher = publisher(os.environ)
_streams = stream_store(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Record that the connection is gone."""
    identity, context = identity_of(event), event["requestContext"]
    if context["eventType"] != "DISCONNECT":
        # A carrier's message that names this route is as unknown as on `$default`.
        _publisher.publish(identity, received_at(event), read(event.get("body") or ""))
        return OK
    disconnected = Disconnected(
        code=context.get("disconnectStatusCode") or 1005,
        reason=context.get("disconnectReason") or "",
    )
    _publisher.publish(identity, received_at(event), ReceivedEvent(disconnected))
    with logged("state lost", identity.stream_id):
        _streams.disconnect(identity.stream_id, clock.now())
    return OK
