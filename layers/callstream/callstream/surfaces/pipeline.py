"""The steps of every HTTP request: authenticate → rate limit → validate → act → answer.

A surface knows what its vendor has for itself: how credentials travel, and how answers look. An
`Operation` describes the input and output of one endpoint; OpenAPI is generated from it.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, Protocol

import msgspec
from aws_lambda_powertools import Logger
from pydantic import BaseModel

from callstream.errors import (
    ApiError,
    BadRequest,
    Forbidden,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from callstream.surfaces.bodies import read_form, read_json, validate
from callstream.tenants.credentials import matches
from callstream.tenants.directory import MAX_IDENTIFIER, Credential, Directory, Surface, Tenant
from callstream.tenants.rate_limits import Allowance, RateLimiter

logger: Final = Logger(service="callstream")


@dataclass(frozen=True, slots=True)
class Request:
    """An API Gateway proxy request. Header names are lower-cased."""

    request_id: str
    headers: Mapping[str, str]
    path_parameters: Mapping[str, str]
    event: Mapping[str, Any]

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Request":
        """Read API Gateway's event."""
        headers = event.get("headers") or {}
        return cls(
            request_id=event["requestContext"]["requestId"],
            headers={name.lower(): value for name, value in headers.items()},
            path_parameters=event.get("pathParameters") or {},
            event=event,
        )

    @property
    def body(self) -> bytes:
        """The bytes of the body. Raises `BadRequest` if they cannot be decoded."""
        text = self.event.get("body") or ""
        try:
            return b64decode(text) if self.event.get("isBase64Encoded") else text.encode()
        except ValueError:
            raise BadRequest("not UTF-8") from None


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; its body becomes JSON, and None is no body."""

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_event(self) -> dict[str, Any]:
        """The answer as API Gateway wants it."""
        if self.body is None:
            return {"statusCode": self.status, "headers": {**self.headers}, "body": ""}
        return {
            "statusCode": self.status,
            "headers": {"Content-Type": "application/json", **self.headers},
            "body": msgspec.json.encode(self.body).decode(),
        }


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint as its vendor documents it.

    `scope` is the scope that a credential must have. `body` is None for endpoints without a body,
    and `answer` for those whose answer has none; `status` is the answer's. `also_at` are further
    paths of the endpoint.
    """

    surface: Surface
    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    scope: str
    answer: type[BaseModel] | None
    failures: tuple[int, ...]
    status: int = 200
    body: type[BaseModel] | None = None
    encoding: Literal["json", "form"] = "json"
    body_required: bool = True
    also_at: tuple[str, ...] = ()

    def read(self, request: Request) -> BaseModel | None:
        """Read and validate a request's body.

        Raises:
            BadRequest, TooLarge, UnsupportedMediaType, Invalid
        """
        if self.body is None:
            return None
        body, content_type = request.body, request.headers.get("content-type", "")
        if self.encoding == "form":
            return validate(self.body, read_form(body, content_type), strict=False)
        if not body and not self.body_required:
            return validate(self.body, {}, strict=True)
        return validate(self.body, read_json(body, content_type), strict=True)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request, authenticated."""

    tenant: Tenant
    credential: Credential


@dataclass(frozen=True, slots=True)
class Command[Body]:
    """A valid request: the principal, the body, the path's parameters and the time."""

    principal: Principal
    body: Body
    path_parameters: Mapping[str, str]
    now: datetime

    @property
    def tenant(self) -> Tenant:
        """The principal's tenant."""
        return self.principal.tenant


class VendorSurface(Protocol):
    """What a surface offers."""

    @property
    def name(self) -> Surface:
        """The surface's name in the Directory."""

    def credentials(self, request: Request) -> tuple[str, str]:
        """The id and secret in a request. Raises `Unauthenticated`."""

    def authorize(self, _principal: Principal, _request: Request) -> None:
        """Make the vendor's own checks of a principal, if it has any. Raises `ApiError`."""
        return

    def failure(self, error: Exception, request_id: str) -> Response:
        """The vendor's answer to an `ApiError`, to `Unavailable` and to any other exception."""

    def rate_headers(self, _allowance: Allowance) -> Mapping[str, str]:
        """The vendor's headers for a principal's rate limits, if it documents any."""
        return {}


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Authenticates requests and counts them against their tenant's limits."""

    directory: Directory
    limiter: RateLimiter
    pepper: Callable[[], str]

    def authenticate(self, surface: VendorSurface, request: Request) -> Principal:
        """Find the principal of a request.

        Raises:
            Unauthenticated: credentials are missing, unknown, revoked or wrong; the answer does
                not say which.
            Forbidden: the tenant is disabled.
            Unavailable: a table or secret could not be read.
        """
        credential_id, secret = surface.credentials(request)
        if len(credential_id) > MAX_IDENTIFIER:
            raise Unauthenticated("longer than any of our ids")
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
        return Principal(tenant, credential)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation with everything that carries it out."""

    surface: VendorSurface
    operation: Operation
    authenticator: Authenticator
    act: Callable[[Command[Any]], BaseModel | None]

    def answer(self, event: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """Answer one request; every error becomes the vendor's own answer."""
        request = Request.from_event(event)
        logger.append_keys(request_id=request.request_id, operation=self.operation.name)
        response, allowance = self._respond(request, now)
        if allowance is not None:
            headers = {**response.headers, **self.surface.rate_headers(allowance)}
            response = replace(response, headers=headers)
        logger.info("answered %s", response.status)
        return response.to_event()

    def _respond(self, request: Request, now: datetime) -> tuple[Response, Allowance | None]:
        allowance: Allowance | None = None
        try:
            principal = self.authenticator.authenticate(self.surface, request)
            allowance = self._count(principal.tenant, now)
            self.surface.authorize(principal, request)
            return self._carry_out(principal, request, now), allowance
        except ApiError as error:
            logger.info("refused: %s: %s", type(error).__name__, error)
            if isinstance(error, RateLimited):
                allowance = Allowance(error.limit, 0, error.reset)
            return self.surface.failure(error, request.request_id), allowance
        except Unavailable as error:
            logger.warning("%s", error)
            return self.surface.failure(error, request.request_id), allowance
        except Exception as error:
            logger.exception("unexpected error")
            return self.surface.failure(error, request.request_id), allowance

    def _count(self, tenant: Tenant, now: datetime) -> Allowance | None:
        logger.append_keys(tenant_id=tenant.tenant_id)
        limits = tenant.limits_on(self.surface.name)
        return self.authenticator.limiter.admit(self.surface.name, tenant.tenant_id, limits, now)

    def _carry_out(self, principal: Principal, request: Request, now: datetime) -> Response:
        if self.operation.scope not in principal.credential.scopes:
            raise Forbidden(f"credential without scope {self.operation.scope}")
        body = self.operation.read(request)
        answer = self.act(Command(principal, body, request.path_parameters, now))
        made = None if answer is None else answer.model_dump(mode="json", by_alias=True)
        return Response(self.operation.status, made)
