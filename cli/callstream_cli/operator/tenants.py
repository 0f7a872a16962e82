"""``callstream tenants``: the customers that may use the gateway."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from callstream.tenants.directory import ROUTES, Limits, Tenant
from callstream.tenants.running_limits import RunningLimits
from callstream_cli.deployment import administration_of
from callstream_cli.operator import webhooks
from callstream_cli.operator.errors import BadValueError
from callstream_cli.operator.limits import effective, in_words
from callstream_cli.operator.options import Json, OfTenant, Stack, Wide, Yes, confirm
from callstream_cli.operator.output import Column, show_done, show_fields, show_json, show_table


def create(
    tenant_id: Annotated[
        str,
        typer.Argument(metavar="TENANT", help="The tenant's id: letters, digits and _ . : @ + -"),
    ],
    *,
    name: Annotated[str | None, typer.Option(help="A name for people; by default the id.")] = None,
    route: Annotated[
        list[str] | None,
        typer.Option(help=f"{' or '.join(sorted(ROUTES))}; may be repeated. By default all."),
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Create a tenant.

    The tenant gets a SignalWire project and a Twilio account of its own, and the default limits.
    Credentials, inboxes, limits and webhooks have commands of their own.
    """
    with administration_of(stack) as administration:
        tenant = administration.create_tenant(tenant_id, name or tenant_id, route or ROUTES)
    _show(tenant, as_json=as_json)


def list_(*, wide: Wide = False, stack: Stack = None, as_json: Json = False) -> None:
    """List all tenants."""
    with administration_of(stack) as administration:
        entries = administration.directory.entries()
        tenants = sorted(
            (entry for entry in entries if isinstance(entry, Tenant)),
            key=lambda tenant: tenant.tenant_id,
        )
    if as_json:
        show_json([as_dict(tenant) for tenant in tenants])
        return
    show_table(
        [
            "tenant",
            Column("name", is_text=True),
            "state",
            Column("routes", optional=1),
            Column("project", optional=2),
        ],
        [
            (t.tenant_id, t.name, _state(t), ", ".join(sorted(t.routes)), str(t.project_id))
            for t in tenants
        ],
        otherwise="There are no tenants.",
        wide=wide,
    )


def show(tenant_id: OfTenant, *, stack: Stack = None, as_json: Json = False) -> None:
    """Show a tenant: routes, limits, webhooks, and whether Twilio must sign its calls."""
    with administration_of(stack) as administration:
        tenant = administration.tenant(tenant_id)
    _show(tenant, as_json=as_json)


