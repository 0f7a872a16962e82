"""The stored connections of tenants to their virtual agents, in the Directory table.

| pk                        | sk                            | what                             |
|---------------------------|-------------------------------|----------------------------------|
| `CONNECTIONS#<tenant id>` | `CONNECTION#<connection id>`  | one of the tenant's connections  |

Connections have a partition of their own, so that the endpoints that write them may write nothing
else of a tenant. The key with which the agent's service knows the tenant is not here, but in a
secret store (`dialogues.connection_keys`), under the version that the connection names.
"""

from typing import Annotated, Final, Literal, Self

from msgspec import Struct
from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field, model_validator

from callstream.errors import ConditionFailed, Forbidden
from callstream.ports import Item, Table
from callstream.tenants.directory import Identifier
from callstream.tenants.keys import tenant_key

MOST_CONNECTIONS: Final = 50
"""How many connections a tenant may have: each has a secret, which the operator pays for."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
"""What becomes a part of the names that the service knows."""
Location = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
"""A region, or `global`. It becomes a part of a host's name, so nothing else may be in it."""
ProjectId = Annotated[str, Field(pattern=r"^([a-z0-9.-]{1,100}:)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$")]


class ConnectionSettings(BaseModel):
    """What is stored for a connection, besides its key.

    Attributes:
        tenant_id: whose connection it is.
        connection_id: the tenant's own id of the connection.
        api: which of the service's two kinds of agents.
        project_id: the project of the agent, which the key names.
        conversation_profile_id: the profile that conversations have; `es` does without.
        location: the region of the agent.
        environment: which version of the agent; None is the agent's draft.
        language: what an agent without a profile is spoken with; None is what was stored before.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    tenant_id: Identifier
    connection_id: Identifier
    api: Literal["es", "cx"] = "es"
    project_id: ProjectId
    conversation_profile_id: Name | None = None
    location: Location = "global"
    environment: Name | None = None
    language: Language | None = None

    @model_validator(mode="after")
    def _check_profile(self) -> Self:
        if self.api == "cx" and self.conversation_profile_id is None:
            raise ValueError("an agent of cx needs a conversation profile")
        return self


class AgentConnection(ConnectionSettings):
    """A connection that is stored; `key_version` finds its key."""

    language: Language = "en-US"
    key_version: str


class ConnectionRecord(Struct, frozen=True):
    """What the table has about a connection.

    `revision` is of the last change; None if the table has nothing. Without `connection` there is
    none any more. `old_keys` are the versions of keys that are still to be deleted.
    """

    tenant_id: str
    connection_id: str
    revision: str | None = None
    connection: AgentConnection | None = None
    old_keys: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The versions of all keys that there may be."""
        now = () if self.connection is None else (self.connection.key_version,)
        return (*self.old_keys, *now)


def connection_key(tenant_id: str, connection_id: str) -> Item:
    """The key of a connection. The tenant is part of it: no tenant can name another's."""
    return {"pk": f"CONNECTIONS#{tenant_id}", "sk": f"CONNECTION#{connection_id}"}


class ConnectionStore:
    """The connections of tenants, without their keys. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str, connection_id: str) -> AgentConnection | None:
        """One of a tenant's connections."""
        return self.record(tenant_id, connection_id).connection

    def all(self, tenant_id: str) -> list[AgentConnection]:
        """All of a tenant's connections, by id."""
        found = (record.connection for record in self.records(tenant_id))
        return [connection for connection in found if connection is not None]

    def for_call(
        self, tenant_id: str, *, inbox: str | None = None, account_id: str | None = None
    ) -> AgentConnection | None:
        """The connection that a call belongs to.

        Args:
            tenant_id: whose call it is.
            inbox: the inbox that the call's media URL was for, if it was for one.
            account_id: the carrier's id of its customer.

        Returns:
            The connection with the inbox's id, else the one with the account's, else the tenant's
            only connection.
        """
        connections = self.all(tenant_id)
        by_id = {each.connection_id: each for each in connections}
        for wanted in (inbox, account_id):
            if wanted is not None and wanted in by_id:
                return by_id[wanted]
        return connections[0] if len(connections) == 1 else None

    def record(self, tenant_id: str, connection_id: str) -> ConnectionRecord:
        """What the table has about a connection."""
        item = self._table.get(connection_key(tenant_id, connection_id))
        if item is None:
            return ConnectionRecord(tenant_id, connection_id)
        return _record(tenant_id, item)

    def records(self, tenant_id: str) -> list[ConnectionRecord]:
        """What the table has about a tenant's connections, by id."""
        key = connection_key(tenant_id, "")
        return [_record(tenant_id, item) for item in self._table.query(key["pk"], key["sk"])]

    def write(self, record: ConnectionRecord, revision: str) -> ConnectionRecord:
        """Store a record that was read and then changed, as `revision`; return what is stored.

        A record with neither a connection nor old keys is removed.

        Raises:
            ConditionFailed: another writer has changed it since it was read.
            Forbidden: a connection is to be stored, and its tenant does not exist any more.
        """
        key = connection_key(record.tenant_id, record.connection_id)
        condition: Item = {"ConditionExpression": "attribute_not_exists(pk)"}
        if record.revision is not None:
            condition = {
                "ConditionExpression": "revision = :was",
                "ExpressionAttributeValues": {":was": record.revision},
            }
        if not record.keys:
            self._table.transact([{"Delete": {"Key": key} | condition}])
            return replace(record, revision=None)
        item = key | {"revision": revision, "old_keys": list(record.old_keys)}
        operations: list[Item] = []
        if record.connection is not None:
            item["connection"] = record.connection.model_dump(mode="json", exclude_none=True)
            owner = tenant_key(record.tenant_id)
            operations = [
                {"ConditionCheck": {"Key": owner, "ConditionExpression": "attribute_exists(pk)"}}
            ]
        operations.insert(0, {"Put": {"Item": item} | condition})
        try:
            self._table.transact(operations)
        except ConditionFailed as failed:
            if failed.operation == 1:
                raise Forbidden("the tenant does not exist any more") from None
            raise
        return replace(record, revision=revision)


def _record(tenant_id: str, item: Item) -> ConnectionRecord:
    stored = item.get("connection")
    return ConnectionRecord(
        tenant_id=tenant_id,
        connection_id=item["sk"].partition("#")[2],
        revision=item["revision"],
        connection=None if stored is None else AgentConnection.model_validate(stored),
        old_keys=tuple(item["old_keys"]),
    )
