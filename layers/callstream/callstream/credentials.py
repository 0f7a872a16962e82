"""Credentials: random, shown once, stored as keyed hashes.

They are long random strings, so one HMAC with a pepper from Secrets Manager is enough: a leaked
table gives nothing away, and a check costs microseconds.
"""

import hashlib
import hmac
from secrets import token_hex, token_urlsafe


def new_id() -> str:
    """A public half, for surfaces whose credentials are pairs."""
    return token_hex(8)


def new_secret() -> str:
    """A secret half: 256 random bits."""
    return token_urlsafe(32)


def hash_secret(secret: str, pepper: str) -> str:
    """What is stored of a secret."""
    text = secret.encode("utf-8", "surrogatepass")
    return hmac.new(pepper.encode(), text, hashlib.sha256).hexdigest()


def matches(secret: str, pepper: str, stored_hash: str) -> bool:
    """Whether a secret is the stored one, in constant time."""
    return hmac.compare_digest(hash_secret(secret, pepper), stored_hash)
