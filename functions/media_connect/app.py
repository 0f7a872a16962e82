"""`$connect`: records the stream. A one-shot token opens one stream only."""

import logging
import os
from typing import Any

from callstream.access.websocket_events import OK, REFUSED, identity_of, token_of
from callstream.adapters import clock
from callstream.errors import TokenRejected
from callstream.wiring.state import stream_store

_logger = logging.getLogger("callstream")
_streams = stream_store(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Answer the handshake. In an outage, raise: the carrier gets a 5xx and may connect again."""
    connection_id = event["requestContext"]["connectionId"]
    try:
        _streams.open(identity_of(event), token_of(event), connection_id, clock.now())
    except TokenRejected as rejected:
        _logger.info("connection refused: %s", rejected.reason)
        return REFUSED
    return OK
