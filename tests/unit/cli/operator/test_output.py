"""How answers look."""

import re

from callstream.tenants.directory import (
    Tenant,
)
from callstream_cli.operator.administration import Administration
from tests.unit.cli.commands import ok, run


class TestTerminal:
    def test_table_cuts_nothing_off(self, acme: Tenant, administration: Administration) -> None:
        issued = administration.create_credential(acme, "asapp", label="of the blue server")
        narrow = {"COLUMNS": "20", "TTY_COMPATIBLE": "1", "NO_COLOR": "1"}

        listed = ok("credentials", "list", **narrow)
        assert "─" in listed
        assert issued.credential.credential_id in listed
        assert "of the blue server" in listed
        assert str(acme.project_id) in ok("tenants", "list", **narrow)
        shown = run("credentials", "create", "acme", "signalwire", **narrow).stdout
        assert str(acme.project_id) in shown
        assert re.search(r"PT[0-9a-f]{16}_[A-Za-z0-9_-]{43}", shown)

    def test_text_has_no_frames_and_no_colours(self, acme: Tenant) -> None:
        text = ok("tenants", "list") + ok("tenants", "show", acme.tenant_id)

        assert text.isascii()
        assert text.replace("\n", "").isprintable()
