"""Checks URLs that tenants give, as far as possible without asking the name service."""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

WEBSOCKETS: Final = frozenset({"ws", "wss"})
MAX_LENGTH: Final = 2000
# Host names and addresses; whether a host may be dialled is decided when dialling.
_HOST: Final = re.compile(r"\w([\w.-]*\w)?\.?|[0-9A-Fa-f:.]+")


def is_address(url: str, schemes: Collection[str]) -> bool:
    """Whether a URL is absolute, has one of these schemes, and means the same to every parser."""
    # urlsplit drops some kinds of whitespace silently.
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
