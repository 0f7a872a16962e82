"""Reading API Gateway's WebSocket events, and the answers that it takes.

A message route must answer 200 and never raise: API Gateway would send the carrier an error frame.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from callstream.identity import StreamIdentity, StreamToken

type Event = Mapping[str, Any]

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
    )


def received_at(event: Event) -> int:
    """When API Gateway received the message, in milliseconds since 1970."""
    return int(event["requestContext"]["requestTimeEpoch"])
