"""What all commands rely on: concurrent operators, and the seed."""

from collections.abc import Mapping
from typing import Any

import pytest

from callstream.tenants.directory import (
    Limits,
    Tenant,
    Webhook,
)
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.errors import OperatorError
from callstream_cli.seed import seed_demo_tenant
from tests.unit.cli.commands import ask, ok
from tests.unit.cli.operator.deployed import URL, store_tenant


class TestOperatorsAtTheSameTime:
    def test_changes_of_different_fields_do_not_collide(
        self, acme: Tenant, administration: Administration
    ) -> None:
        def rename_late(_: Tenant) -> Mapping[str, Any]:
            ok("limits", "set", "acme", "asapp", "--per-day", "1")
            return {"name": "New"}

        administration.change_tenant("acme", rename_late)

        assert administration.tenant("acme") == acme.model_copy(
            update={"name": "New", "limits": {"asapp": Limits(per_day=1)}}
        )

    @pytest.mark.usefixtures("acme")
    def test_concurrent_change_of_the_same_field_is_refused(
        self, administration: Administration
    ) -> None:
        def limit_late(tenant: Tenant) -> Mapping[str, Any]:
            ok("limits", "set", "acme", "asapp", "--per-day", "1")
            return {"limits": tenant.limits | {"clerk": Limits(per_day=2)}}

        with pytest.raises(OperatorError, match="just changed or deleted 'acme'; try again"):
            administration.change_tenant("acme", limit_late)
        assert administration.tenant("acme").limits == {"asapp": Limits(per_day=1)}

    @pytest.mark.usefixtures("acme")
    def test_change_does_not_bring_a_deleted_tenant_back(
        self, administration: Administration
    ) -> None:
        def rename_late(_: Tenant) -> Mapping[str, Any]:
            ok("tenants", "delete", "acme", "--yes")
            return {"name": "New"}

        with pytest.raises(OperatorError, match="try again"):
            administration.change_tenant("acme", rename_late)
        assert not list(administration.directory.entries())

    def test_change_of_a_missing_field_does_not_bring_a_deleted_tenant_back(
        self, acme: Tenant, administration: Administration, outputs: Mapping[str, str]
    ) -> None:
        store_tenant(
            outputs, {k: v for k, v in acme.model_dump(mode="json").items() if k != "webhooks"}
        )

        def hook_late(_: Tenant) -> Mapping[str, Any]:
            ok("tenants", "delete", "acme", "--yes")
            return {"webhooks": {"telnyx": Webhook(url=URL)}}

        with pytest.raises(OperatorError, match="try again"):
            administration.change_tenant("acme", hook_late)
        assert not list(administration.directory.entries())

    def test_deleted_tenant_gets_no_credential_and_no_inbox(
        self, acme: Tenant, administration: Administration
    ) -> None:
        ok("tenants", "delete", "acme", "--yes")

        with pytest.raises(OperatorError, match="try again"):
            administration.create_credential(acme, "asapp")
        assert not list(administration.directory.entries())

    def test_fields_of_another_version_can_be_changed(
        self, acme: Tenant, outputs: Mapping[str, str]
    ) -> None:
        item = acme.model_dump(mode="json") | {"limits": {"clerk": {"per_day": 5}}}
        del item["webhooks"]
        store_tenant(outputs, item)

        limits = ask("limits", "set", "acme", "asapp", "--per-day", "1")
        assert limits["asapp"] == {"per_second": 100, "per_day": 1}
        assert limits["clerk"] == {"per_second": 100, "per_day": 5}
        assert ask("webhooks", "set", "acme", "telnyx", URL).keys() == {"telnyx"}


def test_seed_makes_the_credentials_of_stack_json(outputs: Mapping[str, str]) -> None:
    _, seeded = seed_demo_tenant(outputs)

    assert {surface: list(names) for surface, names in seeded.items()} == {
        "asapp": ["id", "secret"],
        "clerk": ["api_key"],
        "telnyx": ["api_key", "public_key"],
        "signalwire": ["project_id", "api_token", "signing_key"],
        "twilio": ["account_sid", "auth_token"],
    }
    shown = ask("tenants", "show", "demo")
    assert seeded["signalwire"]["project_id"] == shown["project_id"]
    assert seeded["twilio"]["account_sid"] == shown["account_sid"]
    assert {c["label"] for c in ask("credentials", "list", "demo")} == {"demo"}
    assert ask("inboxes", "list", "demo")[0]["external_id"] == "inbox-123"
