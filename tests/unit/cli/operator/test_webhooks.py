"""The webhooks' commands."""

import pytest
from pydantic import ValidationError

from callstream.tenants.directory import (
    Directory,
    Webhook,
)
from tests.unit.cli.commands import ask, ok, refusal, run
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
            (
                ["https://me%3A:pw@a.example/"],
                (
                    "url: The user name and the password in the URL must be percent-encoded UTF-8, "
                    "without control characters and, in the user name, without a colon"
                ),
            ),
        ],
    )
    def test_bad_url_is_refused(self, arguments: list[str], reason: str) -> None:
        assert refusal("webhooks", "set", "acme", "telnyx", *arguments, status=2) == reason
        assert ask("webhooks", "show", "acme") == {}

    def test_password_is_stored_and_not_shown(self, directory: Directory) -> None:
        url, failover = "https://me:s3cret@a.example/cb?x=1", "https://you:s3cret@b.example/"
        given = f"{url}\n{failover}\n"
        result = run("webhooks", "set", "acme", "telnyx", "-", "--failover", "-", answer=given)
        assert result.exit_code == 0

        stored = directory.tenant("acme")
        assert stored is not None
        assert stored.webhooks == {"telnyx": Webhook(url=url, failover_url=failover)}
        shown = {
            "telnyx": {
                "url": "https://***@a.example/cb?x=1",
                "failover_url": "https://***@b.example/",
            }
        }
        assert ask("webhooks", "show", "acme") == shown
        assert ask("tenants", "show", "acme")["webhooks"] == shown
        for command in ("webhooks", "tenants"):
            text = ok(command, "show", "acme")
            assert "https://***@a.example/cb?x=1" in text
            assert "s3cret" not in result.output + text

    def test_secret_is_made_and_shown_once(self, directory: Directory) -> None:
        made = ask("webhooks", "set", "acme", "asapp", URL, "--secret-header", "X-Hook-Secret")

        secret = made["asapp"].pop("secret")
        assert made == {
            "asapp": {"url": URL, "failover_url": None, "secret_header": "X-Hook-Secret"}
        }
        assert len(secret) > 20
        stored = directory.tenant("acme")
        assert stored is not None
        assert stored.webhooks["asapp"].secret_headers == {"x-hook-secret": secret}
        assert ask("webhooks", "show", "acme")["asapp"]["secret"] == "***"
        for command in ("webhooks", "tenants"):
            text = ok(command, "show", "acme")
            assert "X-Hook-Secret" in text
            assert secret not in text
        again = run("webhooks", "set", "acme", "asapp", URL, "--secret-header", "X-Hook-Secret")
        assert secret not in again.output
        assert "will not be shown again" in again.stderr
        # Nothing of the old one stays.
        assert ask("webhooks", "set", "acme", "asapp", URL) == {
            "asapp": {"url": URL, "failover_url": None}
        }

    def test_secret_is_read_from_standard_input_and_not_shown(self, directory: Directory) -> None:
        arguments = ["asapp", "-", "--secret-header", "Authorization", "--secret", "-"]
        given = f"{URL}\nBearer s3cret\n"
        result = run("webhooks", "set", "acme", *arguments, answer=given)

        assert result.exit_code == 0
        assert "s3cret" not in result.output
        stored = directory.tenant("acme")
        assert stored is not None
        assert stored.webhooks["asapp"].secret_headers == {"authorization": "Bearer s3cret"}
        assert "s3cret" not in repr(stored)

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (
                ["telnyx", URL, "--secret-header", "X-A"],
                "--secret-header is for asapp only: other callbacks are signed",
            ),
            (["asapp", URL, "--secret", "-"], "--secret needs --secret-header"),
            (
                ["asapp", URL, "--secret-header", "X-A", "--secret", "s3cret"],
                "--secret takes - only: the secret is read from standard input",
            ),
            (
                ["asapp", URL, "--secret-header", "Content-Type"],
                "secret_header: The requests have this header anyway",
            ),
            (
                ["asapp", "https://me:pw@a.example/", "--secret-header", "authorization"],
                "secret_header: This header has the password of the URL already",
            ),
        ],
    )
    def test_bad_secret_is_refused(self, arguments: list[str], reason: str) -> None:
        assert refusal("webhooks", "set", "acme", *arguments, status=2) == reason

    @pytest.mark.parametrize("value", ["", "two\nlines", "ünicode", " x", "x" * 1025])
    def test_secret_that_is_no_header_is_refused(self, value: str) -> None:
        with pytest.raises(ValidationError):
            Webhook(url=URL, secret_header="X-A", secret=value)
        with pytest.raises(ValidationError):
            Webhook(url=URL, secret_header=f"X {value}", secret="s3cret")

    def test_dialogue_events_are_for_telnyx_and_off_unless_asked_for(
        self, directory: Directory
    ) -> None:
        asked = ["webhooks", "set", "acme", "telnyx", URL, "--dialogue-events"]
        assert ask(*asked)["telnyx"] == {"url": URL, "failover_url": None, "dialogue_events": True}
        tenant = directory.tenant("acme")
        assert tenant is not None
        assert tenant.gets_dialogue_events("telnyx")
        assert not tenant.gets_dialogue_events("asapp")
        assert [line.split()[-2:] for line in ok("webhooks", "show", "acme").splitlines()] == [
            ["dialogue", "events"],
            ["none", "yes"],
        ]
        ok("webhooks", "set", "acme", "telnyx", URL)
        tenant = directory.tenant("acme")
        assert tenant is not None
        assert not tenant.gets_dialogue_events("telnyx")

        assert "for telnyx only" in refusal(
            *("webhooks", "set", "acme", "asapp", *asked[4:]), status=2
        )
        ok("tenants", "update", "acme", "--always-redact")
        assert "nothing in these events is redacted" in refusal(*asked, status=2)
