"""``callstream callback-keys``."""

from callstream_cli.deployment import administration_of
from callstream_cli.operator.options import Json, OfTenant, Stack
from callstream_cli.operator.output import show_json, show_table


def show(tenant_id: OfTenant, *, stack: Stack = None, as_json: Json = False) -> None:
    """Show what a tenant verifies its callbacks with: Telnyx's public key, SignalWire's key.

    SignalWire's is a secret between the tenant and this deployment.
    """
    with administration_of(stack) as administration:
        administration.tenant(tenant_id)
        keys = administration.callback_keys(tenant_id)
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
