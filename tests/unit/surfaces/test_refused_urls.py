"""A URL that is refused when connecting is refused when a tenant or an operator gives it."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from callstream.errors import Invalid
from callstream.surfaces.bodies import validate
from callstream.surfaces.signalwire_models import CreateStreamBody
from callstream.surfaces.telnyx_models import StreamingStart
from callstream.tenants.directory import NewWebhook, Webhook

# A webhook's URL is encoded first, and is then as good as any other.
AMBIGUOUS = {"user@agent.example@127.0.0.1": "user name", "@agent.example": "user name"}
FORBIDDEN = {
    "us%3Aer:password@agent.example": "user name",
    "user:%FF@agent.example": "user name",
    "user:pass%0Aword@agent.example": "user name",
    "user:password@10.0.0.1": "user name|private or reserved",
    "agent.example:22": "port",
    "agent.example:1": "port",
    "10.0.0.1": "private or reserved",
    "169.254.169.254": "private or reserved",
    "192.0.2.1": "private or reserved",
    "[2001:db8::1]:443": "private or reserved",
    "[::ffff:10.0.0.1]": "private or reserved",
}


@pytest.mark.parametrize(("place", "why"), (AMBIGUOUS | FORBIDDEN).items())
def test_forbidden_url_is_refused_by_every_command(place: str, why: str) -> None:
    commands: list[tuple[Any, dict[str, str], bool]] = [
        (StreamingStart, {"stream_url": f"wss://{place}/"}, True),
        (CreateStreamBody, {"Url": f"wss://{place}/"}, False),
        (
            CreateStreamBody,
            {"Url": "wss://agent.example/", "StatusCallback": f"https://{place}/"},
            False,
        ),
    ]
    for model, fields, strict in commands:
        with pytest.raises(Invalid) as refused:
            validate(model, fields, strict=strict)
        assert [bool(re.search(why, each.message)) for each in refused.value.issues] == [True]


@pytest.mark.parametrize(("place", "why"), FORBIDDEN.items())
def test_forbidden_url_is_refused_as_a_webhook(place: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        NewWebhook(url=f"https://{place}/")
    with pytest.raises(ValidationError, match=why):
        NewWebhook(url="https://hooks.example/", failover_url=f"https://{place}/")


def test_credentials_are_taken_in_urls_of_callbacks_and_refused_in_those_of_websockets() -> None:
    place = "user:p%C3%A9@agent.example/"
    fields = {"Url": "wss://agent.example/", "StatusCallback": f"https://{place}"}
    body = validate(CreateStreamBody, fields, strict=False)
    assert body.status_callback == f"https://{place}"
    assert NewWebhook(url=f"http://{place}").url == f"http://{place}"

    with pytest.raises(Invalid) as refused:
        validate(StreamingStart, {"stream_url": f"wss://{place}"}, strict=True)
    assert [each.message for each in refused.value.issues] == [
        "The URL must have no user name and no password"
    ]


@pytest.mark.parametrize("place", FORBIDDEN)
def test_webhook_that_was_stored_before_can_still_be_read(place: str) -> None:
    assert Webhook.model_validate({"url": f"https://{place}/x"}).url.endswith("/x")


@pytest.mark.parametrize("url", ["wss://agent.example:80/", "ws://agent.example:443/"])
def test_port_of_the_other_scheme_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        validate(StreamingStart, {"stream_url": url}, strict=True)


@pytest.mark.parametrize(
    "url",
    [
        "wss://agent.example/",
        "wss://agent.example:443/a?b=c",
        "wss://agent.example:8443/",
        "ws://127.0.0.1:9000/",  # for the local stack; elsewhere refused when dialling
        "wss://203.0.114.7/",
    ],
)
def test_url_that_may_be_dialled_is_taken(url: str) -> None:
    assert validate(StreamingStart, {"stream_url": url}, strict=True).stream_url == url
