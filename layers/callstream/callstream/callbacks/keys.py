"""The keys that sign callbacks to tenants.

Each key follows from one master secret and from an id that each tenant has for this purpose
(`callback_key_id`), so no table holds a key, and a new id is a new key.
"""

import hashlib
import hmac

from callstream.tenants.directory import Surface


def derive(master: str, surface: Surface, key_id: str) -> bytes:
    """The 32 bytes of a tenant's key for the callbacks of a surface."""
    text = f"callstream/callbacks/{surface}/{key_id}"
    return hmac.new(master.encode(), text.encode(), hashlib.sha256).digest()
