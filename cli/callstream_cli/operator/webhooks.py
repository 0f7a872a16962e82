"""``callstream webhooks``: the URLs that a tenant's callbacks go to."""

from typing import Annotated

import typer

from callstream.tenants.directory import NewWebhook, Tenant
from callstream_cli.deployment import administration_of
from callstream_cli.operator.errors import good_values
from callstream_cli.operator.options import Json, OfSurface, OfTenant, Stack
from callstream_cli.operator.output import show_json, show_table


def set_(
    tenant_id: OfTenant,
    surface: OfSurface,
    url: Annotated[str, typer.Argument(metavar="URL", help="An http or https URL.")],
    *,
    failover: Annotated[
        str | None, typer.Option(metavar="URL", help="A URL to try when the first URL fails.")
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Set where a tenant's callbacks of a surface go. Replaces both URLs."""
    with administration_of(stack) as administration:
        with good_values():
            webhook = NewWebhook(url=url, failover_url=failover)
        tenant = administration.change_tenant(
            tenant_id, lambda tenant: {"webhooks": {**tenant.webhooks, surface: webhook}}
        )
    _show(tenant, as_json=as_json)


def clear(
    tenant_id: OfTenant, surface: OfSurface, *, stack: Stack = None, as_json: Json = False
) -> None:
    """Delete a tenant's webhook of a surface. Fine if none is set."""
    with administration_of(stack) as administration:
        tenant = administration.change_tenant(
            tenant_id,
            lambda tenant: {
                "webhooks": {of: hook for of, hook in tenant.webhooks.items() if of != surface}
            },
        )
    _show(tenant, as_json=as_json)


def show(tenant_id: OfTenant, *, stack: Stack = None, as_json: Json = False) -> None:
    """Show where a tenant's callbacks go."""
    with administration_of(stack) as administration:
        tenant = administration.tenant(tenant_id)
    _show(tenant, as_json=as_json)


def _show(tenant: Tenant, *, as_json: bool) -> None:
    if as_json:
        show_json(tenant.webhooks)
        return
    show_table(
        ["surface", "url", "failover"],
        [
            (surface, webhook.url, webhook.failover_url or "none")
            for surface, webhook in sorted(tenant.webhooks.items())
        ],
        otherwise=f"{tenant.tenant_id} has no webhooks.",
    )
