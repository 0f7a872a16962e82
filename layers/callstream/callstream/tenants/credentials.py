"""Credentials: random, shown once, stored as keyed hashes.

A credential is a public id and a secret. Where a vendor has pairs they travel apart; where it has
one key, the key is `<prefix><id>_<secret>`, so that the id still finds what is stored.

Secrets are long and random, so one HMAC with a pepper from Secrets Manager is enough: a leaked
table gives nothing away, and a check costs microseconds.
"""

import hashlib
import hmac
from secrets import token_hex, token_urlsafe

from callstream.errors import Unauthenticated


def new_id() -> str:
    """A public half: 64 random bits."""
    return token_hex(8)


def new_secret() -> str:
    """A secret half: 256 random bits."""
    return token_urlsafe(32)


def join_key(prefix: str, credential_id: str, secret: str) -> str:
    """One key of both halves."""
    return f"{prefix}{credential_id}_{secret}"


def split_key(prefix: str, key: str) -> tuple[str, str]:
    """The halves of one key.

    Raises:
        Unauthenticated: it is none of ours.
    """
    credential_id, separator, secret = key.removeprefix(prefix).partition("_")
    if not key.startswith(prefix) or not separator:
        raise Unauthenticated("not a key of ours")
    return credential_id, secret


def hash_secret(secret: str, pepper: str) -> str:
    """What is stored of a secret."""
    text = secret.encode("utf-8", "surrogatepass")
    return hmac.new(pepper.encode(), text, hashlib.sha256).hexdigest()


def matches(secret: str, pepper: str, stored_hash: str) -> bool:
    """Whether a secret is the stored one, in constant time."""
    return hmac.compare_digest(hash_secret(secret, pepper), stored_hash)
