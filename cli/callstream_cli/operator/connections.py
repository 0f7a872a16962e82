"""``callstream connections``: how a tenant's virtual agents at Dialogflow are reached."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from callstream.dialogues.connection_keys import TooManyConnections
from callstream.dialogues.connections import (
    MOST_CONNECTIONS,
    AgentConnection,
    ConnectionSettings,
)
from callstream.errors import NotFound
from callstream_cli.deployment import administration_of
from callstream_cli.operator.errors import BadValueError, OperatorError, good_values
from callstream_cli.operator.options import Json, OfTenant, Stack, Wide, Yes, confirm
from callstream_cli.operator.output import Column, show_done, show_json, show_table
from callstream_cli.operator.standard_input import STANDARD_INPUT

# Far above any key file.
_LONGEST: Final = 65_536

ConnectionId = Annotated[
    str,
    typer.Argument(
        metavar="CONNECTION",
        help="The connection's id: of an inbox or of a carrier's account, whose calls have this "
        "connection then; any other id for the only connection of a tenant.",
    ),
]


def set_(
    tenant_id: OfTenant,
    connection_id: ConnectionId,
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY_FILE",
            help="The key file of a service account, as Google gives it; - reads standard input.",
        ),
    ],
    *,
    api: Annotated[Literal["es", "cx"], typer.Option(help="Which Dialogflow.")] = "es",
    profile: Annotated[
        str | None, typer.Option(help="The id of the conversation profile; cx needs one.")
    ] = None,
    location: Annotated[str, typer.Option(help="The agent's region.")] = "global",
    environment: Annotated[
        str | None, typer.Option(help="The agent's environment; by default its draft.")
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="The language of an agent without a profile. By default what is set, or en-US."
        ),
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Store a connection to Dialogflow, in place of an earlier one of the same id.

    The key is checked, kept in a secret, and never shown. Dialogues from now on use it.
    """
    # With pydantic and cryptography, which take long to import.
    from callstream.dialogues.service_account import ServiceAccount  # noqa: PLC0415

    with administration_of(stack) as administration:
        if api == "cx" and profile is None:
            raise BadValueError("--api cx needs --profile")
        administration.tenant(tenant_id)
        fields = _read(key)
        with good_values():
            account = ServiceAccount.model_validate(fields)
            settings = ConnectionSettings(
                tenant_id=tenant_id,
                connection_id=connection_id,
                api=api,
                project_id=account.project_id,
                conversation_profile_id=profile,
                location=location,
                environment=environment,
                language=language,
            )
        try:
            connection = administration.keyed_connections.save(settings, account.to_secret())
        except TooManyConnections:
            most = f"there are {MOST_CONNECTIONS} connections already, which is the most"
            raise OperatorError(most) from None
    done = f"{tenant_id} has the connection {connection_id}, to {connection.project_id}."
    show_done(as_dict(connection), done, as_json=as_json)


def list_(
    tenant_id: OfTenant, *, wide: Wide = False, stack: Stack = None, as_json: Json = False
) -> None:
    """List a tenant's connections, without their keys."""
    with administration_of(stack) as administration:
        administration.tenant(tenant_id)
        connections = administration.virtual_agents.all(tenant_id)
    if as_json:
        show_json([as_dict(each) for each in connections])
        return
    show_table(
        [
            "connection",
            "api",
            "project",
            "profile",
            Column("location", optional=1),
            Column("environment", optional=2),
            Column("language", optional=3),
        ],
        [
            (
                each.connection_id,
                each.api,
                each.project_id,
                each.conversation_profile_id or "none",
                each.location,
                each.environment or "draft",
                each.language,
            )
            for each in connections
        ],
        otherwise=f"{tenant_id} has no connections.",
        wide=wide,
    )


def delete(
    tenant_id: OfTenant,
    connection_id: ConnectionId,
    *,
    yes: Yes = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Delete a connection and its key, for good. Dialogues that have begun go on for a while.

    If the command is interrupted, run it again.
    """
    with administration_of(stack) as administration:
        administration.tenant(tenant_id)
        confirm(f"Delete the connection {connection_id} of {tenant_id}?", yes=yes)
        try:
            administration.keyed_connections.delete(tenant_id, connection_id)
        except NotFound:
            text = f"{tenant_id} has no connection {connection_id!r}"
            raise OperatorError(text) from None
    show_done(
        {"tenant_id": tenant_id, "connection_id": connection_id},
        f"Deleted the connection {connection_id} of {tenant_id}.",
        as_json=as_json,
    )


def as_dict(connection: AgentConnection) -> dict[str, Any]:
    """A connection as JSON has it."""
    return connection.model_dump(mode="json", exclude={"key_version"})


def _read(source: str) -> dict[str, Any]:
    """The fields of a key file. No message has a part of the file."""
    try:
        if source == STANDARD_INPUT:
            text = sys.stdin.buffer.read(_LONGEST + 1)
        else:
            with Path(source).open("rb") as file:
                text = file.read(_LONGEST + 1)
    except OSError as error:
        raise BadValueError(f"{source}: {error.strerror}") from None
    try:
        fields = json.loads(text) if len(text) <= _LONGEST else None
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise BadValueError("that is not a key file: it is no JSON object of at most 64 KiB")
    return fields
