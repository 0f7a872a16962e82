"""Addresses that tenants give: is it one, as far as can be told without asking anybody."""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

WEBSOCKETS: Final = frozenset({"ws", "wss"})
MAX_LENGTH: Final = 2000
# Names and addresses; which of them may be dialled is decided when dialling.
_HOST: Final = re.compile(r"\w([\w.-]*\w)?\.?|[0-9A-Fa-f:.]+")


def is_address(url: str, schemes: Collection[str]) -> bool:
    """Whether it is absolute, of one of these schemes, and says the same to every reader."""
    # urlsplit drops some kinds of whitespace in silence.
    if len(url) > MAX_LENGTH or any(each.isspace() or not each.isprintable() for each in url):
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if "#" in url and parts.scheme in WEBSOCKETS:  # RFC 6455, 3
        return False
    return parts.scheme in schemes and _HOST.fullmatch(host) is not None and port != 0
