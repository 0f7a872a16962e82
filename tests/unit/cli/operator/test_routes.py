"""The routes' commands."""

import pytest

from callstream.tenants.directory import (
    Directory,
    Tenant,
)
from tests.unit.cli.commands import ask, ok, refusal


@pytest.mark.usefixtures("acme")
class TestRoutes:
    def test_remove_add_and_list(self, directory: Directory) -> None:
        assert ask("routes", "remove", "acme", "genagent", "autotranscribe") == []
        assert ok("routes", "list", "acme") == "acme has no routes.\n"
        assert ask("routes", "remove", "acme", "genagent") == []
        assert ask("routes", "add", "acme", "genagent") == ["genagent"]
        assert ask("routes", "add", "acme", "genagent", "autotranscribe") == [
            "autotranscribe",
            "genagent",
        ]
        lines = ok("routes", "list", "acme").splitlines()
        assert [line.strip() for line in lines] == ["route", "autotranscribe", "genagent"]
        assert ask("routes", "list", "acme") == ["autotranscribe", "genagent"]
        stored = directory.tenant("acme")
        assert stored is not None
        assert stored.routes == {"autotranscribe", "genagent"}

    @pytest.mark.parametrize("command", ["add", "remove"])
    def test_unknown_route_is_refused(self, command: str) -> None:
        assert refusal("routes", command, "acme", "genagents", status=2) == (
            "'genagents' is not a route; there are: autotranscribe, genagent"
        )

    def test_route_of_an_older_version_can_be_removed(
        self, acme: Tenant, directory: Directory
    ) -> None:
        directory.save(acme.model_copy(update={"routes": frozenset({"old", "genagent"})}))

        assert ask("routes", "remove", "acme", "old") == ["genagent"]
