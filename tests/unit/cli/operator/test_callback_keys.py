"""The commands for callback keys."""

from base64 import b64decode

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from callstream.callbacks.keys import derive
from callstream.tenants.directory import (
    Tenant,
)
from tests.unit.cli.commands import ask, ok
from tests.unit.cli.operator.deployed import SECRETS


def test_callback_keys_rotate(acme: Tenant) -> None:
    before = ask("callback-keys", "show", acme.tenant_id)
    after = ask("callback-keys", "rotate", acme.tenant_id, "--yes")

    assert after.keys() == before.keys()
    for surface, shown in after.items():
        assert shown != before[surface]
    assert ask("callback-keys", "show", acme.tenant_id) == after


def test_callback_keys_verify_callbacks(acme: Tenant) -> None:
    shown = ask("callback-keys", "show", acme.tenant_id)

    master, key_id = SECRETS["CallbackMaster"], acme.callback_key_id
    private_key = Ed25519PrivateKey.from_private_bytes(derive(master, "telnyx", key_id))
    signature = private_key.sign(b"a callback")
    public_key = shown["telnyx"].pop("public_key")
    Ed25519PublicKey.from_public_bytes(b64decode(public_key)).verify(signature, b"a callback")
    signing_key = f"PSK_{derive(master, 'signalwire', key_id).hex()}"
    auth_token = derive(master, "twilio", key_id).hex()[:32]
    assert shown == {
        "telnyx": {},
        "signalwire": {"signing_key": signing_key},
        "twilio": {"auth_token": auth_token},
    }
    assert [line.split() for line in ok("callback-keys", "show", acme.tenant_id).splitlines()] == [
        ["surface", "kind", "key"],
        ["telnyx", "public", "key", public_key],
        ["signalwire", "signing", "key", signing_key],
        ["twilio", "auth", "token", auth_token],
    ]
