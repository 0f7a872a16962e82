"""The inboxes' commands."""

import pytest

from callstream.tenants.directory import (
    Directory,
    Inbox,
)
from callstream_cli.operator.administration import Administration
from tests.unit.cli.commands import ask, ok, refusal


@pytest.mark.usefixtures("acme")
class TestInboxes:
    def test_create_list_and_delete(self, directory: Directory) -> None:
        assert ok("inboxes", "list", "acme") == "acme has no inboxes.\n"
        assert ask("inboxes", "create", "acme", "in box/2", "--name", "Two") == {
            "tenant_id": "acme",
            "external_id": "in box/2",
            "name": "Two",
        }
        assert ok("inboxes", "create", "acme", "inbox-1") == "acme has the inbox inbox-1.\n"
        assert [inbox["external_id"] for inbox in ask("inboxes", "list", "acme")] == [
            "in box/2",
            "inbox-1",
        ]
        assert [line.split() for line in ok("inboxes", "list", "acme").splitlines()] == [
            ["inbox", "name"],
            ["in", "box/2", "Two"],
            ["inbox-1"],
        ]

        assert ask("inboxes", "delete", "acme", "inbox-1", "--yes")["external_id"] == "inbox-1"
        assert directory.inbox("acme", "inbox-1") is None
        assert refusal("inboxes", "delete", "acme", "inbox-1", "--yes") == (
            "acme has no inbox 'inbox-1'"
        )

    def test_create_does_not_overwrite(self, directory: Directory) -> None:
        ok("inboxes", "create", "acme", "inbox-1", "--name", "One")

        assert refusal("inboxes", "create", "acme", "inbox-1") == (
            "acme has an inbox 'inbox-1' already"
        )
        assert directory.inbox("acme", "inbox-1") == Inbox(
            tenant_id="acme", external_id="inbox-1", name="One"
        )

    def test_equal_ids_of_two_tenants_are_two_inboxes(self, administration: Administration) -> None:
        administration.create_tenant("other", "Other")
        administration.create_inbox("other", "inbox-1", "")

        assert ask("inboxes", "list", "acme") == []
        assert ask("inboxes", "create", "acme", "inbox-1")["tenant_id"] == "acme"

    def test_bad_id_is_refused(self) -> None:
        assert refusal("inboxes", "create", "acme", "", status=2) == (
            "external_id: String should have at least 1 character"
        )
