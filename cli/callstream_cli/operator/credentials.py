"""``callstream credentials``: the credentials that tenants sign in with, for each surface."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from callstream.tenants.credentials import CREDENTIAL_FORMS
from callstream.tenants.directory import Credential, Directory, Surface
from callstream_cli.deployment import administration_of
from callstream_cli.operator.options import Json, OfSurface, OfTenant, Stack, Wide, Yes, confirm
from callstream_cli.operator.output import Column, show_done, show_fields, show_json, show_table
from callstream_cli.plain_output import print_line

CredentialId = Annotated[
    str,
    typer.Argument(
        metavar="CREDENTIAL",
        help="Its id, as listed, or the first characters. In a key, the id stands between the "
        "prefix and the first _; of twilio, the id is the sid of an API key, or begins with the "
        "AccountSid.",
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
            help=f"A scope; may be repeated. By default all scopes. There are: {_SCOPES}."
        ),
    ] = None,
    label: Annotated[
        str, typer.Option(help="A text for people, to recognise the credential by.")
    ] = "",
    api_key: Annotated[
        bool, typer.Option("--api-key", help="For twilio: an API key instead of the AuthToken.")
    ] = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Create a credential; shows its secret once.

    A tenant can have any number of credentials for a surface. To replace a credential, create
    another, let the tenant change over, and revoke the first. Twilio's AuthToken also signs
    callbacks: a new AuthToken needs new callback keys first (callback-keys rotate).
    """
    with administration_of(stack) as administration:
        tenant = administration.tenant(tenant_id)
        issued = administration.create_credential(
            tenant, surface, scopes=scope, label=label, api_key=api_key
        )
    if as_json:
        show_json(as_dict(issued.credential) | {"shown_once": issued.shown})
        return
    show_fields(issued.shown.items())
    if "auth_token" in issued.shown:
        print_line("callback-keys show shows this AuthToken again.", err=True)
    else:
        print_line("The secret is not stored and will not be shown again.", err=True)


def list_(
    tenant_id: Annotated[
        str | None,
        typer.Argument(metavar="[TENANT]", help="The tenant's id; by default all tenants."),
    ] = None,
    *,
    surface: Annotated[
        Surface | None, typer.Option(help="Only the credentials of this surface.")
    ] = None,
    wide: Wide = False,
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
        [
            "tenant",
            "surface",
            Column("credential", is_id=True),
            "state",
            Column("scopes", optional=1),
            Column("created (UTC)", optional=2),
            Column("label", is_text=True),
        ],
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
        wide=wide,
    )


def revoke(
    tenant_id: OfTenant,
    surface: OfSurface,
    credential_id: CredentialId,
    *,
    yes: Yes = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Make a credential worthless for good. It stays in the list."""
    with _confirmed("Revoke", (tenant_id, surface, credential_id), stack, yes=yes) as (
        directory,
        credential,
    ):
        revoked = credential.model_copy(update={"enabled": False})
        directory.save(revoked)
    show_done(as_dict(revoked), f"Revoked {_named(revoked)}.", as_json=as_json)


def delete(
    tenant_id: OfTenant,
    surface: OfSurface,
    credential_id: CredentialId,
    *,
    yes: Yes = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Delete a credential. It is worthless, and no longer listed."""
    with _confirmed("Delete", (tenant_id, surface, credential_id), stack, yes=yes) as (
        directory,
        credential,
    ):
        directory.delete(credential)
    show_done(as_dict(credential), f"Deleted {_named(credential)}.", as_json=as_json)


def as_dict(credential: Credential) -> dict[str, Any]:
    """A credential as JSON: all but the hash."""
    return credential.model_dump(mode="json", exclude={"secret_hash"})


@contextmanager
def _confirmed(
    verb: str, path: tuple[str, Surface, str], stack: str | None, *, yes: bool
) -> Iterator[tuple[Directory, Credential]]:
    with administration_of(stack) as administration:
        credential = administration.credential(*path)
        confirm(f"{verb} {_named(credential)}?", yes=yes)
        yield administration.directory, credential


def _named(credential: Credential) -> str:
    label = f" ({credential.label})" if credential.label else ""
    return (
        f"the {credential.surface} credential {credential.credential_id}{label}"
        f" of {credential.tenant_id}"
    )
