"""The one way of every HTTP request: authenticate → rate limit → act → answer.

A surface brings what is its vendor's own: how credentials travel, and how errors look.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec
from aws_lambda_powertools import Logger

from callstream.credentials import matches
from callstream.directory import Credential, Directory, Surface, Tenant
from callstream.errors import ApiError, Forbidden, Unauthenticated, Unavailable
from callstream.rate import RateLimiter

logger = Logger(service="callstream")


@dataclass(frozen=True, slots=True)
class Request:
    """An API Gateway proxy request. Header names are lower-cased."""

    request_id: str
    headers: Mapping[str, str]

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Request":
        """Read API Gateway's event."""
        headers = event.get("headers") or {}
        return cls(
            request_id=event["requestContext"]["requestId"],
            headers={name.lower(): value for name, value in headers.items()},
        )


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered, as JSON."""

    status: int
    body: object

    def to_event(self) -> dict[str, Any]:
        """API Gateway's form of it."""
        return {
            "statusCode": self.status,
            "headers": {"Content-Type": "application/json"},
            "body": msgspec.json.encode(self.body).decode(),
        }


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, authenticated."""

    tenant: Tenant
    credential: Credential


class VendorSurface(Protocol):
    """What a surface brings."""

    @property
    def name(self) -> Surface:
        """Its name in the Directory."""

    def credentials(self, request: Request) -> tuple[str, str]:
        """The id and secret that a request carries. Raises `Unauthenticated`."""

    def failure(self, error: Exception, request_id: str) -> Response:
        """The vendor's answer to an `ApiError`, to `Unavailable` and to anything unforeseen."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Authenticates requests and counts them against their tenant's limits."""

    directory: Directory
    limiter: RateLimiter
    pepper: Callable[[], str]

    def admit(self, surface: VendorSurface, request: Request, now: datetime) -> Caller:
        """Let a request in.

        Raises:
            Unauthenticated: credentials are missing, unknown, revoked or wrong: not told which.
            Forbidden: the tenant is disabled.
            RateLimited: the tenant's limit is used up.
            Unavailable: a table or secret could not be read.
        """
        credential_id, secret = surface.credentials(request)
        credential = self.directory.credential(surface.name, credential_id)
        # An unknown id costs the same comparison as a wrong secret.
        stored_hash = "" if credential is None else credential.secret_hash
        if not matches(secret, self.pepper(), stored_hash) or credential is None:
            raise Unauthenticated("unknown credential or wrong secret")
        if not credential.enabled:
            raise Unauthenticated("revoked credential")
        tenant = self.directory.tenant(credential.tenant_id)
        if tenant is None or not tenant.enabled:
            raise Forbidden("disabled tenant")
        self.limiter.admit(surface.name, tenant.tenant_id, tenant.limits, now)
        return Caller(tenant, credential)


def serve(
    surface: VendorSurface,
    gate: Gate,
    act: Callable[[Caller, Request, datetime], Response],
    event: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """Answer one request; every error becomes the vendor's own answer."""
    request = Request.from_event(event)
    logger.append_keys(request_id=request.request_id, surface=surface.name)
    try:
        caller = gate.admit(surface, request, now)
        logger.append_keys(tenant_id=caller.tenant.tenant_id)
        response = act(caller, request, now)
    except ApiError as error:
        logger.info("refused: %s: %s", type(error).__name__, error)
        response = surface.failure(error, request.request_id)
    except Unavailable as error:
        logger.warning("%s", error)
        response = surface.failure(error, request.request_id)
    except Exception as error:
        logger.exception("unforeseen error")
        response = surface.failure(error, request.request_id)
    return response.to_event()
