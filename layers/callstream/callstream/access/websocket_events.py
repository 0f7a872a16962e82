"""Reading API Gateway's WebSocket events, and the answers that it takes.

A message route must answer 200 and never raise: API Gateway would send the carrier an error frame.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from callstream.errors import IllegalTransition
from callstream.identity import StreamIdentity, StreamToken

type Event = Mapping[str, Any]

_logger = logging.getLogger(__name__)

OK: Final = {"statusCode": 200}
REFUSED: Final = {"statusCode": 403}


def authorizer_context(identity: StreamIdentity, token: StreamToken) -> dict[str, str]:
    """What the authorizer adds to every later message; API Gateway takes strings only."""
    return {
        "streamId": identity.stream_id,
        "tenantId": identity.tenant_id,
        "route": identity.route,
        "tokenId": token.token_id,
        "tokenUse": token.use,
        "tokenExpiresAt": str(int(token.expires_at.timestamp())),
        "attributes": msgspec.json.encode(token.attributes).decode(),
    }


def identity_of(event: Event) -> StreamIdentity:
    """Which stream a message belongs to."""
    context = event["requestContext"]["authorizer"]
    return StreamIdentity(context["streamId"], context["tenantId"], context["route"])


def token_of(event: Event) -> StreamToken:
    """The token that opened the connection, as the authorizer verified it."""
    context = event["requestContext"]["authorizer"]
    return StreamToken(
        token_id=context["tokenId"],
        tenant_id=context["tenantId"],
        route=context["route"],
        use="many" if context["tokenUse"] == "many" else "once",
        expires_at=datetime.fromtimestamp(int(context["tokenExpiresAt"]), UTC),
        attributes=msgspec.json.decode(context["attributes"], type=dict[str, str]),
    )


def received_at(event: Event) -> int:
    """When API Gateway received the message, in milliseconds since 1970."""
    return int(event["requestContext"]["requestTimeEpoch"])


@contextmanager
def state_kept(stream_id: str) -> Iterator[None]:
    """Change a stream's state, when its record is safe already: whatever happens, only log it."""
    try:
        yield
    except IllegalTransition as error:
        _logger.warning("state not changed: %s", error, extra={"stream_id": stream_id})
    except Exception:
        _logger.exception("state lost", extra={"stream_id": stream_id})


@contextmanager
def agents_called(stream_id: str) -> Iterator[None]:
    """Have agents join a call that is kept already: whatever happens, only log it."""
    try:
        yield
    except Exception:
        _logger.exception("agents not called", extra={"stream_id": stream_id})
