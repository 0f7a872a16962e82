"""Requests to the local stack in the name of any of its tenants, for `call` and `url`."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from callstream_cli.deployment import administration_of
from callstream_cli.local.description import DEMO_TENANT, StackDescription

if TYPE_CHECKING:
    from callstream.tenants.directory import Surface

AsTenant = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="TENANT",
        help="Ask as this tenant of the local stack, with a credential that is made for this "
        "command and deleted at its end.",
        show_default="the demo tenant",
    ),
]


@contextmanager
def acting_as(
    tenant_id: str | None, stack: StackDescription, surfaces: "Collection[Surface]"
) -> Iterator[StackDescription]:
    """The local stack, described with a tenant's credentials instead of the demo tenant's.

    The secrets of a tenant's own credentials are not stored, so that others are made for the
    meantime.

    Args:
        tenant_id: who asks; None and the demo tenant have their credentials in `stack`.
        stack: the running stack.
        surfaces: those whose endpoints are asked.

    Raises:
        typer.Exit: there is no such tenant; the reason is printed.
    """
    if tenant_id in {None, DEMO_TENANT}:
        yield stack
        return
    made = []
    shown: dict[str, dict[str, str]] = {}
    try:
        with administration_of(None) as administration:
            tenant = administration.tenant(str(tenant_id))
            for surface in surfaces:
                issued = administration.create_credential(
                    tenant, surface, label="callstream call|url", api_key=surface == "twilio"
                )
                made.append(issued.credential)
                shown[surface] = issued.shown
        yield {**stack, "credentials": shown}
    finally:
        with administration_of(None) as administration:
            for credential in made:
                administration.directory.delete(credential)
