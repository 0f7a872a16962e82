"""The demo tenant of the local stack."""

from typing import TypedDict

from callstream.adapters.secrets import Pepper
from callstream.adapters.tables import DynamoTable
from callstream.credentials import hash_secret, new_id, new_secret
from callstream.directory import Credential, Directory, Tenant

DEMO_TENANT = "demo"
_ROUTES = frozenset({"genagent", "autotranscribe"})


class IdSecret(TypedDict):
    """A pair of credentials."""

    id: str
    secret: str


def seed_demo_tenant(outputs: dict[str, str]) -> dict[str, IdSecret]:
    """Create the demo tenant with new credentials for every surface, and give them."""
    directory = Directory(DynamoTable(outputs["DirectoryTableName"]))
    directory.save_tenant(Tenant(tenant_id=DEMO_TENANT, name="Demo", routes=_ROUTES))
    credential: IdSecret = {"id": new_id(), "secret": new_secret()}
    directory.save_credential(
        Credential(
            surface="asapp",
            credential_id=credential["id"],
            tenant_id=DEMO_TENANT,
            secret_hash=hash_secret(
                credential["secret"], Pepper(outputs["CredentialPepperSecretArn"])()
            ),
            scopes=_ROUTES,
        )
    )
    return {"asapp": credential}
