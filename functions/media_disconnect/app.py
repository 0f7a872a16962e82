"""`$disconnect`: closes the stream. API Gateway calls this route on best effort."""

import logging
import os
from typing import Any

from callstream.access.websocket_events import (
    OK,
    identity_of,
    known_identity_of,
    logged,
    received_at,
)
from callstream.adapters import clock
from callstream.errors import Unavailable
from callstream.frames.publisher import ReceivedEvent, read
from callstream.frames.records import Disconnected
from callstream.identity import StreamIdentity
from callstream.wiring.media import publisher
from callstream.wiring.state import stream_store

_logger = logging.getLogger("callstream")
_publisher = publisher(os.environ)
_streams = stream_store(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Record that the connection is gone."""
    context = event["requestContext"]
    if context["eventType"] != "DISCONNECT":
        # A carrier's message that names this route is as unknown as on `$default`.
        _publisher.publish(identity_of(event), received_at(event), read(event.get("body") or ""))
        return OK
    identity = known_identity_of(event) or _find(context["connectionId"])
    if identity is None:
        return OK
    disconnected = Disconnected(
        code=context.get("disconnectStatusCode") or 1005,
        reason=context.get("disconnectReason") or "",
    )
    _publisher.publish(identity, received_at(event), ReceivedEvent(disconnected))
    with logged("state lost", identity.stream_id):
        _streams.disconnect(identity.stream_id, clock.now())
    return OK


def _find(connection_id: str) -> StreamIdentity | None:
    """The stream of a connection, if the event does not name the stream."""
    try:
        stream = _streams.of_connection(connection_id)
    except Unavailable as error:
        stream = None
        _logger.warning("a disconnection names no stream, which cannot be looked for: %s", error)
    else:
        found = {} if stream is None else {"stream_id": stream.stream_id}
        _logger.warning("a disconnection names no stream", extra=found)
    # Without a stream, nothing is lost: the sweep closes it within two minutes.
    if stream is None:
        return None
    return StreamIdentity(stream.stream_id, stream.tenant_id, stream.route)
