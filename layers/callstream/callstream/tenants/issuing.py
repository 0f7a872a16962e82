"""Issuing credentials: what is stored of them, and what their owner is shown, once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from callstream.tenants.credentials import hash_secret, join_key, new_id, new_secret
from callstream.tenants.directory import SCOPES, Credential, Surface, Tenant

# In the fashion of each vendor's own keys. ASAPP has pairs instead.
KEY_PREFIXES: Final[dict[Surface, str]] = {"clerk": "ck_", "telnyx": "KEY", "signalwire": "PT"}


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential: to be stored, and, by the names that the vendor uses, to be shown."""

    credential: Credential
    shown: dict[str, str]

    def __repr__(self) -> str:
        return f"Issued({self.credential!r}, shown='********')"


def issue(
    tenant: Tenant,
    surface: Surface,
    pepper: str,
    now: datetime,
    *,
    scopes: frozenset[str] | None = None,
    label: str = "",
) -> Issued:
    """Make a credential for a tenant; without `scopes`, for all that the surface has."""
    credential_id, secret = new_id(), new_secret()
    credential = Credential(
        surface=surface,
        credential_id=credential_id,
        tenant_id=tenant.tenant_id,
        secret_hash=hash_secret(secret, pepper),
        scopes=SCOPES[surface] if scopes is None else scopes,
        created_at=now,
        label=label,
    )
    if surface == "asapp":
        return Issued(credential, {"id": credential_id, "secret": secret})
    key = join_key(KEY_PREFIXES[surface], credential_id, secret)
    if surface == "signalwire":
        return Issued(credential, {"project_id": str(tenant.project_id), "api_token": key})
    return Issued(credential, {"api_key": key})
