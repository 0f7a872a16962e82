"""Checks URLs that tenants give, as far as possible without asking the name service."""

import re
from collections.abc import Collection
from typing import Final

from pydantic_core import PydanticCustomError

from callstream.destinations import ForbiddenDestination, check

WEBSOCKETS: Final = frozenset({"ws", "wss"})
MAX_LENGTH: Final = 2000
# Host names and addresses; whether a name may be dialled is decided when dialling.
_HOST: Final = re.compile(r"\w([\w.-]*\w)?\.?|[0-9A-Fa-f:.]+")
_EXPLAINED: Final = frozenset({"credentials", "unreadable_credentials", "port", "address"})


def check_url(url: str, schemes: Collection[str], otherwise: str) -> str:
    """Check that a URL may be connected to, and means the same to every parser; returns the URL.

    A URL that is refused when connecting is refused here already, unless that depends on the name
    service.

    Args:
        url: the URL that the tenant gives.
        schemes: the schemes that the vendor allows.
        otherwise: the message if the URL is not absolute or has another scheme.

    Raises:
        PydanticCustomError: the URL is refused.
    """
    # urlsplit drops some kinds of whitespace silently.
    if len(url) > MAX_LENGTH or any(each.isspace() or not each.isprintable() for each in url):
        raise PydanticCustomError("url", otherwise)
    try:
        host, _, scheme = check(url, schemes)
    except ForbiddenDestination as forbidden:
        message = forbidden.explanation if forbidden.reason in _EXPLAINED else otherwise
        raise PydanticCustomError("url", message) from None
    if not _HOST.fullmatch(host) or ("#" in url and scheme in WEBSOCKETS):  # RFC 6455, 3
        raise PydanticCustomError("url", otherwise)
    return url
