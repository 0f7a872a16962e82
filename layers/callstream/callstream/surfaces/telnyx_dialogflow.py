"""Telnyx's Dialogflow connections: the credentials with which Dialogflow answers calls.

Sources: Telnyx's OpenAPI specification, "Dialogflow Integration", and its guide "Dialogflow ES".
Where Telnyx is silent: POST replaces a connection that is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from pydantic import BaseModel, TypeAdapter, ValidationError

from callstream.dialogues.connection_keys import KeyedConnections, TooManyConnections
from callstream.dialogues.connections import (
    MOST_CONNECTIONS,
    AgentConnection,
    ConnectionSettings,
    ConnectionStore,
)
from callstream.errors import Invalid, Issue, NotFound
from callstream.surfaces.pipeline import Command, Operation
from callstream.surfaces.telnyx_dialogflow_models import (
    DialogflowConnection,
    DialogflowConnectionAnswer,
    StoredConnection,
)
from callstream.tenants.directory import MAX_IDENTIFIER, Identifier, Limits
from callstream.tenants.rate_limits import RateLimiter

# Each change makes a secret, for which AWS charges an hour at least.
_MOST_CHANGES: Final = Limits(per_second=None, per_day=1000)
_FAILURES: Final = (401, 403, 404, 429, 500, 503)
_BODY_FAILURES: Final = (400, 401, 403, 413, 415, 422, 429, 500, 503)
_IDENTIFIER: Final[TypeAdapter[str]] = TypeAdapter(Identifier)


def _operation(
    name: str,
    method: Any,  # noqa: ANN401 - one of the operation's literals
    summary: str,
    *,
    failures: tuple[int, ...],
    body: type[BaseModel] | None = None,
    answer: type[BaseModel] | None = DialogflowConnectionAnswer,
    status: int = 200,
) -> Operation:
    return Operation(
        surface="telnyx",
        name=f"telnyx_{name}_dialogflow_connection",
        method=method,
        path="/v2/dialogflow_connections/{connection_id}",
        summary=summary,
        scope="call-control",
        answer=answer,
        status=status,
        failures=failures,
        body=body,
        # As of the other commands, none counts as an empty object.
        body_required=False,
    )


CREATE: Final = _operation(
    "create",
    "POST",
    "Store a Dialogflow connection",
    failures=_BODY_FAILURES,
    body=DialogflowConnection,
    status=201,
)
GET: Final = _operation("get", "GET", "Retrieve a Dialogflow connection", failures=_FAILURES)
UPDATE: Final = _operation(
    "update",
    "PUT",
    "Replace a Dialogflow connection",
    failures=(*_BODY_FAILURES, 404),
    body=DialogflowConnection,
)
DELETE: Final = _operation(
    "delete",
    "DELETE",
    "Delete a Dialogflow connection",
    failures=_FAILURES,
    answer=None,
    status=204,
)


def _connection_id(parameters: Mapping[str, str]) -> str | None:
    """The id of the path; None if no connection can have it."""
    # API Gateway leaves percent signs in path parameters as they are.
    try:
        return _IDENTIFIER.validate_python(unquote(parameters["connection_id"]))
    except ValidationError:
        return None


def _existing_id(command: Command[Any]) -> str:
    connection_id = _connection_id(command.path_parameters)
    if connection_id is None:
        raise NotFound("no connection can have this id")
    return connection_id


def _refused_id(message: str) -> Invalid:
    return Invalid(Issue(("connection_id",), "value", message))


TOO_MANY: Final = _refused_id(
    f"There are {MOST_CONNECTIONS} Dialogflow connections already, which is the most"
)


def _answer(connection: AgentConnection) -> DialogflowConnectionAnswer:
    return DialogflowConnectionAnswer(
        data=StoredConnection(
            connection_id=connection.connection_id,
            conversation_profile_id=connection.conversation_profile_id,
            environment=connection.environment,
        )
    )


@dataclass(frozen=True, slots=True)
class CreateConnection:
    """Stores a connection, in place of an earlier one."""

    connections: KeyedConnections
    limiter: RateLimiter

    def __call__(self, command: Command[DialogflowConnection]) -> DialogflowConnectionAnswer:
        """Carry out the request.

        Raises:
            Invalid: the id is one that no connection can have, or there are too many connections.
            RateLimited: the tenant has changed connections too often today.
            Unavailable: DynamoDB or Secrets Manager did not answer.
        """
        connection_id = _connection_id(command.path_parameters)
        if connection_id is None:
            raise _refused_id(
                f"The value must have 1 to {MAX_IDENTIFIER} letters, digits and _ . : @ + -"
            )
        try:
            return _save(self, command, connection_id)
        except TooManyConnections:
            raise TOO_MANY from None


@dataclass(frozen=True, slots=True)
class UpdateConnection:
    """Replaces a connection."""

    connections: KeyedConnections
    limiter: RateLimiter

    def __call__(self, command: Command[DialogflowConnection]) -> DialogflowConnectionAnswer:
        """Carry out the request.

        Raises:
            NotFound: there is no such connection.
            RateLimited: the tenant has changed connections too often today.
            Unavailable: DynamoDB or Secrets Manager did not answer.
        """
        return _save(self, command, _existing_id(command), must_exist=True)


def _save(
    by: CreateConnection | UpdateConnection,
    command: Command[DialogflowConnection],
    connection_id: str,
    *,
    must_exist: bool = False,
) -> DialogflowConnectionAnswer:
    body, tenant_id = command.body, command.tenant.tenant_id
    by.limiter.admit("telnyx/connections", tenant_id, _MOST_CHANGES, command.now)
    settings = ConnectionSettings(
        tenant_id=tenant_id,
        connection_id=connection_id,
        api=body.dialogflow_api,
        project_id=body.service_account.project_id,
        conversation_profile_id=body.conversation_profile_id,
        location=body.location or "global",
        environment=body.environment,
    )
    key = body.service_account.to_secret()
    return _answer(by.connections.save(settings, key, must_exist=must_exist))


@dataclass(frozen=True, slots=True)
class GetConnection:
    """Shows a connection, without its key."""

    store: ConnectionStore

    def __call__(self, command: Command[None]) -> DialogflowConnectionAnswer:
        """Carry out the request.

        Raises:
            NotFound: there is no such connection.
            Unavailable: DynamoDB did not answer.
        """
        found = self.store.get(command.tenant.tenant_id, _existing_id(command))
        if found is None:
            raise NotFound("no such connection")
        return _answer(found)


@dataclass(frozen=True, slots=True)
class DeleteConnection:
    """Deletes a connection and its key for good. Dialogues that go on have the key still."""

    connections: KeyedConnections

    def __call__(self, command: Command[None]) -> None:
        """Carry out the request.

        Raises:
            NotFound: there is no such connection.
            Unavailable: DynamoDB or Secrets Manager did not answer.
        """
        self.connections.delete(command.tenant.tenant_id, _existing_id(command))
