"""The credentials' commands."""

import re
from datetime import datetime
from typing import Any

import pytest

from callstream.tenants.credentials import CREDENTIAL_FORMS, matches
from callstream.tenants.directory import (
    SURFACES,
    Credential,
    Directory,
    Tenant,
)
from callstream_cli.operator.administration import Administration
from tests.unit.cli.commands import ask, ok, refusal, run
from tests.unit.cli.operator.deployed import PEPPER


class TestCredentials:
    @pytest.mark.parametrize("surface", SURFACES)
    def test_create(self, acme: Tenant, directory: Directory, surface: Any) -> None:
        created = ask("credentials", "create", "acme", surface, "--label", "blue")

        shown = created.pop("shown_once")
        match surface:
            case "asapp":
                credential_id, secret = shown.pop("id"), shown.pop("secret")
            case "signalwire":
                assert shown.pop("project_id") == str(acme.project_id)
                credential_id, secret = CREDENTIAL_FORMS["signalwire"].split(shown.pop("api_token"))
            case "twilio":
                account_sid, secret = shown.pop("account_sid"), shown.pop("auth_token")
                assert account_sid == acme.account_id("twilio")
                assert ask("callback-keys", "show", "acme")["twilio"] == {"auth_token": secret}
                credential_id = f"{account_sid}.{secret[:8]}"
            case _:
                credential_id, secret = CREDENTIAL_FORMS[surface].split(shown.pop("api_key"))
        assert not shown
        stored = directory.credential(surface, credential_id)
        assert stored is not None
        assert matches(secret, PEPPER, stored.secret_hash)
        assert created == {
            "surface": surface,
            "credential_id": credential_id,
            "tenant_id": "acme",
            "scopes": sorted(CREDENTIAL_FORMS[surface].scopes),
            "enabled": True,
            "created_at": created["created_at"],
            "label": "blue",
        }
        assert datetime.fromisoformat(created["created_at"]) == stored.created_at

    @pytest.mark.usefixtures("acme")
    def test_create_shows_people_the_secret_once(self, directory: Directory) -> None:
        result = run("credentials", "create", "acme", "asapp")

        [stored] = [entry for entry in directory.entries() if isinstance(entry, Credential)]
        fields = dict(line.split() for line in result.stdout.splitlines())
        assert fields.keys() == {"id", "secret"}
        assert fields["id"] == stored.credential_id
        assert matches(fields["secret"], PEPPER, stored.secret_hash)
        assert result.stderr == "The secret is not stored and will not be shown again.\n"

    def test_create_makes_twilios_api_keys(self, acme: Tenant, directory: Directory) -> None:
        shown = [
            ask("credentials", "create", "acme", "twilio", "--api-key")["shown_once"]
            for _ in range(2)
        ]

        for each in shown:
            assert list(each) == ["account_sid", "api_key", "api_secret"]
            assert each["account_sid"] == acme.account_id("twilio")
            assert re.fullmatch("SK[0-9a-f]{32}", each["api_key"])
            stored = directory.credential("twilio", each["api_key"])
            assert stored is not None
            assert matches(each["api_secret"], PEPPER, stored.secret_hash)
        assert refusal("credentials", "create", "acme", "clerk", "--api-key", status=2) == (
            "--api-key is for twilio alone"
        )

    @pytest.mark.usefixtures("acme")
    def test_create_makes_each_auth_token_once(self, directory: Directory) -> None:
        first = run("credentials", "create", "acme", "twilio")
        assert "callback-keys show" in first.stderr
        assert "AuthToken already" in refusal("credentials", "create", "acme", "twilio")

        ask("callback-keys", "rotate", "acme", "--yes")
        second = ask("credentials", "create", "acme", "twilio")

        # Both are good until the first is revoked.
        old = dict(line.rsplit(maxsplit=1) for line in first.stdout.splitlines())
        assert old["account_sid"] == second["shown_once"]["account_sid"]
        assert old["auth_token"] != second["shown_once"]["auth_token"]
        ids = [each["credential_id"] for each in ask("credentials", "list")]
        assert len({*ids}) == 2
        stored = [directory.credential("twilio", each) for each in ids]
        assert [each.enabled for each in stored if each is not None] == [True, True]

    @pytest.mark.usefixtures("acme")
    def test_secret_is_shown_by_no_other_command(self) -> None:
        created = ask("credentials", "create", "acme", "asapp")
        credential_id, secret = created["shown_once"]["id"], created["shown_once"]["secret"]

        for arguments in (
            ["credentials", "list"],
            ["tenants", "list"],
            ["tenants", "show", "acme"],
            ["credentials", "revoke", "acme", "asapp", credential_id, "--yes"],
            ["credentials", "delete", "acme", "asapp", credential_id, "--yes"],
            ["keys", "list"],
            ["keys", "rotate"],
        ):
            for form in ([], ["--json"]):
                # What has been deleted is refused the second time.
                result = run(*arguments, *form)
                for hidden in (secret, "hash", PEPPER, "only-for-tests", "master"):
                    assert hidden not in result.output

    @pytest.mark.usefixtures("acme")
    def test_create_with_scopes(self) -> None:
        created = ask("credentials", "create", "acme", "asapp", "--scope", "genagent")

        assert created["scopes"] == ["genagent"]
        assert refusal("credentials", "create", "acme", "asapp", "--scope", "Voice", status=2) == (
            "'Voice' is not a scope of asapp; there are: autotranscribe, genagent"
        )
        assert len(ask("credentials", "list")) == 1

    def test_list(self, acme: Tenant, administration: Administration) -> None:
        assert ok("credentials", "list") == "There are no credentials.\n"
        other = administration.create_tenant("other", "Other")
        mine = [administration.create_credential(acme, "asapp", label="new") for _ in range(2)]
        administration.create_credential(acme, "clerk")
        administration.create_credential(other, "asapp", scopes=[])

        assert len(ask("credentials", "list")) == 4
        assert [c["surface"] for c in ask("credentials", "list", "acme")] == [
            "asapp",
            "asapp",
            "clerk",
        ]
        listed = ask("credentials", "list", "acme", "--surface", "asapp")
        assert [c["credential_id"] for c in listed] == [i.credential.credential_id for i in mine]
        assert "secret_hash" not in listed[0]
        header, first, *_, last = ok("credentials", "list").splitlines()
        assert header.split() == [
            "tenant",
            "surface",
            "credential",
            "state",
            "scopes",
            "created",
            "(UTC)",
            "label",
        ]
        assert first.split()[:6] == [
            "acme",
            "asapp",
            mine[0].credential.credential_id,
            "good",
            "autotranscribe,",
            "genagent",
        ]
        assert first.split()[-1] == "new"
        assert last.split()[:2] == ["other", "asapp"]
        assert last.split()[3:5] == ["good", "none"]

    def test_revoke_and_delete(
        self, acme: Tenant, administration: Administration, directory: Directory
    ) -> None:
        kept = administration.create_credential(acme, "asapp").credential
        issued = administration.create_credential(acme, "asapp").credential

        assert ask("credentials", "revoke", "acme", "asapp", issued.credential_id, "--yes") == (
            issued.model_dump(mode="json", exclude={"secret_hash"}) | {"enabled": False}
        )
        revoked = directory.credential("asapp", issued.credential_id)
        assert revoked == issued.model_copy(update={"enabled": False})
        assert "revoked" in ok("credentials", "list")

        assert ok("credentials", "delete", "acme", "asapp", issued.credential_id, "--yes") == (
            f"Deleted the asapp credential {issued.credential_id} of acme.\n"
        )
        assert directory.credential("asapp", issued.credential_id) is None
        assert directory.credential("asapp", kept.credential_id) == kept

    @pytest.mark.parametrize("command", ["revoke", "delete"])
    def test_missing_credential_is_reported(
        self, acme: Tenant, administration: Administration, command: str
    ) -> None:
        issued = administration.create_credential(acme, "asapp").credential

        assert refusal("credentials", command, "acme", "clerk", issued.credential_id, "--yes") == (
            f"acme has no credential '{issued.credential_id}' for clerk"
        )
