"""The commands for connections to Dialogflow."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from callstream.adapters import clock
from callstream.dialogues import connection_keys
from callstream.tenants.directory import Tenant
from callstream_cli.operator.administration import Administration
from tests.service_accounts import key_file, private_key
from tests.unit.cli.commands import ask, ok, refusal, run, words
from tests.unit.cli.operator.deployed import DIALOGFLOW_PREFIX

CX = ("--api", "cx", "--profile", "a-VM", "--location", "europe-west2")


class TestConnections:
    @pytest.fixture(autouse=True)
    def _acme(self, acme: Tenant) -> None:
        """Every command here is about it."""

    @pytest.fixture
    def key(self, tmp_path: Path) -> str:
        return self.file(tmp_path, json.dumps(key_file()))

    def file(self, folder: Path, text: str) -> str:
        path = folder / "key.json"
        path.write_text(text)
        return str(path)

    def stored(self, secrets: Any) -> list[tuple[str, str]]:
        """The tenant and connection of each stored key, with the key's project."""
        return sorted(
            (
                each["Name"].removeprefix(DIALOGFLOW_PREFIX).rpartition("/")[0],
                json.loads(secrets.get_secret_value(SecretId=each["Name"])["SecretString"])[
                    "project_id"
                ],
            )
            for each in secrets.list_secrets()["SecretList"]
            if each["Name"].startswith(DIALOGFLOW_PREFIX)
        )

    def test_set_list_and_delete(self, key: str, secrets: Any) -> None:
        assert ask("connections", "list", "acme") == []
        assert ok("connections", "list", "acme") == "acme has no connections.\n"

        made = ask("connections", "set", "acme", "inbox-1", key, *CX, "--language", "de-DE")
        assert made == {
            "tenant_id": "acme",
            "connection_id": "inbox-1",
            "api": "cx",
            "project_id": "pizza-1",
            "conversation_profile_id": "a-VM",
            "location": "europe-west2",
            "environment": None,
            "language": "de-DE",
        }
        assert ask("connections", "list", "acme") == [made]
        assert words(ok("connections", "list", "acme")) == [
            "connection api project profile location environment language",
            "inbox-1 cx pizza-1 a-VM europe-west2 draft de-DE",
        ]
        assert self.stored(secrets) == [("acme/inbox-1", "pizza-1")]

        done = {"tenant_id": "acme", "connection_id": "inbox-1"}
        assert ask("connections", "delete", "acme", "inbox-1", "--yes") == done
        assert self.stored(secrets) == []
        line = refusal("connections", "delete", "acme", "inbox-1", "--yes")
        assert line == "acme has no connection 'inbox-1'"

    def test_set_replaces_the_connection_and_keeps_its_language(
        self, key: str, secrets: Any
    ) -> None:
        ok("connections", "set", "acme", "c", key, *CX, "--language", "de-DE")
        text = json.dumps(key_file(project_id="pizza-2"))
        done = run("connections", "set", "acme", "c", "-", answer=text)

        assert done.stdout == "acme has the connection c, to pizza-2.\n"
        [connection] = ask("connections", "list", "acme")
        assert connection["conversation_profile_id"] is None
        assert (connection["api"], connection["language"]) == ("es", "de-DE")
        assert self.stored(secrets) == [("acme/c", "pizza-2")]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "that is not a key file"),
            ("[]", "that is not a key file"),
            (json.dumps(key_file(type="external_account")), "type: Input should be"),
            (json.dumps(key_file(private_key="s3cret")), "private_key: The value must be"),
            ("s3cret" * 20_000, "that is not a key file"),
        ],
    )
    def test_set_refuses_what_is_no_key_file(
        self, tmp_path: Path, secrets: Any, text: str, reason: str
    ) -> None:
        path = self.file(tmp_path, text)

        line = refusal("connections", "set", "acme", "c", path, status=2)

        assert reason in line
        assert "s3cret" not in line
        assert self.stored(secrets) == []

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["c", "--api", "cx"], "--api cx needs --profile"),
            (["c", "--location", "evil.example.com/"], "location: String should match"),
            (["a/b"], "connection_id: String should match"),
            (["c", "--language", "english"], "language: String should match"),
        ],
    )
    def test_set_refuses_bad_values(
        self, key: str, secrets: Any, arguments: list[str], reason: str
    ) -> None:
        connection_id, *options = arguments

        line = refusal("connections", "set", "acme", connection_id, key, *options, status=2)

        assert line.startswith(reason)
        assert self.stored(secrets) == []

    def test_set_names_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        path = str(tmp_path / "nothing.json")

        line = refusal("connections", "set", "acme", "c", path, status=2)
        assert line == f"{path}: No such file or directory"

    def test_set_is_bounded(self, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection_keys, "MOST_CONNECTIONS", 1)
        ok("connections", "set", "acme", "c1", key)

        line = refusal("connections", "set", "acme", "c2", key)
        assert line == "there are 50 connections already, which is the most"

    def test_delete_asks_first(self, key: str) -> None:
        ok("connections", "set", "acme", "c", key)

        assert run("connections", "delete", "acme", "c", answer="n\n").exit_code == 1
        assert len(ask("connections", "list", "acme")) == 1

    def test_deleting_a_tenant_takes_its_connections_and_all_its_keys(
        self, key: str, secrets: Any, administration: Administration
    ) -> None:
        administration.create_tenant("acme2", "Other")
        for tenant_id in ("acme", "acme2"):
            ok("connections", "set", tenant_id, "c", key)
        # As an interrupted save leaves one over.
        administration.agent_keys.store("acme", "c", "lost", json.dumps(key_file()))

        ok("tenants", "delete", "acme", "--yes")

        assert self.stored(secrets) == [("acme2/c", "pizza-1")]
        with time_machine.travel(clock.now() + timedelta(days=50)):
            administration.create_tenant("acme", "The next owner of the id")
        assert ask("connections", "list", "acme") == []

    def test_repeated_deletion_of_a_tenant_takes_a_connection_that_is_left(
        self, key: str, secrets: Any, administration: Administration, acme: Tenant
    ) -> None:
        ok("connections", "set", "acme", "c", key)
        administration.directory.delete(acme)

        ok("tenants", "delete", "acme", "--yes")
        assert self.stored(secrets) == []
        assert refusal("tenants", "delete", "acme", "--yes") == "there is no tenant 'acme'"

    def test_next_owner_of_an_id_waits_until_the_last_owner_is_deleted(
        self, key: str, administration: Administration, acme: Tenant
    ) -> None:
        ok("connections", "set", "acme", "c", key)
        administration.directory.delete(acme)

        line = refusal("tenants", "create", "acme")
        assert line == "an earlier tenant 'acme' is not wholly deleted: tenants delete acme"

    def test_output_has_no_key(self, key: str) -> None:
        ok("connections", "set", "acme", "c", key)
        shown = ok("connections", "list", "acme") + ok("connections", "list", "acme", "--json")

        assert not any(part in shown for part in ("key_version", private_key()[40:80], "****"))
