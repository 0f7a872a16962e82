"""Public keys, as tenants are shown them."""

from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def ed25519_public_key(private_key: bytes) -> str:
    """The public half of an Ed25519 key, in base64, as Telnyx's portal and SDKs have it."""
    public_key = Ed25519PrivateKey.from_private_bytes(private_key).public_key()
    return b64encode(public_key.public_bytes_raw()).decode()
