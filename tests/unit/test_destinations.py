"""Checks of tenants' URLs, and the addresses that connections go to."""

import ipaddress
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.destinations import Destination, ForbiddenDestination, UnknownHost, is_public, vet

PUBLIC = "203.0.114.7"
SIX = "2606:4700::7"

NAMES = {
    "agent.example": [PUBLIC],
    "agent.example.": [PUBLIC],
    "both.example": [PUBLIC, SIX],
    "rebound.example": [PUBLIC, "10.0.0.1"],
    "inside.example": ["192.168.1.1"],
    "metadata.example": ["169.254.169.254"],
    "odd.example": ["not an address"],
    "scoped.example": ["fe80::1%eth0"],
    "none.example": [],
}


def resolve(host: str, _port: int) -> Sequence[str]:
    """A name service that reads addresses in all forms that the C library reads."""
    if host in NAMES:
        return NAMES[host]
    if ":" in host:
        return [str(ipaddress.ip_address(host))]
    return [socket.inet_ntoa(socket.inet_aton(host))]


def test_allowed_url_is_connected_to_at_the_checked_addresses() -> None:
    assert vet("wss://both.example/media?a=b", {"wss"}, resolve) == Destination(
        "both.example", 443, (PUBLIC, SIX), tls=True
    )
    assert vet("ws://agent.example:8080", {"ws", "wss"}, resolve) == Destination(
        "agent.example", 8080, (PUBLIC,), tls=False
    )
    assert vet(f"https://[{SIX}]:8443/", {"https"}, resolve).addresses == (SIX,)
    assert vet(f"http://{PUBLIC}/", {"http"}, resolve).port == 80


HOSTILE = {
    # Schemes that the vendor does not allow
    "http://agent.example/": "scheme",
    "ws://agent.example/": "scheme",
    "file:///etc/passwd": "scheme",
    "gopher://agent.example/": "scheme",
    "//agent.example/": "scheme",
    "": "scheme",
    "wss:///media": "not_a_url",
    "wss://agent.example:port/": "not_a_url",
    "wss://agent.example:70000/": "not_a_url",
    "wss://[::1/": "not_a_url",
    "wss://agent%2eexample/": "not_a_url",
    "wss://agent example/": "not_a_url",
    # Credentials, also such as hide another host
    "wss://user:password@agent.example/": "credentials",
    "wss://user@agent.example/": "credentials",
    "wss://agent.example@127.0.0.1/": "credentials",
    "wss://@agent.example/": "credentials",
    # Ports of other services
    "wss://agent.example:0/": "port",
    "wss://agent.example:22/": "port",
    "wss://agent.example:25/": "port",
    "wss://agent.example:80/": "port",
    # This machine
    "wss://127.0.0.1/": "address",
    "wss://127.1/": "address",
    "wss://0177.0.0.1/": "address",
    "wss://0x7f.0.0.1/": "address",
    "wss://0x7f000001/": "address",
    "wss://2130706433/": "address",
    "wss://0/": "address",
    "wss://0.0.0.0/": "address",
    "wss://[::]/": "address",
    "wss://[::1]/": "address",
    "wss://[0:0:0:0:0:0:0:1]/": "address",
    # IPv4 addresses within IPv6 ones
    "wss://[::ffff:127.0.0.1]/": "address",
    "wss://[::ffff:7f00:1]/": "address",
    "wss://[::ffff:10.0.0.1]/": "address",
    "wss://[::ffff:169.254.169.254]/": "address",
    "wss://[::127.0.0.1]/": "address",
    "wss://[::169.254.169.254]/": "address",
    "wss://[64:ff9b::127.0.0.1]/": "address",
    "wss://[64:ff9b::a9fe:a9fe]/": "address",
    "wss://[64:ff9b:1::a9fe:a9fe]/": "address",
    "wss://[2002:7f00:1::]/": "address",
    "wss://[2002:a9fe:a9fe::1]/": "address",
    "wss://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/": "address",
    # Private networks, shared ones, tests, benchmarks
    "wss://10.1.2.3/": "address",
    "wss://172.16.0.1/": "address",
    "wss://172.31.255.255/": "address",
    "wss://192.168.0.1/": "address",
    "wss://100.64.0.1/": "address",
    "wss://100.127.255.254/": "address",
    "wss://192.0.0.1/": "address",
    "wss://192.0.0.9/": "address",
    "wss://192.0.0.10/": "address",
    "wss://192.88.99.1/": "address",
    "wss://192.0.2.1/": "address",
    "wss://198.18.0.1/": "address",
    "wss://198.51.100.1/": "address",
    "wss://203.0.113.1/": "address",
    "wss://[fc00::1]/": "address",
    "wss://[fd12:3456:789a::1]/": "address",
    "wss://[fec0::1]/": "address",
    "wss://[2001:db8::1]/": "address",
    "wss://[3fff::1]/": "address",
    "wss://[100::1]/": "address",
    # Link-local: the metadata services, a function's runtime
    "wss://169.254.169.254/latest/meta-data/": "address",
    "wss://169.254.170.2/": "address",
    "wss://0xa9fea9fe/": "address",
    "wss://2852039166/": "address",
    "wss://[fe80::1]/": "address",
    "wss://[fd00:ec2::254]/": "address",
    # Multicast, broadcast and reserved addresses
    "wss://224.0.0.1/": "address",
    "wss://232.1.2.3/": "address",
    "wss://239.255.255.250/": "address",
    "wss://255.255.255.255/": "address",
    "wss://240.0.0.1/": "address",
    "wss://[ff02::1]/": "address",
    "wss://[ff0e::1]/": "address",
    # Names
    "wss://rebound.example/": "address",
    "wss://inside.example/": "address",
    "wss://metadata.example/": "address",
    "wss://odd.example/": "address",
    "wss://scoped.example/": "address",
}


@pytest.mark.parametrize(("url", "reason"), HOSTILE.items())
def test_hostile_url_is_forbidden(url: str, reason: str) -> None:
    with pytest.raises(ForbiddenDestination) as caught:
        vet(url, {"wss"}, resolve)

    assert caught.value.reason == reason


@pytest.mark.parametrize("url", ["wss://none.example/", "wss://unknown.example/", "wss://é../"])
def test_name_without_an_address_is_an_unknown_host(url: str) -> None:
    with pytest.raises(UnknownHost):
        vet(url, {"wss"}, resolve)


def test_local_stack_may_reach_loopback_and_no_other_private_address() -> None:
    assert vet("ws://127.0.0.1:9000/", {"ws"}, resolve, local=True).addresses == ("127.0.0.1",)
    assert vet("wss://[::1]:9000/", {"wss"}, resolve, local=True).addresses == ("::1",)
    for url in ("wss://10.0.0.1/", "wss://169.254.169.254/", "wss://0.0.0.0/"):
        with pytest.raises(ForbiddenDestination):
            vet(url, {"wss"}, resolve, local=True)


@given(st.ip_addresses(v=4))
def test_private_address_stays_private_in_every_ipv6_form(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | number)
    assert is_public(mapped) == is_public(address)
    for prefix in (0, 0x64FF9B << 96, 0x20020000 << 96 | number << 80):
        assert not is_public(
            ipaddress.IPv6Address(prefix | number if prefix < 1 << 112 else prefix)
        )


@given(st.ip_addresses())
def test_private_address_is_never_public(address: ipaddress.IPv4Address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_public(address)
