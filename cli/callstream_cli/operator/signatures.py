"""The keys that callbacks and Twilio's handshakes of a tenant are verified with."""

from collections.abc import Mapping

from callstream.callbacks.vendors import VENDORS
from callstream.identity import TwilioSignature
from callstream.tenants.credentials import new_id
from callstream.tenants.directory import Surface, Tenant
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.errors import OperatorError

type CallbackKeys = Mapping[Surface, Mapping[str, str]]
"""The keys to verify callbacks with: by surface, then by their names in `stack.json`."""


def callback_keys(administration: Administration, tenant: Tenant) -> CallbackKeys:
    """The keys that a tenant verifies its callbacks with, of the vendors that sign."""
    master = administration.secret("CallbackMasterSecretArn")
    return {
        surface: key
        for surface, vendor in VENDORS.items()
        if vendor is not None and (key := vendor.verification_key(master, tenant.callback_key_id))
    }


def rotate_callback_keys(administration: Administration, tenant_id: str) -> CallbackKeys:
    """Give a tenant new callback keys at once, and return them. Raises `OperatorError`."""
    new = {"callback_key_id": new_id()}
    return callback_keys(administration, administration.change_tenant(tenant_id, lambda _: new))


def set_twilio(
    administration: Administration,
    tenant_id: str,
    signature: TwilioSignature | None,
    auth_token: str | None,
) -> Tenant:
    """Set whether a tenant's handshakes are signed, and the auth token; None keeps what is set.

    Raises:
        OperatorError: there is no such tenant, or signatures shall be checked and no auth token is
            stored to check them with.
    """
    tenant, auth_tokens = administration.tenant(tenant_id), administration.twilio_auth_tokens
    wanted = tenant.twilio_signature if signature is None else signature
    if auth_token is None and wanted != "off" and not auth_tokens.is_stored(tenant_id):
        raise OperatorError(f"{tenant_id} has no Twilio auth token yet: give --auth-token -")
    # The token goes first, so that no URL asks for a signature that cannot be checked.
    if auth_token is not None:
        auth_tokens.store(tenant_id, auth_token)
    return administration.change_tenant(tenant_id, lambda _: {"twilio_signature": wanted})


def clear_twilio(administration: Administration, tenant_id: str) -> Tenant:
    """Check no signatures of a tenant any more, and delete its Twilio auth token.

    Raises:
        OperatorError: there is no such tenant.
    """
    tenant = administration.change_tenant(tenant_id, lambda _: {"twilio_signature": "off"})
    administration.twilio_auth_tokens.delete(tenant_id)
    return tenant
