"""The tenants' commands."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine

from callstream.tenants.directory import (
    Directory,
    Limits,
    Tenant,
    Webhook,
)
from callstream.tenants.running_limits import RunningLimits
from callstream_cli.operator.administration import Administration
from tests.unit.cli.commands import ask, ok, refusal
from tests.unit.cli.operator.deployed import DEFAULT_LIMITS, URL, store_tenant


class TestTenants:
    def test_create(self, directory: Directory) -> None:
        created = ask("tenants", "create", "acme", "--name", "Acme Inc.")

        project = UUID(created["project_id"])
        assert created == {
            "tenant_id": "acme",
            "name": "Acme Inc.",
            "project_id": str(project),
            "account_sid": f"AC{project.hex}",
            "enabled": True,
            "limits": DEFAULT_LIMITS,
            "routes": ["autotranscribe", "genagent"],
            "webhooks": {},
            "twilio_signature": "off",
            "always_redacts": False,
            "engine_vocabularies": {},
            "running": asdict(RunningLimits()),
        }
        tenant = directory.tenant("acme")
        assert tenant is not None
        assert tenant == Tenant(
            tenant_id="acme",
            name="Acme Inc.",
            project_id=project,
            callback_key_id=tenant.callback_key_id,
            routes=frozenset({"autotranscribe", "genagent"}),
        )

    def test_create_has_defaults(self) -> None:
        created = ask("tenants", "create", "acme", "--route", "genagent")

        assert created["name"] == "acme"
        assert created["routes"] == ["genagent"]

    def test_create_does_not_overwrite(self, acme: Tenant, directory: Directory) -> None:
        line = refusal("tenants", "create", "acme", "--name", "Another")

        assert line == "there is a tenant 'acme' already"
        assert directory.tenant("acme") == acme

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["a b"], "tenant_id: String should match pattern '^[A-Za-z0-9_.:@+-]+$'"),
            (["x" * 129], "tenant_id: String should have at most 128 characters"),
            (["a", "--name", "x" * 201], "name: String should have at most 200 characters"),
            (
                ["a", "--route", "everything"],
                "'everything' is not a route; there are: autotranscribe, genagent",
            ),
        ],
    )
    def test_create_refuses_bad_values(
        self, directory: Directory, arguments: list[str], reason: str
    ) -> None:
        assert refusal("tenants", "create", *arguments, status=2) == reason
        assert not list(directory.entries())

    def test_list(self, administration: Administration) -> None:
        assert ask("tenants", "list") == []
        assert ok("tenants", "list") == "There are no tenants.\n"
        for tenant_id in ("zeta", "acme"):
            administration.create_tenant(tenant_id, f"{tenant_id} [bold]Inc.[/bold]")
        administration.create_inbox("acme", "inbox-1", "")
        ok("tenants", "disable", "zeta", "--yes")

        listed = ask("tenants", "list")
        assert [tenant["tenant_id"] for tenant in listed] == ["acme", "zeta"]
        assert listed[0] == ask("tenants", "show", "acme")
        header, first, second = ok("tenants", "list").splitlines()
        assert header.split() == ["tenant", "name", "state", "routes", "project"]
        # What a name holds is shown as it is.
        assert first.split()[:4] == ["acme", "acme", "[bold]Inc.[/bold]", "enabled"]
        assert second.split()[3:] == [
            "disabled",
            "autotranscribe,",
            "genagent",
            listed[1]["project_id"],
        ]

    def test_update_changes_what_is_given(self, acme: Tenant, directory: Directory) -> None:
        assert ask("tenants", "update", "acme", "--always-redact")["always_redacts"]
        ok("tenants", "update", "acme", "--name", "Acme & Co.")
        changed = acme.model_copy(update={"name": "Acme & Co.", "always_redacts": True})
        assert directory.tenant("acme") == changed

        assert not ask("tenants", "update", "acme", "--redact-as-asked")["always_redacts"]
        line = refusal("tenants", "update", "acme", status=2)
        assert line == "give --name, --always-redact, --redact-as-asked or --vocabulary"

    def test_update_changes_the_vocabulary_of_a_language(self, acme: Tenant) -> None:
        def update(*vocabularies: str) -> object:
            options = [part for each in vocabularies for part in ("--vocabulary", each)]
            return ask("tenants", "update", acme.tenant_id, *options)["engine_vocabularies"]

        assert update("en-US=bills", "es-US=facturas") == {"en-US": "bills", "es-US": "facturas"}
        assert "vocabulary en-US bills" in " ".join(ok("tenants", "show", "acme").split())
        assert update("es-US=") == {"en-US": "bills"}
        assert "LANGUAGE=NAME" in refusal(
            "tenants", "update", "acme", "--vocabulary", "x", status=2
        )
        for wrong in ("english=bills", "en-US=our bills"):
            refusal("tenants", "update", "acme", "--vocabulary", wrong, status=2)
        assert ask("tenants", "show", "acme")["engine_vocabularies"] == {"en-US": "bills"}

    def test_show(self, acme: Tenant, directory: Directory) -> None:
        directory.save(
            acme.model_copy(
                update={
                    "limits": {"asapp": Limits(per_second=None, per_day=7)},
                    "webhooks": {"telnyx": Webhook(url=URL, failover_url=f"{URL}/2")},
                }
            )
        )

        assert [" ".join(line.split()) for line in ok("tenants", "show", "acme").splitlines()] == [
            "tenant acme",
            "name Acme",
            "state enabled",
            f"project {acme.project_id}",
            f"account sid AC{acme.project_id.hex}",
            "routes autotranscribe, genagent",
            "twilio signature off",
            "transcripts as asked",
            "limits asapp none a second, 7 a day",
            "limits clerk 100 a second, none a day (default)",
            "limits telnyx 100 a second, none a day (default)",
            "limits signalwire 100 a second, none a day (default)",
            "limits twilio 100 a second, none a day (default)",
            f"webhook telnyx {URL}",
            f"failover telnyx {URL}/2",
        ]
        shown = ask("tenants", "show", "acme")
        assert shown["limits"] == DEFAULT_LIMITS | {"asapp": {"per_second": None, "per_day": 7}}
        assert shown["webhooks"] == {"telnyx": {"url": URL, "failover_url": f"{URL}/2"}}

    def test_update(self, acme: Tenant, directory: Directory) -> None:
        assert ask("tenants", "update", "acme", "--name", "New")["name"] == "New"
        assert directory.tenant("acme") == acme.model_copy(update={"name": "New"})
        assert refusal("tenants", "update", "acme", "--name", "", status=2) == (
            "name: String should have at least 1 character"
        )

    def test_disable_and_enable(self, acme: Tenant, directory: Directory) -> None:
        assert ask("tenants", "disable", "acme", "--yes")["enabled"] is False
        assert directory.tenant("acme") == acme.model_copy(update={"enabled": False})
        assert "disabled" in ok("tenants", "show", "acme")
        assert ask("tenants", "enable", "acme")["enabled"] is True
        assert directory.tenant("acme") == acme

    def test_delete_takes_everything_of_the_tenant_and_nothing_else(
        self, acme: Tenant, administration: Administration
    ) -> None:
        other = administration.create_tenant("acme2", "Other")
        for tenant in (acme, other):
            administration.create_inbox(tenant.tenant_id, "inbox-1", "")
            administration.create_credential(tenant, "asapp")
            administration.create_credential(tenant, "clerk")

        with time_machine.travel("2026-11-21T12:00:00Z", tick=False):
            deleted = ask("tenants", "delete", "acme", "--yes")
        assert deleted == {
            "tenant_id": "acme",
            "credentials": 2,
            "inboxes": 1,
            "id_kept_until": "2027-01-04T12:00:00+00:00",
        }
        left = list(administration.directory.entries())
        assert len(left) == 4
        assert {entry.tenant_id for entry in left} == {"acme2"}

    def test_repeated_delete_takes_the_rest(
        self, acme: Tenant, administration: Administration
    ) -> None:
        administration.create_inbox("acme", "inbox-1", "")
        administration.directory.delete(acme)

        with time_machine.travel("2026-11-21T12:00:00Z", tick=False):
            assert ok("tenants", "delete", "acme", "--yes") == (
                "Deleted acme, credentials: 0, inboxes: 1. "
                "The id is kept from new tenants until 2027-01-04.\n"
            )
        assert refusal("tenants", "delete", "acme", "--yes") == "there is no tenant 'acme'"

    def test_deleted_id_has_no_next_owner_while_its_calls_are_kept(
        self, acme: Tenant, administration: Administration
    ) -> None:
        with time_machine.travel("2026-11-21T12:00:00Z", tick=False) as clock:
            # Calls still run; their state is kept for 30 days, given-up callbacks for 14.
            ok("tenants", "delete", "acme", "--yes")
            for later in (timedelta(), timedelta(days=43, hours=23)):
                clock.shift(later)
                assert refusal("tenants", "create", "acme") == (
                    "a deleted tenant had the id 'acme', which is kept until 2027-01-04 12:00 UTC: "
                    "choose another id"
                )
            assert administration.directory.tenant("acme") is None
            assert refusal("tenants", "delete", "acme", "--yes") == "there is no tenant 'acme'"

            clock.shift(timedelta(hours=1))
            assert ask("tenants", "create", "acme")["project_id"] != str(acme.project_id)
            assert refusal("tenants", "create", "acme") == "there is a tenant 'acme' already"

    def test_interrupted_deletion_keeps_the_id(
        self, acme: Tenant, administration: Administration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(administration.twilio_auth_tokens, "delete", interrupt)
        with pytest.raises(KeyboardInterrupt):
            administration.delete_tenant(acme.tenant_id)

        assert refusal("tenants", "create", "acme").startswith("a deleted tenant had the id")

    def test_unreadable_stored_tenant_is_reported(
        self, acme: Tenant, outputs: Mapping[str, str]
    ) -> None:
        store_tenant(outputs, acme.model_dump(mode="json") | {"name": "", "novel": "s3cret"})

        assert refusal("tenants", "list") == (
            "this version cannot read a Tenant that is stored: name: String should have at least "
            "1 character; novel: Extra inputs are not permitted"
        )
