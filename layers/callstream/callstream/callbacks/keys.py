"""The keys with which callbacks to tenants are signed.

They are derived from one master secret and an id that each tenant has for it (`callback_key_id`),
so that no table holds any of them, and a new id is a new key. A tenant verifies with what it is
shown: SignalWire's signing key as it is, of Telnyx's Ed25519 pair the public half.
"""

import hashlib
import hmac


def signalwire_signing_key(master: str, key_id: str) -> str:
    """The key of a tenant's SignalWire callbacks (`x-signalwire-signature`)."""
    return f"PSK_{_derive(master, 'signalwire', key_id).hex()}"


def telnyx_private_key(master: str, key_id: str) -> bytes:
    """The 32 bytes of a tenant's private Ed25519 key (`telnyx-signature-ed25519`)."""
    return _derive(master, "telnyx", key_id)


def _derive(master: str, surface: str, key_id: str) -> bytes:
    text = f"callstream/callbacks/{surface}/{key_id}"
    return hmac.new(master.encode(), text.encode(), hashlib.sha256).digest()
