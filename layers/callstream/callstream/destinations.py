"""Checks of the URLs that tenants supply: whether to connect to a URL, and to which addresses.

A stream_url or a callback's URL could name anything that a Lambda function reaches: the metadata
service, a private network, the function's own runtime. Therefore the host name is resolved first,
all of its addresses must be public, and the connection then goes to these very addresses: a later
answer of the name service does not matter. Callers that connect must not follow redirects.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit

from callstream.errors import CallstreamError

type Address = IPv4Address | IPv6Address
type Resolver = Callable[[str, int], Sequence[str]]
"""Returns all addresses of a host and port, as text; raises `OSError` if there are none."""

_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443, "http": 80, "https": 443}
_TLS: Final = frozenset({"wss", "https"})
# Ports below belong to services of other kinds, whose protocols a request could imitate.
_FIRST_FREE_PORT: Final = 1024

# Addresses with an IPv4 address inside, which a gateway on the way may extract: IPv4-compatible
# addresses (RFC 4291), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056) and Teredo (RFC 4380). No
# service is offered at such addresses.
_TRANSLATED: Final = tuple(
    map(IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
)
# Not in every list of private addresses: site-local addresses, which RFC 3879 deprecates; addresses
# of protocols (RFC 6890), and of relays from 6to4, which RFC 7526 deprecates; documentation.
_RESERVED: Final = tuple(
    map(ip_network, ("fec0::/10", "192.0.0.0/24", "192.88.99.0/24", "3fff::/20"))
)


# In WebSocket URLs, no vendor documents user names: tokens have fields of their own.
_WITH_CREDENTIALS: Final = frozenset({"http", "https"})
# RFC 3986, 3.2.1; RFC 7617 forbids the colon in user names.
_CREDENTIALS: Final = re.compile(
    r"(?:[\w.~!$&'()*+,;=-]|%[0-9A-F]{2})+(?::(?:[\w.~!$&'()*+,;=:-]|%[0-9A-F]{2})*)?",
    re.ASCII | re.IGNORECASE,
)

_EXPLANATIONS: Final = {
    "not_a_url": "The URL must be absolute and name a host",
    "scheme": "The URL must have another scheme",
    "credentials": "The URL must have no user name and no password",
    "unreadable_credentials": "The user name and the password in the URL must be percent-encoded "
    "UTF-8, without control characters and, in the user name, without a colon",
    "port": "The URL must have its scheme's own port, or one from 1024 on",
    "address": "The URL must not name a private or reserved address",
}


class ForbiddenDestination(CallstreamError):
    """Nothing may connect to this URL.

    `reason` is one of a small set; `explanation` is a sentence for the tenant. Neither quotes the
    URL.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.explanation = _EXPLANATIONS[reason]


class UnknownHost(CallstreamError):
    """The host name has no address, at least for now."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to connect. `host` is for the TLS handshake and the Host header only."""

    host: str
    port: int
    addresses: tuple[str, ...]
    tls: bool


def vet(
    url: str, schemes: Collection[str], resolve: Resolver, *, local: bool = False
) -> Destination:
    """Check a URL, and find the addresses to connect to.

    Args:
        url: the URL that the tenant supplied.
        schemes: the schemes that the vendor allows, of ws, wss, http and https.
        resolve: asks the name service.
        local: whether to allow loopback addresses too; for the local stack only.

    Raises:
        ForbiddenDestination: as `check` does; `address` also if an address of the host's name is
            not public.
        UnknownHost: the host name has no address.
    """
    host, port, scheme = check(url, schemes)
    try:
        found = tuple(dict.fromkeys(resolve(host, port)))
    except (OSError, UnicodeError):
        raise UnknownHost("the name has no address") from None
    if not found:
        raise UnknownHost("the name has no address")
    if not all(_may_be_dialled(address, local=local) for address in found):
        raise ForbiddenDestination("address")
    return Destination(host, port, found, scheme in _TLS)


def check(url: str, schemes: Collection[str]) -> tuple[str, int, str]:
    """Check of a URL what can be known without the name service: when a tenant supplies the URL.

    Returns:
        Host, port and scheme.

    Raises:
        ForbiddenDestination: with reason `not_a_url`, `scheme`, `credentials` (in a WebSocket's
            URL), `unreadable_credentials`, `port` (another service's), or `address` (an address
            that is neither public nor this machine's).
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ForbiddenDestination("not_a_url") from None
    if parts.scheme not in schemes:
        raise ForbiddenDestination("scheme")
    if "@" in parts.netloc:
        if parts.scheme not in _WITH_CREDENTIALS:
            raise ForbiddenDestination("credentials")
        if not _are_readable(parts.netloc.rpartition("@")[0]):
            raise ForbiddenDestination("unreadable_credentials")
    if not host or "%" in host or not host.isprintable() or " " in host:
        raise ForbiddenDestination("not_a_url")
    if port is None:
        port = _DEFAULT_PORTS[parts.scheme]
    if port != _DEFAULT_PORTS[parts.scheme] and port < _FIRST_FREE_PORT:
        raise ForbiddenDestination("port")
    if _is_numeric(host) and not _may_be_dialled(host, local=True):
        raise ForbiddenDestination("address")
    return host, port, parts.scheme


def without_credentials(url: str) -> tuple[str, str | None]:
    """Take the user name and the password out of a URL that was checked.

    Returns:
        The URL without them, and the `Authorization` header that has them (RFC 7617); None if the
        URL has none. The header is a secret.
    """
    credentials, at, _ = urlsplit(url).netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = credentials.partition(":")
    text = f"{unquote(user)}:{unquote(password)}"
    bare = url.replace(f"{credentials}@", "", 1)
    return bare, f"Basic {b64encode(text.encode()).decode()}"


def _are_readable(credentials: str) -> bool:
    if not _CREDENTIALS.fullmatch(credentials):
        return False
    user, _, password = credentials.partition(":")
    try:
        plain = [unquote(each, errors="strict") for each in (user, password)]
    except UnicodeDecodeError:
        return False
    return ":" not in plain[0] and all(each.isprintable() for each in plain)


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _may_be_dialled(text: str, *, local: bool) -> bool:
    try:
        address: Address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        address = address.ipv4_mapped or address
    return is_public(address) or (local and address.is_loopback)


def is_public(address: Address) -> bool:
    """Whether an address is the address of one machine on the public internet."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _TRANSLATED):
            return False
    if any(address in network for network in _RESERVED):
        return False
    # is_global alone lets some multicast addresses through.
    return address.is_global and not address.is_multicast and not address.is_reserved
