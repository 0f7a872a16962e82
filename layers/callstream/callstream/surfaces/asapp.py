"""ASAPP's media-gateway API.

Sources: docs.asapp.com, "Get Twilio media stream url" of the GenerativeAgent and AutoTranscribe
media gateways. Authentication is by the headers `asapp-api-id` and `asapp-api-secret`; the error
body is `{"error": {"requestId", "code", "message"}}` with codes such as `401-01`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from callstream import errors
from callstream.directory import Surface
from callstream.ports import KeyRingSource
from callstream.surfaces.pipeline import Caller, Request, Response

Product = Literal["genagent", "autotranscribe"]

# The vendor's paths after the media host; the token follows.
MEDIA_PATHS: Final[dict[Product, str]] = {
    "genagent": "mg-twilio-genagent/twilio-media",
    "autotranscribe": "mg-twilio-autotranscribe/twilio-media",
}

_FAILURES: Final[dict[type[Exception], tuple[int, str]]] = {
    errors.BadRequest: (400, "Bad request"),
    errors.Unauthenticated: (401, "Unauthorized"),
    errors.Forbidden: (403, "Forbidden Response"),
    errors.NotFound: (404, "Not Found"),
    errors.RateLimited: (429, "Too Many Requests"),
    errors.Unavailable: (503, "Service Unavailable"),
}
_UNFORESEEN: Final = (500, "Internal server error")


class AsappSurface:
    """How ASAPP authenticates and how its errors look."""

    name: Final[Surface] = "asapp"

    def credentials(self, request: Request) -> tuple[str, str]:
        """The pair of headers. Raises `Unauthenticated` if one is missing."""
        try:
            return request.headers["asapp-api-id"], request.headers["asapp-api-secret"]
        except KeyError as missing:
            raise errors.Unauthenticated(f"header {missing} is missing") from None

    def failure(self, error: Exception, request_id: str) -> Response:
        """The documented error body."""
        status, message = _FAILURES.get(type(error), _UNFORESEEN)
        body = {"requestId": request_id, "code": f"{status}-01", "message": message}
        return Response(status, {"error": body})


@dataclass(frozen=True, slots=True)
class MediaUrlEndpoint:
    """`GET /mg-{genagent,autotranscribe}/v1/twilio-media-stream-url`.

    The URL may open any number of streams in its five minutes, as ASAPP documents.
    """

    product: Product
    keys: KeyRingSource
    media_url: str

    def __call__(self, caller: Caller, _request: Request, now: datetime) -> Response:
        """Mint a URL.

        Raises:
            Forbidden: the credential is not for this product.
            NotFound: the tenant has no route of this kind.
            Unavailable: the signing keys could not be read.
        """
        if self.product not in caller.credential.scopes:
            raise errors.Forbidden(f"credential without scope {self.product}")
        if self.product not in caller.tenant.routes:
            raise errors.NotFound(f"tenant without route {self.product}")
        token = self.keys.current().sign(
            tenant_id=caller.tenant.tenant_id, route=self.product, use="many", now=now
        )
        url = self.media_url.format(path=MEDIA_PATHS[self.product], token=token)
        return Response(200, {"streamingUrl": url})
