"""``callstream webhooks``: the URLs that a tenant's callbacks go to."""

from collections.abc import Mapping
from typing import Annotated

import typer

from callstream.destinations import without_credentials
from callstream.tenants.directory import NewWebhook, Surface, Tenant, Webhook
from callstream_cli.deployment import administration_of
from callstream_cli.operator.errors import good_values
from callstream_cli.operator.options import Json, OfSurface, OfTenant, Stack
from callstream_cli.operator.output import show_json, show_table
from callstream_cli.operator.standard_input import STANDARD_INPUT, read_line


def set_(
    tenant_id: OfTenant,
    surface: OfSurface,
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="An http or https URL, with a user name and a password if the server wants them; "
            "- to read the URL from standard input.",
        ),
    ],
    *,
    failover: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A URL to try when the first URL fails; - as above."),
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Set where a tenant's callbacks of a surface go. Replaces both URLs."""
    with administration_of(stack) as administration:
        given = [read_line("URL") if each == STANDARD_INPUT else each for each in (url, failover)]
        with good_values():
            webhook = NewWebhook.model_validate({"url": given[0], "failover_url": given[1]})
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


def shown(tenant: Tenant) -> Mapping[Surface, Webhook]:
    """A tenant's webhooks, by surface, without the user names and passwords in their URLs."""
    return {
        surface: Webhook(
            url=_masked(webhook.url),
            failover_url=webhook.failover_url and _masked(webhook.failover_url),
        )
        for surface, webhook in sorted(tenant.webhooks.items())
    }


def _masked(url: str) -> str:
    bare, authorization = without_credentials(url)
    return bare if authorization is None else bare.replace("://", "://***@", 1)


def _show(tenant: Tenant, *, as_json: bool) -> None:
    if as_json:
        show_json(shown(tenant))
        return
    show_table(
        ["surface", "url", "failover"],
        [
            (surface, webhook.url, webhook.failover_url or "none")
            for surface, webhook in shown(tenant).items()
        ],
        otherwise=f"{tenant.tenant_id} has no webhooks.",
    )
