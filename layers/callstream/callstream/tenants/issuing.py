"""Issues credentials: the part that is stored, and the part that its owner is shown, once."""

from dataclasses import dataclass
from datetime import datetime

from callstream.tenants.credentials import (
    CREDENTIAL_FORMS,
    TWILIO_FORM,
    hash_secret,
    new_secret,
)
from callstream.tenants.directory import Credential, Surface, Tenant


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential to store, and its secrets by the vendor's names, to show to its owner."""

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
    auth_token: str | None = None,
) -> Issued:
    """Make a credential for a tenant; without `scopes`, it has all scopes of the surface.

    With `auth_token`, the credential is the tenant's AuthToken on Twilio's surface.
    """
    form = CREDENTIAL_FORMS[surface]
    if auth_token is None:
        credential_id, secret = form.new_id(), new_secret()
    else:
        account_sid = tenant.account_id("twilio")
        credential_id, secret = TWILIO_FORM.id_of(account_sid, auth_token), auth_token
    credential = Credential(
        surface=surface,
        credential_id=credential_id,
        tenant_id=tenant.tenant_id,
        secret_hash=hash_secret(secret, pepper),
        scopes=form.scopes if scopes is None else scopes,
        created_at=now,
        label=label,
    )
    return Issued(credential, form.show(tenant, credential_id, secret))
