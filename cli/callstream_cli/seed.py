"""The demo tenant of the local stack."""

from collections.abc import Mapping

from callstream.tenants.directory import SURFACES
from callstream_cli.local.description import DEMO_INBOX, DEMO_TENANT
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.signatures import callback_keys


def seed_demo_tenant(outputs: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Create the demo tenant; return its new credentials by surface."""
    administration = Administration(outputs)
    tenant = administration.create_tenant(DEMO_TENANT, "Demo")
    administration.create_inbox(DEMO_TENANT, DEMO_INBOX, "Demo")
    keys = callback_keys(administration, tenant)
    return {
        surface: {
            **administration.create_credential(tenant, surface, label="demo").shown,
            **keys.get(surface, {}),
        }
        for surface in SURFACES
    }
