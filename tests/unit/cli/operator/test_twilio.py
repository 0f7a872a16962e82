"""The commands for Twilio's signatures."""

import json
from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from typer.testing import Result

from callstream.tenants.directory import (
    Directory,
    Tenant,
)
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.signatures import set_twilio
from tests.unit.cli.commands import ask, ok, refusal, run
from tests.unit.cli.operator.deployed import (
    AUTH_TOKEN,
    TWILIO_PREFIX,
    store_tenant,
)


class TestTwilio:
    @pytest.fixture(autouse=True)
    def _acme(self, acme: Tenant) -> None:
        """Every command here is about it."""

    def stored(self) -> dict[str, str]:
        """All auth tokens, by the name of their secret."""
        client = boto3.client("secretsmanager")
        return {
            secret["Name"]: client.get_secret_value(SecretId=secret["Name"])["SecretString"]
            for secret in client.list_secrets()["SecretList"]
            if secret["Name"].startswith(TWILIO_PREFIX)
        }

    def set_(self, *arguments: str, typed: str = f"{AUTH_TOKEN}\n") -> Result:
        """`twilio set acme`, with something on standard input."""
        return run("twilio", "set", "acme", *arguments, answer=typed)

    def test_set_show_and_clear(self, directory: Directory) -> None:
        assert ask("twilio", "show", "acme") == {"signature": "off", "auth_token_stored": False}

        done = self.set_("--signature", "required", "--auth-token", "-", "--json")
        required = {"signature": "required", "auth_token_stored": True}
        assert json.loads(done.stdout) == required == ask("twilio", "show", "acme")
        assert self.stored() == {f"{TWILIO_PREFIX}acme": AUTH_TOKEN}
        assert ask("tenants", "show", "acme")["twilio_signature"] == "required"
        tenant = directory.tenant("acme")
        assert tenant is not None
        assert tenant.twilio_signature == "required"

        # What is not given stays.
        on = {"signature": "on", "auth_token_stored": True}
        assert ask("twilio", "set", "acme", "--signature", "on") == on
        assert self.stored() == {f"{TWILIO_PREFIX}acme": AUTH_TOKEN}
        assert json.loads(self.set_("--auth-token", "-", "--json", typed="another1").stdout) == on
        assert self.stored() == {f"{TWILIO_PREFIX}acme": "another1"}
        off = {"signature": "off", "auth_token_stored": True}
        assert ask("twilio", "set", "acme", "--signature", "off") == off

        ok("twilio", "set", "acme", "--signature", "on")
        cleared = {"signature": "off", "auth_token_stored": False}
        assert ask("twilio", "clear", "acme", "--yes") == cleared
        assert self.stored() == {}
        assert ask("twilio", "clear", "acme", "--yes") == cleared == ask("twilio", "show", "acme")

    def test_output_for_people(self) -> None:
        assert ok("twilio", "show", "acme").split() == ["signature", "off", "auth", "token", "none"]
        self.set_("--auth-token", "-")
        shown = ok("twilio", "set", "acme", "--signature", "on").split()
        assert shown == ["signature", "on", "auth", "token", "stored"]

    @pytest.mark.parametrize("mode", ["on", "required"])
    def test_nothing_is_checked_without_an_auth_token(self, mode: str) -> None:
        assert refusal("twilio", "set", "acme", "--signature", mode) == (
            "acme has no Twilio auth token yet: give --auth-token -"
        )
        assert ask("twilio", "show", "acme")["signature"] == "off"

    def test_set_needs_an_option(self) -> None:
        assert refusal("twilio", "set", "acme", status=2) == (
            "give --signature (off, on, required), --auth-token - or both"
        )

    def test_unknown_mode_is_refused(self) -> None:
        result = run("twilio", "set", "acme", "--signature", "maybe", COLUMNS="200")

        assert result.exit_code == 2
        assert "'maybe' is not one of 'off', 'on', 'required'" in result.stderr

    def test_auth_token_is_refused_as_an_argument(self) -> None:
        line = refusal("twilio", "set", "acme", "--auth-token", AUTH_TOKEN, status=2)

        assert line == "--auth-token takes - only: the token is read from standard input"
        assert not self.stored()

    @pytest.mark.parametrize(
        "typed", ["", "\n", "two words", "tok\nen", "é" * 32, "x" * 257, "x" * 5000, "a-b"]
    )
    def test_text_that_is_not_an_auth_token_is_not_stored(self, typed: str) -> None:
        result = self.set_("--signature", "on", "--auth-token", "-", typed=typed)

        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == (
            "callstream: that is not an auth token: it has letters and digits only, up to 256\n"
        )
        assert not self.stored()
        assert ask("twilio", "show", "acme")["signature"] == "off"

    def test_terminal_is_asked_for_the_auth_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def prompt(text: str, **options: Any) -> str:
            asked.append((text, options))
            return AUTH_TOKEN

        monkeypatch.setattr("callstream_cli.operator.twilio._is_terminal", lambda: True)
        monkeypatch.setattr("typer.prompt", prompt)
        self.set_("--auth-token", "-")

        assert asked == [("Twilio auth token", {"hide_input": True, "err": True})]
        assert self.stored() == {f"{TWILIO_PREFIX}acme": AUTH_TOKEN}

    def test_auth_token_is_never_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        for form in ([], ["--json"]):
            results = [
                self.set_("--signature", "on", "--auth-token", "-", *form),
                run("twilio", "show", "acme", *form),
                run("tenants", "show", "acme", *form),
                run("tenants", "list", *form),
                run("twilio", "clear", "acme", "--yes", *form),
            ]
            assert not any(AUTH_TOKEN in result.output for result in results)
            assert all(result.exit_code == 0 for result in results)
        assert AUTH_TOKEN not in caplog.text

    def test_auth_token_is_deleted_with_its_tenant(self, administration: Administration) -> None:
        administration.create_tenant("acme2", "Other")
        set_twilio(administration, "acme", "on", AUTH_TOKEN)
        set_twilio(administration, "acme2", "on", "another1")

        ok("tenants", "delete", "acme", "--yes")
        assert self.stored() == {f"{TWILIO_PREFIX}acme2": "another1"}

    def test_tenant_of_an_older_version_has_signatures_off(
        self, acme: Tenant, outputs: Mapping[str, str]
    ) -> None:
        item = acme.model_dump(mode="json")
        del item["twilio_signature"]
        store_tenant(outputs, item)

        assert ask("twilio", "show", "acme")["signature"] == "off"
        assert json.loads(self.set_("--signature", "on", "--auth-token", "-", "--json").stdout)
        assert ask("twilio", "show", "acme")["signature"] == "on"
