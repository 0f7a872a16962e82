"""The webhooks' commands."""

import pytest

from callstream.tenants.directory import (
    Directory,
    Webhook,
)
from tests.unit.cli.commands import ask, ok, refusal
from tests.unit.cli.operator.deployed import URL


@pytest.mark.usefixtures("acme")
class TestWebhooks:
    def test_set_show_and_clear(self, directory: Directory) -> None:
        assert ok("webhooks", "show", "acme") == "acme has no webhooks.\n"
        telnyx = {"url": URL, "failover_url": f"{URL}/2"}

        assert ask("webhooks", "set", "acme", "telnyx", URL, "--failover", f"{URL}/2") == {
            "telnyx": telnyx
        }
        assert ask("webhooks", "set", "acme", "asapp", URL) == {
            "telnyx": telnyx,
            "asapp": {"url": URL, "failover_url": None},
        }
        assert [line.split() for line in ok("webhooks", "show", "acme").splitlines()] == [
            ["surface", "url", "failover"],
            ["asapp", URL, "none"],
            ["telnyx", URL, f"{URL}/2"],
        ]
        stored = directory.tenant("acme")
        assert stored is not None
        assert stored.webhooks == {
            "asapp": Webhook(url=URL),
            "telnyx": Webhook(url=URL, failover_url=f"{URL}/2"),
        }
        # Nothing of the old one stays.
        assert ask("webhooks", "set", "acme", "telnyx", URL)["telnyx"]["failover_url"] is None
        assert ask("webhooks", "clear", "acme", "telnyx").keys() == {"asapp"}
        assert ask("webhooks", "clear", "acme", "telnyx") == ask("webhooks", "show", "acme")

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["hooks"], "url: Input should be a valid URL, relative URL without a base"),
            (["wss://a.example/"], "url: URL scheme should be 'http' or 'https'"),
            (
                [URL, "--failover", "x"],
                "failover_url: Input should be a valid URL, relative URL without a base",
            ),
            (["https://me:pw@a.example/"], "url: The URL must have no user name and no password"),
        ],
    )
    def test_bad_url_is_refused(self, arguments: list[str], reason: str) -> None:
        assert refusal("webhooks", "set", "acme", "telnyx", *arguments, status=2) == reason
        assert ask("webhooks", "show", "acme") == {}
