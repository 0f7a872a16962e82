"""URLs that tenants give."""

import pytest

from callstream.surfaces.urls import MAX_LENGTH, WEBSOCKETS, is_address


@pytest.mark.parametrize(
    "url",
    ["wss://a.example", "ws://a.example:8080/x?y=z", "wss://[2001:db8::1]/", "wss://127.0.0.1/"],
)
def test_absolute_urls_of_the_schemes_are_addresses(url: str) -> None:
    assert is_address(url, WEBSOCKETS)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "//a.example",
        "https://a.example",
        "wss://",
        "wss://a.example:0/",
        "wss://a.example:99999/",
        "wss://a.example/ x",
        "wss://a.example/\t",
        "wss://a.example/#part",
        "wss://[::1",
        "wss://-/",
        "wss://a.example/" + "x" * MAX_LENGTH,
    ],
)
def test_other_texts_are_not(url: str) -> None:
    assert not is_address(url, WEBSOCKETS)


def test_a_fragment_is_refused_in_websocket_urls_only() -> None:
    assert is_address("https://a.example/#part", {"https"})
