"""The words of Clerk Chat's document."""

from typing import Final

from callstream import errors
from callstream.surfaces import clerk
from callstream_cli.openapi.document import Described, Document, Failure, rejected

DOCUMENT: Final = Document(
    surface=clerk.ClerkSurface(),
    title="Clerk Chat",
    description=(
        "Clerk Chat's Twilio connector. Clerk Chat documents which statuses an error has, and not "
        "its body: this one is ours."
    ),
    security={"api_key": {"type": "apiKey", "in": "header", "name": "apiKey"}},
    operations=[
        Described(
            clerk.CONNECT,
            "The URL is for `<Connect><Stream url=…>`. It is valid for 5 minutes, and opens one "
            "stream.",
            body={"inboxExternalId": "inbox-123", "direction": "inbound"},
            answer={"data": {"connectUrl": "wss://media.example.com/twilio-connector/eyJ…"}},
        )
    ],
    error=clerk.Error,
    failures=[
        Failure(
            errors.BadRequest(),
            "the body is not JSON, not sent as `application/json`, or has more than 64 KiB",
        ),
        rejected(clerk.CONNECT, {}, "a field is missing, unknown, or of the wrong type"),
        Failure(errors.Unauthenticated(), "the key is missing, unknown, revoked or wrong"),
        Failure(
            errors.Forbidden(),
            "the tenant is disabled, or the key lacks the scope `twilio-connector`",
        ),
        Failure(errors.NotFound(), "the tenant has no such inbox, or there is no such path"),
        rejected(
            clerk.CONNECT,
            {"inboxExternalId": "inbox-123", "direction": "both"},
            "a field has a value that is not allowed",
        ),
        Failure(
            errors.RateLimited(100, 1),
            "the tenant's limit (by default 100 a second), or API Gateway's throttling",
        ),
        Failure(
            Exception(),
            "a table or secret did not answer, or a fault on our side: the log has it under the "
            "`requestId`",
        ),
    ],
    words={
        "ConnectBody": {
            "inboxExternalId": "Your id of the inbox that receives the call",
            "direction": "The call's direction",
        },
        "Connect": {"data": "The answer"},
        "ConnectUrl": {"connectUrl": "The WebSocket's URL, for streaming in both directions"},
        "Error": {
            "statusCode": "The HTTP status",
            "message": "The error in words",
            "error": "The HTTP status in words",
            "requestId": "API Gateway's id of the request, which is also in the operator's log",
        },
    },
)
