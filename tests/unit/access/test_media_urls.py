"""Media URLs: the vendor's path, and a token that the authorizer takes."""

from datetime import UTC, datetime, timedelta

import pytest

from callstream.access.media_urls import MediaUrls
from callstream.access.tokens import LIFETIME, KeyRing
from callstream.errors import Unavailable

NOW = datetime.now(UTC).replace(microsecond=0)


class Keys:
    """Signing keys that can be read, or not."""

    def __init__(self) -> None:
        self.ring = KeyRing.from_secret({"key": "k" * 32})
        self.is_down = False

    def current(self) -> KeyRing:
        if self.is_down:
            raise Unavailable("secretsmanager", "Down")
        return self.ring


def mint(keys: Keys, template: str) -> str:
    return MediaUrls(keys, template).mint(
        path="v1/media",
        tenant_id="acme",
        route="inbox",
        use="once",
        now=NOW,
        twilio_signature="required",
        attributes={"inbox": "inbox-123"},
    )


def test_media_url_is_the_template_with_path_and_token() -> None:
    keys = Keys()
    prefix, path, token = mint(keys, "wss://media.example.com|{path}|{token}").split("|")

    assert (prefix, path) == ("wss://media.example.com", "v1/media")
    verified = keys.ring.verify(token)
    assert (verified.tenant_id, verified.route, verified.use) == ("acme", "inbox", "once")
    assert verified.attributes == {"inbox": "inbox-123"}
    assert verified.twilio_signature == "required"


def test_media_url_is_good_for_the_lifetime_of_a_token() -> None:
    keys = Keys()
    assert keys.ring.verify(mint(keys, "{token}")).expires_at == NOW + LIFETIME
    assert timedelta(minutes=5) == LIFETIME


def test_media_url_cannot_be_made_without_the_keys() -> None:
    keys = Keys()
    keys.is_down = True

    with pytest.raises(Unavailable, match="secretsmanager"):
        mint(keys, "{token}")