def update(
    tenant_id: OfTenant,
    *,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    always_redact: Annotated[
        bool | None,
        typer.Option(
            "--always-redact/--redact-as-asked",
            help="Whether commands that ask for transcripts without redaction are refused.",
        ),
    ] = None,
    vocabulary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LANGUAGE=NAME",
            help="A vocabulary of Amazon Transcribe for a language, as in en-US=our-products; "
            "without a name none. Repeat for several languages.",
        ),
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Rename a tenant, or set how its calls are transcribed.

    Omitted settings stay. Routes, limits and webhooks have commands of their own.
    """
    changes = {"name": name, "always_redacts": always_redact}
    given = {field: value for field, value in changes.items() if value is not None}

    def change(tenant: Tenant) -> dict[str, Any]:
        named = tenant.engine_vocabularies | dict(map(_vocabulary, vocabulary or ()))
        used = {language: name for language, name in named.items() if name}
        return given | {"engine_vocabularies": used}

    with administration_of(stack) as administration:
        if not given and not vocabulary:
            raise BadValueError("give --name, --always-redact, --redact-as-asked or --vocabulary")
        tenant = administration.change_tenant(tenant_id, change)
    _show(tenant, as_json=as_json)


def _vocabulary(text: str) -> tuple[str, str]:
    language, separator, name = text.partition("=")
    if not separator:
        raise BadValueError(f"--vocabulary {text}: give LANGUAGE=NAME")
    return language, name


def disable(
    tenant_id: OfTenant, *, yes: Yes = False, stack: Stack = None, as_json: Json = False
) -> None:
    """Refuse all requests of a tenant until it is enabled again.

    Running streams go on, and media URLs of the last five minutes stay valid.
    """
    with administration_of(stack) as administration:
        tenant = administration.tenant(tenant_id)
        confirm(f"Refuse all requests of {tenant_id} ({tenant.name})?", yes=yes)
        tenant = administration.change_tenant(tenant_id, lambda _: {"enabled": False})
    _show(tenant, as_json=as_json)


def enable(tenant_id: OfTenant, *, stack: Stack = None, as_json: Json = False) -> None:
    """Accept the requests of a disabled tenant again."""
    with administration_of(stack) as administration:
        tenant = administration.change_tenant(tenant_id, lambda _: {"enabled": True})
    _show(tenant, as_json=as_json)


def delete(
    tenant_id: OfTenant, *, yes: Yes = False, stack: Stack = None, as_json: Json = False
) -> None:
    """Delete a tenant with its credentials, inboxes, connections and Twilio auth token, for good.

    If the command is interrupted, run it again. Running streams go on. No new tenant can have the
    id until the state of the last calls is gone.
    """
    with administration_of(stack) as administration:
        confirm(f"Delete {tenant_id} with all its credentials and inboxes?", yes=yes)
        credentials, inboxes, free_at = administration.delete_tenant(tenant_id)
    show_done(
        {
            "tenant_id": tenant_id,
            "credentials": credentials,
            "inboxes": inboxes,
            "id_kept_until": free_at.isoformat(timespec="seconds"),
        },
        f"Deleted {tenant_id}, credentials: {credentials}, inboxes: {inboxes}. "
        f"The id is kept from new tenants until {free_at:%Y-%m-%d}.",
        as_json=as_json,
    )


def as_dict(tenant: Tenant) -> dict[str, Any]:
    """A tenant as JSON: with the limits of every surface, without passwords in URLs."""
    limits = {surface: limit.model_dump() for surface, limit in effective(tenant).items()}
    visible = tenant.model_copy(update={"webhooks": webhooks.shown(tenant)})
    shown = visible.model_dump(mode="json", exclude={"callback_key_id"})
    return shown | {"account_sid": tenant.account_id("twilio"), "limits": limits}


def _show(tenant: Tenant, *, as_json: bool) -> None:
    if as_json:
        show_json(as_dict(tenant))
        return
    fields = [
        ("tenant", tenant.tenant_id),
        ("name", tenant.name),
        ("state", _state(tenant)),
        ("project", str(tenant.project_id)),
        ("account sid", tenant.account_id("twilio")),
        ("routes", ", ".join(sorted(tenant.routes)) or "none"),
    ]
    fields.append(("twilio signature", tenant.twilio_signature))
    fields.append(("transcripts", "always redacted" if tenant.always_redacts else "as asked"))
    fields += [
        (f"vocabulary {language}", name) for language, name in tenant.engine_vocabularies.items()
    ]
    for surface, limits in effective(tenant).items():
        default = " (default)" if limits == Limits() else ""
        fields.append((f"limits {surface}", in_words(limits) + default))
    if tenant.running != RunningLimits():
        running = (f"{name} {limit}" for name, limit in asdict(tenant.running).items())
        fields.append(("limits on what runs", ", ".join(running).replace("_", " ")))
    for surface, webhook in webhooks.shown(tenant).items():
        fields.append((f"webhook {surface}", webhook.url))
        if webhook.failover_url is not None:
            fields.append((f"failover {surface}", webhook.failover_url))
        if webhook.secret_header is not None:
            fields.append((f"secret header {surface}", webhook.secret_header))
    show_fields(fields)


def _state(tenant: Tenant) -> str:
    return "enabled" if tenant.enabled else "disabled"
