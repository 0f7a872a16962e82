"""Clerk Chat's Twilio connector.

Source: docs.clerk.chat, "Twilio MediaStreams". Authentication is by the header `apiKey`. The
statuses of errors are documented, their bodies are not: ours have the default form of the vendor's
framework, `{"statusCode", "message", "error"}`, and the `requestId`.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from callstream import errors
from callstream.access.media_urls import MediaUrls
from callstream.surfaces.pipeline import Command, Operation, Request, Response, VendorSurface
from callstream.tenants.credentials import CREDENTIAL_FORMS
from callstream.tenants.directory import Directory, Surface

_FAILURES: Final[dict[type[Exception], tuple[int, str]]] = {
    errors.BadRequest: (400, "Invalid request body"),
    errors.UnsupportedMediaType: (400, "Invalid request body"),
    errors.TooLarge: (400, "Invalid request body"),
    errors.Unauthenticated: (401, "Unauthorized request"),
    errors.Forbidden: (403, "You do not have permission to access this resource"),
    errors.NotFound: (404, "Resource not found"),
    errors.RateLimited: (429, "Too many requests for this resource"),
}
_UNFORESEEN: Final = (500, "Internal server error")
# A wrong value in a body of the right form is 422; any other wrong body is 400.
_ABOUT_VALUES: Final = frozenset({"enum", "range", "value"})


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class ConnectBody(_Model):
    """The body of `connect`. `direction` is the call's."""

    inbox_external_id: Annotated[str, Field(min_length=1, max_length=200)]
    direction: Literal["inbound", "outbound"] = "inbound"


class ConnectUrl(_Model):
    """The URL that Twilio shall stream to, in both directions."""

    connect_url: str


class Connect(_Model):
    """The answer of `connect`."""

    data: ConnectUrl


class Error(_Model):
    """The body of every error."""

    status_code: int
    message: str
    error: str
    request_id: str


class ClerkSurface(VendorSurface):
    """How Clerk Chat authenticates and how its errors look."""

    name: Final[Surface] = "clerk"

    def credentials(self, request: Request) -> tuple[str, str]:
        """The halves of the API key. Raises `Unauthenticated`."""
        return CREDENTIAL_FORMS["clerk"].split(request.headers.get("apikey", ""))

    def failure(self, error: Exception, request_id: str) -> Response:
        """Our error body."""
        status, message = _FAILURES.get(type(error), _UNFORESEEN)
        if isinstance(error, errors.Invalid):
            about_values = all(issue.kind in _ABOUT_VALUES for issue in error.issues)
            status = 422 if about_values else 400
            message = "; ".join(
                f"{'.'.join(map(str, issue.location)) or 'body'}: {issue.message}"
                for issue in error.issues
            )
        body = Error(
            status_code=status,
            message=message,
            error=HTTPStatus(status).phrase,
            request_id=request_id,
        )
        return Response(status, body.model_dump(by_alias=True))


CONNECT: Final = Operation(
    surface="clerk",
    name="clerk_connect",
    method="POST",
    path="/public/twilio-connector/connect",
    summary="Get a dedicated WebSocket URL for an inbox",
    scope="twilio-connector",
    body=ConnectBody,
    answer=Connect,
    failures=(400, 401, 403, 404, 422, 429, 500),
)


@dataclass(frozen=True, slots=True)
class GiveConnectUrl:
    """Gives URLs for one stream each, dedicated to one inbox and one call."""

    directory: Directory
    urls: MediaUrls

    def __call__(self, command: Command[ConnectBody]) -> Connect:
        """Mint a URL.

        Raises:
            NotFound: the tenant has no such inbox.
            Unavailable: the table or the signing keys could not be read.
        """
        tenant_id, body = command.tenant.tenant_id, command.body
        inbox = self.directory.inbox(tenant_id, body.inbox_external_id)
        if inbox is None:
            raise errors.NotFound("no such inbox of this tenant")
        url = self.urls.mint(
            path="twilio-connector",
            tenant_id=tenant_id,
            route="inbox",
            use="once",
            now=command.now,
            twilio_signature=command.tenant.twilio_signature,
            attributes={"inbox": inbox.external_id, "direction": body.direction},
        )
        return Connect(data=ConnectUrl(connect_url=url))
