"""URLs that tenants give."""

import pytest
from pydantic_core import PydanticCustomError

from callstream.surfaces.urls import MAX_LENGTH, WEBSOCKETS, check_url


@pytest.mark.parametrize(
    "url",
    ["wss://a.example", "ws://a.example:8080/x?y=z", "wss://[2606:4700::7]/", "wss://127.0.0.1/"],
)
def test_absolute_urls_of_the_schemes_are_addresses(url: str) -> None:
    assert check_url(url, WEBSOCKETS, "not a WebSocket's") == url


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
    with pytest.raises(PydanticCustomError):
        check_url(url, WEBSOCKETS, "not a WebSocket's")


def test_a_fragment_is_refused_in_websocket_urls_only() -> None:
    url = "https://a.example/#part"

    assert check_url(url, {"https"}, "not https") == url
