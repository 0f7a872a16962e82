"""ASAPP's API: media URLs for Twilio, and transcription of the streams that use them.

Sources: docs.asapp.com, AutoTranscribe "Get streaming URL" and the GenerativeAgent and
AutoTranscribe media gateways. Authentication is by the headers `asapp-api-id` and
`asapp-api-secret`; the error body is `{"error": {"requestId", "code", "message"}}` with codes such
as `401-01`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from callstream import errors
from callstream.directory import Surface
from callstream.media_urls import MediaUrls
from callstream.rate import Allowance
from callstream.surfaces.pipeline import Caller, Command, Operation, Request, Response

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
    errors.BadRequest: (400, "Bad request"),
    errors.UnsupportedMediaType: (400, "Bad request"),
    errors.Unauthenticated: (401, "Unauthorized"),
    errors.Forbidden: (403, "Forbidden Response"),
    errors.NotFound: (404, "Not Found"),
    errors.UnknownCall: (404, "Not Found"),
    errors.Conflict: (409, "Conflict"),
    errors.CallEnded: (409, "Conflict"),
    errors.TooLarge: (413, "Request Entity Too Large"),
    errors.Invalid: (422, "Unprocessable Entity"),
    errors.RateLimited: (429, "Too Many Requests"),
    errors.Unavailable: (503, "Service Unavailable"),
}
_UNFORESEEN: Final = (500, "Internal server error")


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class StreamingUrl(_Model):
    """A media URL."""

    streaming_url: str


class ErrorDetails(_Model):
    """What went wrong; `request_id` is also in the operator's log."""

    request_id: str
    message: str
    code: str


class Error(_Model):
    """The body of every error."""

    error: ErrorDetails


class AsappSurface:
    """How ASAPP authenticates and how its errors look."""

    name: Final[Surface] = "asapp"

    def credentials(self, request: Request) -> tuple[str, str]:
        """The pair of headers. Raises `Unauthenticated` if one is missing."""
        try:
            return request.headers["asapp-api-id"], request.headers["asapp-api-secret"]
        except KeyError as missing:
            raise errors.Unauthenticated(f"header {missing} is missing") from None

    def authorize(self, _caller: Caller, _request: Request) -> None:
        """Nothing more to check."""

    def failure(self, error: Exception, request_id: str) -> Response:
        """The documented error body."""
        status, message = _FAILURES.get(type(error), _UNFORESEEN)
        details = ErrorDetails(request_id=request_id, code=f"{status}-01", message=message)
        return Response(status, Error(error=details).model_dump(by_alias=True))

    def rate_headers(self, _allowance: Allowance) -> Mapping[str, str]:
        """None are documented."""
        return {}


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


@dataclass(frozen=True, slots=True)
class GiveMediaUrl:
    """Gives URLs that may open any number of streams in their five minutes, as ASAPP documents."""

    product: Product
    urls: MediaUrls

    def __call__(self, command: Command[None]) -> StreamingUrl:
        """Mint a URL.

        Raises:
            NotFound: the tenant has no route of this kind.
            Unavailable: the signing keys could not be read.
        """
        tenant = command.tenant
        if self.product not in tenant.routes:
            raise errors.NotFound(f"tenant without route {self.product}")
        url = self.urls.mint(
            path=MEDIA_PATHS[self.product],
            tenant_id=tenant.tenant_id,
            route=self.product,
            use="many",
            now=command.now,
        )
        return StreamingUrl(streaming_url=url)
