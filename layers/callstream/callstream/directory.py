"""The Directory table: who may do what. Owned by the operator, read by the endpoints.

| pk                           | sk         | what                                         |
|------------------------------|------------|----------------------------------------------|
| `TENANT#<tenant id>`         | TENANT     | a tenant: its limits and routes              |
| `CREDENTIAL#<surface>#<id>`  | CREDENTIAL | one of a tenant's credentials for a surface  |
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from callstream.ports import Item, Table

Surface = Literal["asapp"]
Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:-]+$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Model):
    """Requests that a tenant may make on each surface; None is no limit of ours."""

    per_second: Annotated[int, Field(gt=0)] | None = 100
    per_day: Annotated[int, Field(gt=0)] | None = None


class Tenant(_Model):
    """A customer."""

    tenant_id: Identifier
    name: str
    enabled: bool = True
    limits: Limits = Limits()
    routes: frozenset[Identifier] = frozenset()


class Credential(_Model):
    """One of a tenant's credentials. `scopes` are the routes that it may ask URLs for."""

    surface: Surface
    credential_id: Identifier
    tenant_id: Identifier
    secret_hash: str = Field(repr=False)
    scopes: frozenset[Identifier] = frozenset()
    enabled: bool = True


def tenant_key(tenant_id: str) -> Item:
    """The key of a tenant."""
    return {"pk": f"TENANT#{tenant_id}", "sk": "TENANT"}


def credential_key(surface: str, credential_id: str) -> Item:
    """The key of a credential."""
    return {"pk": f"CREDENTIAL#{surface}#{credential_id}", "sk": "CREDENTIAL"}


class Directory:
    """Tenants and credentials. Every method may raise `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def tenant(self, tenant_id: str) -> Tenant | None:
        """A tenant, by id."""
        item = self._table.get(tenant_key(tenant_id))
        return None if item is None else Tenant.model_validate(_content(item))

    def credential(self, surface: Surface, credential_id: str) -> Credential | None:
        """A credential, by its public half."""
        item = self._table.get(credential_key(surface, credential_id))
        return None if item is None else Credential.model_validate(_content(item))

    def save_tenant(self, tenant: Tenant) -> None:
        """Create or replace a tenant."""
        self._table.put(tenant_key(tenant.tenant_id) | tenant.model_dump(mode="json"))

    def save_credential(self, credential: Credential) -> None:
        """Create or replace a credential."""
        key = credential_key(credential.surface, credential.credential_id)
        self._table.put(key | credential.model_dump(mode="json"))


def _content(item: Item) -> Item:
    return {name: value for name, value in item.items() if name not in {"pk", "sk"}}
