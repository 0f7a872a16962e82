"""``callstream callback-keys``: the keys that a tenant verifies callbacks with."""

from callstream_cli.deployment import administration_of
from callstream_cli.operator.options import Json, OfTenant, Stack, Yes, confirm
from callstream_cli.operator.output import show_json, show_table
from callstream_cli.operator.signatures import CallbackKeys, callback_keys, rotate_callback_keys


def show(tenant_id: OfTenant, *, stack: Stack = None, as_json: Json = False) -> None:
    """Show the keys that a tenant verifies callbacks with.

    For Telnyx's callbacks that is a public key; for SignalWire's and Twilio's it is a secret
    between the tenant and this deployment. Twilio's is the AuthToken, which is also a credential.
    """
    with administration_of(stack) as administration:
        keys = callback_keys(administration, administration.tenant(tenant_id))
    _show(keys, as_json=as_json)


def rotate(
    tenant_id: OfTenant, *, yes: Yes = False, stack: Stack = None, as_json: Json = False
) -> None:
    """Sign a tenant's callbacks with new keys from now on, and show the new keys.

    Twilio's API takes the old AuthToken until that credential is revoked, and the new AuthToken
    from `credentials create` on.
    """
    confirm(
        f"Will {tenant_id} refuse callbacks until it has the new keys: is that all right?", yes=yes
    )
    with administration_of(stack) as administration:
        keys = rotate_callback_keys(administration, tenant_id)
    _show(keys, as_json=as_json)


def _show(keys: CallbackKeys, *, as_json: bool) -> None:
    if as_json:
        show_json(keys)
        return
    show_table(
        ["surface", "kind", "key"],
        [
            (surface, kind.replace("_", " "), key)
            for surface, named in keys.items()
            for kind, key in named.items()
        ],
        otherwise="",
    )
