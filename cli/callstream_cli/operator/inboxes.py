"""``callstream inboxes``: the inboxes of tenants, for Clerk Chat's endpoint."""

from typing import Annotated

import typer

from callstream_cli.deployment import administration_of
from callstream_cli.operator.options import Json, OfTenant, Stack, Yes, confirm
from callstream_cli.operator.output import show_done, show_json, show_table

InboxId = Annotated[
    str, typer.Argument(metavar="INBOX", help="The inbox's id, as the tenant's clients send it.")
]


def create(
    tenant_id: OfTenant,
    inbox_id: InboxId,
    *,
    name: Annotated[str, typer.Option(help="A name for people.")] = "",
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Create an inbox of a tenant."""
    with administration_of(stack) as administration:
        inbox = administration.create_inbox(tenant_id, inbox_id, name)
    show_done(inbox, f"{tenant_id} has the inbox {inbox_id}.", as_json=as_json)


def list_(tenant_id: OfTenant, *, stack: Stack = None, as_json: Json = False) -> None:
    """List a tenant's inboxes."""
    with administration_of(stack) as administration:
        administration.tenant(tenant_id)
        inboxes = administration.directory.inboxes(tenant_id)
    if as_json:
        show_json(inboxes)
        return
    show_table(
        ["inbox", "name"],
        [(inbox.external_id, inbox.name) for inbox in inboxes],
        otherwise=f"{tenant_id} has no inboxes.",
    )


def delete(
    tenant_id: OfTenant,
    inbox_id: InboxId,
    *,
    yes: Yes = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Delete an inbox of a tenant, and its agents."""
    with administration_of(stack) as administration:
        administration.inbox(tenant_id, inbox_id)
        confirm(f"Delete the inbox {inbox_id} of {tenant_id}?", yes=yes)
        inbox = administration.delete_inbox(tenant_id, inbox_id)
    show_done(inbox, f"Deleted the inbox {inbox_id} of {tenant_id}.", as_json=as_json)
