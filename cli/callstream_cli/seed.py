"""The demo tenant of the local stack."""

from collections.abc import Mapping
from uuid import uuid4

from callstream import callback_keys
from callstream.adapters import clock
from callstream.adapters.secrets import PermanentSecret
from callstream.adapters.tables import DynamoTable
from callstream.directory import ROUTES, SCOPES, Directory, Inbox, Tenant
from callstream.issuing import issue
from callstream_cli.public_keys import ed25519_public_key

DEMO_TENANT = "demo"
DEMO_INBOX = "inbox-123"


def seed_demo_tenant(outputs: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Create the demo tenant; its new credentials for every surface."""
    directory = Directory(DynamoTable(outputs["DirectoryTableName"]))
    pepper = PermanentSecret(outputs["CredentialPepperSecretArn"]).value()
    master = PermanentSecret(outputs["CallbackMasterSecretArn"]).value()
    tenant = Tenant(tenant_id=DEMO_TENANT, name="Demo", project_id=uuid4(), routes=ROUTES)
    directory.save(tenant)
    directory.save(Inbox(tenant_id=DEMO_TENANT, external_id=DEMO_INBOX, name="Demo"))
    shown: dict[str, dict[str, str]] = {}
    for surface in SCOPES:
        issued = issue(tenant, surface, pepper, clock.now(), label="demo")
        directory.save(issued.credential)
        shown[surface] = issued.shown
    private_key = callback_keys.telnyx_private_key(master, DEMO_TENANT)
    shown["telnyx"]["public_key"] = ed25519_public_key(private_key)
    signing_key = callback_keys.signalwire_signing_key(master, DEMO_TENANT)
    shown["signalwire"]["signing_key"] = signing_key
    return shown
