"""``callstream twilio``: whether a tenant's media streams must be signed by Twilio."""

import sys
from typing import Annotated, Final, get_args

import typer

from callstream.identity import TwilioSignature
from callstream.tenants.directory import Tenant
from callstream_cli.deployment import administration_of
from callstream_cli.operator.errors import BadValueError
from callstream_cli.operator.options import Json, OfTenant, Stack, Yes, confirm
from callstream_cli.operator.output import show_fields, show_json
from callstream_cli.operator.signatures import clear_twilio, set_twilio

_STANDARD_INPUT: Final = "-"
_LONGEST: Final = 256
_MODES: Final[tuple[str, ...]] = get_args(TwilioSignature)


def set_(
    tenant_id: OfTenant,
    *,
    signature: Annotated[
        TwilioSignature | None,
        typer.Option(
            help="off: signatures are not checked; on: a signature must be right if there is one; "
            "required: there must be a right signature. Holds for media URLs from now on."
        ),
    ] = None,
    auth_token: Annotated[
        str | None,
        typer.Option(
            metavar="-",
            help="Read the auth token of the tenant's Twilio account from standard input; on a "
            "terminal, ask for it without echo. It is never an argument: others see command lines.",
        ),
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Set whether Twilio's signatures are checked, and the auth token. Omitted settings stay."""
    with administration_of(stack) as administration:
        if signature is None and auth_token is None:
            raise BadValueError(f"give --signature ({', '.join(_MODES)}), --auth-token - or both")
        if auth_token is not None and auth_token != _STANDARD_INPUT:
            raise BadValueError("--auth-token takes - only: the token is read from standard input")
        administration.tenant(tenant_id)
        secret = None if auth_token is None else _read_auth_token()
        tenant = set_twilio(administration, tenant_id, signature, secret)
        stored = administration.twilio_auth_tokens.is_stored(tenant_id)
    _show(tenant, stored=stored, as_json=as_json)


def show(tenant_id: OfTenant, *, stack: Stack = None, as_json: Json = False) -> None:
    """Show whether Twilio's signatures are checked. The auth token is never shown."""
    with administration_of(stack) as administration:
        tenant = administration.tenant(tenant_id)
        stored = administration.twilio_auth_tokens.is_stored(tenant_id)
    _show(tenant, stored=stored, as_json=as_json)


def clear(
    tenant_id: OfTenant, *, yes: Yes = False, stack: Stack = None, as_json: Json = False
) -> None:
    """Check no signatures of a tenant any more, and delete its auth token.

    Signed streams at earlier media URLs are refused from now on. To let the five minutes of those
    URLs pass, `set --signature off` first.
    """
    with administration_of(stack) as administration:
        administration.tenant(tenant_id)
        confirm(f"Forget the Twilio auth token of {tenant_id}, and check no signatures?", yes=yes)
        tenant = clear_twilio(administration, tenant_id)
    _show(tenant, stored=False, as_json=as_json)


def _read_auth_token() -> str:
    if _is_terminal():
        text = typer.prompt("Twilio auth token", hide_input=True, err=True)
    else:
        # One character above the limit is enough to see that the token is too long.
        text = sys.stdin.read(_LONGEST + 2)
    token = str(text).strip()
    # The message does not quote the text: it may be the token with a typing error.
    if not token or len(token) > _LONGEST or not token.isascii() or not token.isalnum():
        raise BadValueError(
            f"that is not an auth token: it has letters and digits only, up to {_LONGEST}"
        )
    return token


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _show(tenant: Tenant, *, stored: bool, as_json: bool) -> None:
    if as_json:
        show_json({"signature": tenant.twilio_signature, "auth_token_stored": stored})
        return
    show_fields(
        [
            ("signature", tenant.twilio_signature),
            ("auth token", "stored" if stored else "none"),
        ]
    )
