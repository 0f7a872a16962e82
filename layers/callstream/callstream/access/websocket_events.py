"""API Gateway's WebSocket events, and the answers to them.

The function of a message route must answer 200 and never raise: otherwise API Gateway sends the
carrier an error message.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from callstream.errors import IllegalTransition, LimitReached
from callstream.identity import StreamIdentity, StreamToken

type Event = Mapping[str, Any]

_logger = logging.getLogger(__name__)

OK: Final = {"statusCode": 200}
REFUSED: Final = {"statusCode": 403}
TOO_MANY: Final = {"statusCode": 429}


def authorizer_context(identity: StreamIdentity, token: StreamToken) -> dict[str, str]:
    """The context that the authorizer adds to every later message; all values are strings."""
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
    """The stream that a message belongs to."""
    context = event["requestContext"]["authorizer"]
    return StreamIdentity(context["streamId"], context["tenantId"], context["route"])


def known_identity_of(event: Event) -> StreamIdentity | None:
    """The stream of a disconnection; None if the event does not say.

    API Gateway documents the authorizer's context for messages, and for disconnections not.
    """
    context = event["requestContext"].get("authorizer") or {}
    return identity_of(event) if "streamId" in context else None


def role_of(event: Event) -> str | None:
    """The name of the IAM role that signed a handshake; None if another principal did.

    A role signs as `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
    """
    arn = event["requestContext"].get("identity", {}).get("userArn") or ""
    kind, _, names = arn.rpartition(":")[2].partition("/")
    role, _, session = names.partition("/")
    return role if kind == "assumed-role" and session else None


def token_of(event: Event) -> StreamToken:
    """The token that opened the connection. The authorizer has verified it."""
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
def logged(failure: str, stream_id: str) -> Iterator[None]:
    """Log every error instead of raising it: the record of the message is stored already.

    Args:
        failure: what an error means, for the log: `state lost`, for example.
        stream_id: the stream of the message, for the log.
    """
    try:
        yield
    except IllegalTransition as error:
        _logger.warning("state not changed: %s", error, extra={"stream_id": stream_id})
    except LimitReached as reached:
        _logger.warning("no room for a stream: %s", reached, extra={"stream_id": stream_id})
    except Exception:
        _logger.exception(failure, extra={"stream_id": stream_id})
