"""ASAPP's API: media URLs for Twilio, and transcription of the streams that use them.

Sources: docs.asapp.com, AutoTranscribe "Get streaming URL" and the GenerativeAgent and
AutoTranscribe media gateways. Authentication is by the headers `asapp-api-id` and
`asapp-api-secret`; the error body is `{"error": {"requestId", "code", "message"}}` with codes such
as `401-01`. The texts of `message` are not documented: ours begin with the status in words, and for
400 and 422 name the fault.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel

from callstream import errors
from callstream.access.media_urls import MediaUrls
from callstream.dialects.clients import ATTRIBUTE, SESSION_ATTRIBUTE
from callstream.surfaces.asapp_models import (
    CallBody,
    Error,
    ErrorDetails,
    Started,
    StartStreamingBody,
    Stopped,
    StreamingUrl,
    StreamingUrlBody,
)
from callstream.surfaces.pipeline import Command, Operation, Request, Response, VendorSurface
from callstream.tenants.directory import Surface
from callstream.transcription.model import Transcriber

Product = Literal["genagent", "autotranscribe"]

# The vendor's paths after the media host; the token follows.
MEDIA_PATHS: Final[dict[Product, str]] = {
    "genagent": "mg-twilio-genagent/twilio-media",
    "autotranscribe": "mg-twilio-autotranscribe/twilio-media",
}

# What ASAPP documents for an endpoint without and with a body; 500 is its "default".
_WITHOUT_BODY: Final = (401, 403, 404, 429, 503, 500)
_WITH_BODY: Final = (400, 401, 403, 404, 409, 413, 422, 429, 503, 500)

_FAILURES: Final[dict[type[Exception], tuple[int, str]]] = {
    errors.BadRequest: (400, "Bad request: the body is not JSON"),
    errors.UnsupportedMediaType: (400, "Bad request: the content type must be application/json"),
    errors.Unauthenticated: (401, "Unauthorized"),
    errors.Forbidden: (403, "Forbidden Response"),
    errors.NotFound: (404, "Not Found"),
    errors.UnknownCall: (404, "Not Found"),
    errors.Conflict: (409, "Conflict"),
    errors.CallEnded: (409, "Conflict"),
    errors.TooLarge: (413, "Request Entity Too Large"),
    errors.Invalid: (422, "Unprocessable Entity"),
    errors.RateLimited: (429, "Too Many Requests"),
    errors.LimitReached: (429, "Too Many Requests"),
    errors.CallFull: (409, "Conflict"),
    errors.Unavailable: (503, "Service Unavailable"),
}
_UNFORESEEN: Final = (500, "Internal server error")
# Bounds of a message about fields, whose names the client chooses.
_MAX_ISSUES: Final = 10
_MAX_FIELD: Final = 64


class AsappSurface(VendorSurface):
    """How ASAPP authenticates and how its errors look."""

    name: Final[Surface] = "asapp"

    def credentials(self, request: Request) -> tuple[str, str]:
        """The values of the two headers. Raises `Unauthenticated` if a header is missing."""
        try:
            return request.headers["asapp-api-id"], request.headers["asapp-api-secret"]
        except KeyError as missing:
            raise errors.Unauthenticated(f"header {missing} is missing") from None

    def failure(self, error: Exception, request_id: str) -> Response:
        """The documented error body."""
        status, message = _FAILURES.get(type(error), _UNFORESEEN)
        if isinstance(error, errors.Invalid):
            message += ": " + "; ".join(map(_describe, error.issues[:_MAX_ISSUES]))
        details = ErrorDetails(request_id=request_id, code=f"{status}-01", message=message)
        return Response(status, Error(error=details).model_dump(by_alias=True))


def _describe(issue: errors.Issue) -> str:
    """The fault of one field, in words."""
    field = ".".join(map(str, issue.location))[:_MAX_FIELD] or "body"
    match issue.kind:
        case "missing":
            return f"{field} is missing"
        case "unknown":
            return f"{field} is not a field of this request"
        case _:
            return f"{field}: {issue.message}"


def _media_url(product: Product) -> Operation:
    return Operation(
        surface="asapp",
        name=f"asapp_{product}_media_url",
        method="GET",
        path=f"/mg-{product}/v1/twilio-media-stream-url",
        summary="Get the URL to which Twilio shall stream a call's media",
        scope=product,
        answer=StreamingUrl,
        failures=_WITHOUT_BODY,
    )


MEDIA_URL: Final[dict[Product, Operation]] = {
    "genagent": _media_url("genagent"),
    "autotranscribe": _media_url("autotranscribe"),
}


def check_route(command: Command[Any], product: Product) -> None:
    """Raise `NotFound` for a tenant without a route of this kind."""
    if product not in command.tenant.routes:
        raise errors.NotFound(f"tenant without route {product}")


@dataclass(frozen=True, slots=True)
class GiveMediaUrl:
    """Gives URLs that open any number of streams within five minutes, as ASAPP documents."""

    product: Product
    urls: MediaUrls

    def __call__(self, command: Command[None]) -> StreamingUrl:
        """Mint a URL.

        Raises:
            NotFound: the tenant has no route of this kind.
            Unavailable: the signing keys could not be read.
        """
        check_route(command, self.product)
        return StreamingUrl(
            streaming_url=self.urls.mint(
                path=MEDIA_PATHS[self.product],
                tenant_id=command.tenant.tenant_id,
                route=self.product,
                use="many",
                now=command.now,
                twilio_signature=command.tenant.twilio_signature,
            )
        )


def _transcription(
    name: str,
    path: str,
    summary: str,
    body: type[BaseModel],
    answer: type[BaseModel],
    *,
    body_required: bool = True,
) -> Operation:
    return Operation(
        surface="asapp",
        name=f"asapp_{name}",
        method="POST",
        path=path,
        summary=summary,
        scope="autotranscribe",
        body=body,
        body_required=body_required,
        answer=answer,
        failures=_WITH_BODY,
    )


STREAMING_URL: Final = _transcription(
    "streaming_url",
    "/autotranscribe/v1/streaming-url",
    "Get the URL of a WebSocket to stream audio to for transcription",
    StreamingUrlBody,
    StreamingUrl,
    body_required=False,
)


@dataclass(frozen=True, slots=True)
class GiveStreamingUrl:
    """Gives URLs for a client's own stream, which is transcribed at once."""

    urls: MediaUrls
    transcriber: Transcriber

    def __call__(self, command: Command[StreamingUrlBody]) -> StreamingUrl:
        """Mint a URL.

        Raises:
            NotFound: the tenant has no route for transcription.
            Unavailable: the signing keys could not be read, or this deployment does not transcribe.
        """
        check_route(command, "autotranscribe")
        if self.transcriber == "none":
            raise errors.Unavailable("transcription", "none")
        attributes, external_id = {ATTRIBUTE: "asapp"}, command.body.external_id
        if external_id:
            attributes[SESSION_ATTRIBUTE] = external_id
        # Twilio does not sign the handshakes of clients.
        return StreamingUrl(
            streaming_url=self.urls.mint(
                path="autotranscribe",
                tenant_id=command.tenant.tenant_id,
                route="autotranscribe",
                use="many",
                now=command.now,
                twilio_signature="off",
                attributes=attributes,
                client_sink="transcription",
            )
        )


START_STREAMING: Final = _transcription(
    "start_streaming",
    "/mg-autotranscribe/v1/start-streaming",
    "Start transcribing a call, or go on with it",
    StartStreamingBody,
    Started,
)
STOP_STREAMING: Final = _transcription(
    "stop_streaming",
    "/mg-autotranscribe/v1/stop-streaming",
    "Stop transcribing a call",
    CallBody,
    Stopped,
)
