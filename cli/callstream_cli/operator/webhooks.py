"""``callstream webhooks``: the URLs that a tenant's callbacks go to."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer

from callstream.destinations import without_credentials
from callstream.tenants.credentials import new_secret
from callstream.tenants.directory import NewWebhook, Surface, Tenant, Webhook
from callstream_cli.deployment import administration_of
from callstream_cli.operator.errors import BadValueError, good_values
from callstream_cli.operator.options import Json, OfSurface, OfTenant, Stack
from callstream_cli.operator.output import show_fields, show_json, show_table
from callstream_cli.operator.standard_input import STANDARD_INPUT, read_line
from callstream_cli.plain_output import print_line


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
    secret_header: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="For asapp: send a secret in this header of each request. A new secret is made, "
            "and shown once.",
        ),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            metavar=STANDARD_INPUT,
            help="Read the secret of --secret-header from standard input, after the URLs; on a "
            "terminal, ask for it without echo. It is never an argument: others see command lines.",
        ),
    ] = None,
    dialogue_events: Annotated[
        bool,
        typer.Option(
            "--dialogue-events",
            help="For telnyx: also send what is said in dialogues with Dialogflow agents, and what "
            "the agents make of it.",
        ),
    ] = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Set where a tenant's callbacks of a surface go. Replaces all that was set before.

    The webhook of asapp gets the lines of transcripts. Its requests are not signed: a secret in a
    header shows that they come from here.
    """
    with administration_of(stack) as administration:
        _check(surface, secret_header, secret, dialogue_events=dialogue_events)
        given = [read_line("URL") if each == STANDARD_INPUT else each for each in (url, failover)]
        fields: dict[str, Any] = {"url": given[0], "failover_url": given[1]}
        fields["dialogue_events"] = dialogue_events
        if secret_header is not None:
            made = new_secret() if secret is None else read_line("secret")
            fields |= {"secret_header": secret_header, "secret": made}
        with good_values():
            webhook = NewWebhook.model_validate(fields)

        def changes(tenant: Tenant) -> dict[str, Any]:
            if dialogue_events and tenant.always_redacts:
                raise BadValueError(
                    "--dialogue-events is not for a tenant with --always-redact: nothing in these "
                    "events is redacted"
                )
            return {"webhooks": {**tenant.webhooks, surface: webhook}}

        tenant = administration.change_tenant(tenant_id, changes)
    is_new = secret_header is not None and secret is None
    _show(tenant, as_json=as_json, new=webhook if is_new else None)


def _check(
    surface: Surface, secret_header: str | None, secret: str | None, *, dialogue_events: bool
) -> None:
    if dialogue_events and surface != "telnyx":
        raise BadValueError("--dialogue-events is for telnyx only: the others have no such events")
    if secret_header is not None and surface != "asapp":
        raise BadValueError("--secret-header is for asapp only: other callbacks are signed")
    if secret is not None and secret_header is None:
        raise BadValueError("--secret needs --secret-header")
    if secret not in {None, STANDARD_INPUT}:
        raise BadValueError("--secret takes - only: the secret is read from standard input")


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
    """A tenant's webhooks, by surface, without secrets and the passwords in their URLs."""
    return {
        surface: Webhook(
            url=_masked(webhook.url),
            failover_url=webhook.failover_url and _masked(webhook.failover_url),
            secret_header=webhook.secret_header,
            secret=webhook.secret and _MASK,
            dialogue_events=webhook.dialogue_events,
        )
        for surface, webhook in sorted(tenant.webhooks.items())
    }


_MASK: Final = "***"


def _masked(url: str) -> str:
    bare, authorization = without_credentials(url)
    return bare if authorization is None else bare.replace("://", f"://{_MASK}@", 1)


def _show(tenant: Tenant, *, as_json: bool, new: Webhook | None = None) -> None:
    """Show a tenant's webhooks, and the secret of the new one, if there is one."""
    webhooks = shown(tenant)
    if as_json:
        secrets = {"asapp": {"secret": new.secret}} if new else {}
        show_json(
            {
                surface: webhook.model_dump() | secrets.get(surface, {})
                for surface, webhook in webhooks.items()
            }
        )
        return
    columns: dict[str, Callable[[Surface, Webhook], str]] = {
        "surface": lambda surface, _: surface,
        "url": lambda _, webhook: webhook.url,
        "failover": lambda _, webhook: webhook.failover_url or "none",
    }
    if any(webhook.secret for webhook in webhooks.values()):
        columns["secret header"] = lambda _, webhook: webhook.secret_header or "none"
    if any(webhook.dialogue_events for webhook in webhooks.values()):
        columns["dialogue events"] = lambda _, webhook: "yes" if webhook.dialogue_events else "no"
    show_table(
        list(columns),
        [tuple(cell(*each) for cell in columns.values()) for each in webhooks.items()],
        otherwise=f"{tenant.tenant_id} has no webhooks.",
    )
    if new is not None:
        show_fields([("secret", str(new.secret))])
        print_line("The secret will not be shown again.", err=True)
