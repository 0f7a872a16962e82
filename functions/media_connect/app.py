"""`$connect`: records the stream, if its tenant may have one more. A one-shot token opens one."""

import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from callstream.access.websocket_events import (
    OK,
    REFUSED,
    TOO_MANY,
    identity_of,
    received_at,
    token_of,
)
from callstream.adapters import clock
from callstream.adapters.aws.warm_up_event import warmable
from callstream.dialects.clients import ATTRIBUTE, SESSION_ATTRIBUTE
from callstream.errors import LimitReached, TokenRejected
from callstream.wiring.limits import limits_of
from callstream.wiring.state import stream_store

if TYPE_CHECKING:
    from callstream.relays.client_streams import ClientStreams

_logger = logging.getLogger("callstream")
_streams = stream_store(os.environ)
_limits_of = limits_of(os.environ)


def _prepare(_about: object) -> None:
    """Open the connections to both tables, by reading what is not there."""
    _limits_of("")
    _streams.stream("")


@warmable(_prepare)
def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Answer the handshake. In an outage, raise: the carrier gets a 5xx and may connect again."""
    connection_id = event["requestContext"]["connectionId"]
    identity, token = identity_of(event), token_of(event)
    limits = _limits_of(identity.tenant_id)
    try:
        _streams.open(identity, token, connection_id, clock.now(), most=limits.open_streams)
        if ATTRIBUTE in token.attributes:
            # Most handshakes are carriers', and do not wait for these modules.
            from callstream.surfaces.clients import SPECS  # noqa: PLC0415

            _clients().start(
                identity,
                SPECS[token.attributes[ATTRIBUTE]],
                token.attributes.get(SESSION_ATTRIBUTE),
                received_at(event),
                clock.now(),
                limits=limits,
            )
    except TokenRejected as rejected:
        _logger.info("connection refused: %s", rejected.reason)
        return REFUSED
    except LimitReached as reached:
        _logger.warning("connection refused: no room: %s", reached)
        return TOO_MANY
    return OK


@cache
def _clients() -> "ClientStreams":
    from callstream.wiring.clients import client_streams  # noqa: PLC0415

    return client_streams(os.environ)
