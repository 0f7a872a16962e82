"""``callstream credentials``."""

from typing import Annotated, Any

import typer

from callstream.tenants.credentials import CREDENTIAL_FORMS
from callstream.tenants.directory import Credential, Surface
from callstream_cli.deployment import administration_of
from callstream_cli.operator.options import Json, OfSurface, OfTenant, Stack, Yes, confirm
from callstream_cli.operator.output import show_fields, show_json, show_table

CredentialId = Annotated[
    str,
    typer.Argument(
        metavar="CREDENTIAL",
        help="Its id, as listed. Of a key it is what stands between the prefix and the first _.",
    ),
]
_SCOPES = "; ".join(
    f"{surface}: {', '.join(sorted(form.scopes))}" for surface, form in CREDENTIAL_FORMS.items()
)


def create(
    tenant_id: OfTenant,
    surface: OfSurface,
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What it is good for; may be repeated. All if not given. There are: {_SCOPES}."
        ),
    ] = None,
    label: Annotated[str, typer.Option(help="For people, to tell it from others.")] = "",
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Give a tenant a credential for a surface, and show its secret, this once.

    A tenant can have any number of them. To replace one: create another, let the tenant change
    over, revoke the first.
    """
    with administration_of(stack) as administration:
        tenant = administration.tenant(tenant_id)
        issued = administration.create_credential(tenant, surface, scopes=scope, label=label)
    if as_json:
        show_json(as_dict(issued.credential) | {"shown_once": issued.shown})
        return
    show_fields(issued.shown.items())
    typer.echo("The secret is not stored and will not be shown again.", err=True)


def list_(
    tenant_id: Annotated[
        str | None, typer.Argument(metavar="[TENANT]", help="Whose; everybody's if not given.")
    ] = None,
    *,
    surface: Annotated[Surface | None, typer.Option(help="Of one surface only.")] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """List credentials, without their secrets."""
    with administration_of(stack) as administration:
        if tenant_id is not None:
            administration.tenant(tenant_id)
        found = sorted(
            (
                entry
                for entry in administration.directory.entries()
                if isinstance(entry, Credential)
                and tenant_id in {None, entry.tenant_id}
                and surface in {None, entry.surface}
            ),
            key=lambda credential: (
                credential.tenant_id,
                credential.surface,
                credential.created_at,
                credential.credential_id,
            ),
        )
    if as_json:
        show_json([as_dict(credential) for credential in found])
        return
    show_table(
        ["tenant", "surface", "credential", "state", "scopes", "created (UTC)", "label"],
        [
            (
                credential.tenant_id,
                credential.surface,
                credential.credential_id,
                "good" if credential.enabled else "revoked",
                ", ".join(sorted(credential.scopes)) or "none",
                f"{credential.created_at:%Y-%m-%d %H:%M}",
                credential.label,
            )
            for credential in found
        ],
        otherwise="There are no credentials.",
    )


def revoke(
    surface: OfSurface,
    credential_id: CredentialId,
    *,
    yes: Yes = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Make a credential worthless for good; it stays in the list."""
    with administration_of(stack) as administration:
        credential = administration.credential(surface, credential_id)
        confirm(f"Revoke {_named(credential)}?", yes=yes)
        credential = credential.model_copy(update={"enabled": False})
        administration.directory.save(credential)
    if as_json:
        show_json(as_dict(credential))
    else:
        typer.echo(f"Revoked {_named(credential)}.")


def delete(
    surface: OfSurface,
    credential_id: CredentialId,
    *,
    yes: Yes = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Delete a credential: it is worthless, and nothing tells of it any more."""
    with administration_of(stack) as administration:
        credential = administration.credential(surface, credential_id)
        confirm(f"Delete {_named(credential)}?", yes=yes)
        administration.directory.delete(credential)
    if as_json:
        show_json(as_dict(credential))
    else:
        typer.echo(f"Deleted {_named(credential)}.")


def as_dict(credential: Credential) -> dict[str, Any]:
    """A credential as JSON has it: all but the hash."""
    return credential.model_dump(mode="json", exclude={"secret_hash"})


def _named(credential: Credential) -> str:
    label = f" ({credential.label})" if credential.label else ""
    return (
        f"the {credential.surface} credential {credential.credential_id}{label}"
        f" of {credential.tenant_id}"
    )
