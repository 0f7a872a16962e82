"""``callstream routes``: the products for which a tenant may open streams at ASAPP's endpoints."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from callstream.tenants.directory import ROUTES, Tenant
from callstream_cli.deployment import administration_of
from callstream_cli.operator.errors import must_be_of
from callstream_cli.operator.options import Json, OfTenant, Stack
from callstream_cli.operator.output import show_json, show_table

Routes = Annotated[list[str], typer.Argument(metavar="ROUTE", help=" and/or ".join(sorted(ROUTES)))]


def add(tenant_id: OfTenant, routes: Routes, *, stack: Stack = None, as_json: Json = False) -> None:
    """Give a tenant routes. Fine if the tenant has them."""

    def change(tenant: Tenant) -> Mapping[str, Any]:
        must_be_of(routes, ROUTES, "route")
        return {"routes": tenant.routes.union(routes)}

    with administration_of(stack) as administration:
        tenant = administration.change_tenant(tenant_id, change)
    _show(tenant, as_json=as_json)


def remove(
    tenant_id: OfTenant, routes: Routes, *, stack: Stack = None, as_json: Json = False
) -> None:
    """Take routes from a tenant. Requests for these routes are then answered as not found."""

    def change(tenant: Tenant) -> Mapping[str, Any]:
        # A route of an older version is not known any more, and can still be taken away.
        must_be_of(routes, ROUTES | tenant.routes, "route")
        return {"routes": tenant.routes.difference(routes)}

    with administration_of(stack) as administration:
        tenant = administration.change_tenant(tenant_id, change)
    _show(tenant, as_json=as_json)


def list_(tenant_id: OfTenant, *, stack: Stack = None, as_json: Json = False) -> None:
    """List a tenant's routes."""
    with administration_of(stack) as administration:
        tenant = administration.tenant(tenant_id)
    _show(tenant, as_json=as_json)


def _show(tenant: Tenant, *, as_json: bool) -> None:
    routes = sorted(tenant.routes)
    if as_json:
        show_json(routes)
    else:
        none = f"{tenant.tenant_id} has no routes."
        show_table(["route"], [(route,) for route in routes], otherwise=none)
