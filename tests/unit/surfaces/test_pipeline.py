"""The steps of an HTTP request: authenticate, count, validate, act, answer."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from callstream import errors
from callstream.surfaces.pipeline import (
    Authenticator,
    Command,
    Endpoint,
    Operation,
    Request,
    Response,
    VendorSurface,
)
from callstream.tenants.credentials import hash_secret
from callstream.tenants.directory import Credential, Surface, Tenant
from callstream.tenants.rate_limits import Allowance

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TENANT = Tenant(tenant_id="acme", name="Acme", project_id=UUID(int=1), callback_key_id="k")
CREDENTIAL = Credential(
    surface="clerk",
    credential_id="id",
    tenant_id="acme",
    secret_hash=hash_secret("secret", "pepper"),
    scopes=frozenset({"s"}),
    created_at=NOW,
)


class Body(BaseModel):
    """The body of the operation."""

    name: str


class Plain(VendorSurface):
    """A surface whose errors are the names of their classes."""

    name: Surface = "clerk"

    def credentials(self, request: Request) -> tuple[str, str]:
        return request.headers["id"], request.headers["secret"]

    def failure(self, error: Exception, request_id: str) -> Response:
        return Response(400, {"error": type(error).__name__, "id": request_id})

    def rate_headers(self, allowance: Allowance) -> dict[str, str]:
        return {"remaining": str(allowance.remaining)}


OPERATION = Operation("clerk", "op", "POST", "/", "", "s", Body, (), body=Body)


class Scene:
    """An endpoint whose directory and limiter are this scene."""

    def __init__(self) -> None:
        self.tenant_found: Tenant | None = TENANT
        self.credential_found: Credential | None = CREDENTIAL
        self.refusal: Exception | None = None
        here: Any = self
        authenticator = Authenticator(here, here, lambda: "pepper")
        self.failure: Exception | None = None
        self.endpoint = Endpoint(Plain(), OPERATION, authenticator, self.act)

    def act(self, command: Command[Body]) -> Body:
        if self.failure is not None:
            raise self.failure
        return command.body

    def credential(self, _surface: str, _credential_id: str) -> Credential | None:
        return self.credential_found

    def tenant(self, _tenant_id: str) -> Tenant | None:
        return self.tenant_found

    def admit(self, *_arguments: object) -> Allowance:
        if self.refusal is not None:
            raise self.refusal
        return Allowance(10, 9, 1)

    def answer(self, body: str = '{"name": "x"}', **headers: str) -> tuple[int, Any, Any]:
        given = {"id": "id", "secret": "secret", "Content-Type": "application/json"} | headers
        event = {"requestContext": {"requestId": "r1"}, "headers": given, "body": body}
        answer = self.endpoint.answer(event, NOW)
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def test_valid_request_is_acted_on() -> None:
    status, body, headers = Scene().answer()

    assert (status, body) == (200, {"name": "x"})
    assert headers == {"Content-Type": "application/json", "remaining": "9"}


def test_answer_without_a_body_has_no_content_type() -> None:
    scene = Scene()
    operation = replace(OPERATION, answer=None, status=204)
    scene.endpoint = replace(scene.endpoint, operation=operation, act=lambda _: None)
    event = {
        "requestContext": {"requestId": "r1"},
        "headers": {"id": "id", "secret": "secret", "Content-Type": "application/json"},
        "body": '{"name": "x"}',
    }

    assert scene.endpoint.answer(event, NOW) == {
        "statusCode": 204,
        "headers": {"remaining": "9"},
        "body": "",
    }


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"credential_found": None}, "Unauthenticated"),
        ({"credential_found": CREDENTIAL.model_copy(update={"enabled": False})}, "Unauthenticated"),
        ({"tenant_found": None}, "Forbidden"),
        ({"tenant_found": TENANT.model_copy(update={"enabled": False})}, "Forbidden"),
        ({"refusal": errors.RateLimited(10, 1)}, "RateLimited"),
        ({"credential_found": CREDENTIAL.model_copy(update={"scopes": set()})}, "Forbidden"),
    ],
)
def test_request_is_refused_by_the_first_step_that_fails(
    changes: dict[str, Any], error: str
) -> None:
    scene = Scene()
    vars(scene).update(changes)

    # The body is wrong too, which is found later.
    _, body, _ = scene.answer(body="{")
    assert body == {"error": error, "id": "r1"}


@pytest.mark.parametrize("headers", [{"secret": "other"}, {"id": "x" * 129}])
def test_wrong_credentials_are_refused(headers: dict[str, str]) -> None:
    assert Scene().answer(**headers)[1]["error"] == "Unauthenticated"


def test_wrong_body_is_refused_and_counted() -> None:
    _, body, headers = Scene().answer(body="{}")

    assert body["error"] == "Invalid"
    assert headers["remaining"] == "9"


def test_rate_limited_request_has_no_requests_left() -> None:
    scene = Scene()
    scene.refusal = errors.RateLimited(10, 1)

    assert scene.answer()[2]["remaining"] == "0"


@pytest.mark.parametrize("error", [errors.Unavailable("dynamodb", "Down"), ZeroDivisionError()])
def test_failed_action_is_answered(error: Exception) -> None:
    scene = Scene()
    scene.failure = error
    assert scene.answer()[1]["error"] == type(error).__name__
