"""Arguments and options that the operator's commands share."""

import json

import pytest

from callstream.surfaces import telnyx, telnyx_models
from callstream.tenants.directory import (
    SURFACES,
    Directory,
    Tenant,
)
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.signatures import set_twilio
from tests.unit.cli.commands import refusal, run
from tests.unit.cli.operator.deployed import (
    AGENT,
    AUTH_TOKEN,
    URL,
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["tenants", "show", "nobody"],
        ["tenants", "update", "nobody", "--name", "X"],
        ["tenants", "disable", "nobody", "--yes"],
        ["tenants", "enable", "nobody"],
        ["tenants", "delete", "nobody", "--yes"],
        ["credentials", "create", "nobody", "asapp"],
        ["credentials", "list", "nobody"],
        ["inboxes", "create", "nobody", "inbox-1"],
        ["inboxes", "list", "nobody"],
        ["inboxes", "delete", "nobody", "inbox-1", "--yes"],
        ["routes", "add", "nobody", "genagent"],
        ["routes", "remove", "nobody", "genagent"],
        ["routes", "list", "nobody"],
        ["agents", "add", "nobody", AGENT, "--route", "genagent", "--dialect", "telnyx"],
        ["agents", "list", "nobody"],
        ["agents", "remove", "nobody", "a", "--yes"],
        ["connections", "set", "nobody", "c", "key.json"],
        ["connections", "list", "nobody"],
        ["connections", "delete", "nobody", "c", "--yes"],
        ["limits", "set", "nobody", "asapp", "--per-day", "1"],
        ["limits", "show", "nobody"],
        ["webhooks", "set", "nobody", "telnyx", URL],
        ["webhooks", "clear", "nobody", "telnyx"],
        ["webhooks", "show", "nobody"],
        ["callback-keys", "show", "nobody"],
        ["twilio", "set", "nobody", "--signature", "off"],
        ["twilio", "set", "nobody", "--auth-token", "-"],
        ["twilio", "show", "nobody"],
        ["twilio", "clear", "nobody", "--yes"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_unknown_tenant_is_reported(directory: Directory, arguments: list[str]) -> None:
    assert refusal(*arguments) == "there is no tenant 'nobody'"
    assert refusal(*arguments, "--json") == "there is no tenant 'nobody'"
    assert not list(directory.entries())


@pytest.mark.parametrize(
    "arguments",
    [
        ["credentials", "create", "acme", "vonage"],
        ["credentials", "list", "--surface", "vonage"],
        ["credentials", "revoke", "acme", "vonage", "x"],
        ["credentials", "delete", "acme", "vonage", "x"],
        ["limits", "set", "acme", "vonage", "--per-day", "1"],
        ["webhooks", "set", "acme", "vonage", URL],
        ["webhooks", "clear", "acme", "vonage"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
@pytest.mark.usefixtures("acme")
def test_unknown_surface_is_refused(arguments: list[str]) -> None:
    result = run(*arguments, COLUMNS="200")

    assert (result.exit_code, result.stdout) == (2, "")
    listed = ", ".join(map(repr, SURFACES))
    assert f"'vonage' is not one of {listed}" in result.stderr


def stored(directory: Directory) -> list[str]:
    """All items of the table, in a form that can be compared."""
    return sorted(map(repr, directory._table.scan()))


class TestConfirmation:
    @pytest.fixture
    def questions(self, acme: Tenant, administration: Administration) -> dict[str, list[str]]:
        administration.create_inbox("acme", "inbox-1", "")
        set_twilio(administration, "acme", "on", AUTH_TOKEN)
        body = telnyx_models.StreamingStart(stream_url=AGENT)
        agent = administration.create_agent("acme", "genagent", None, telnyx.spec_of(body))
        issued = administration.create_credential(acme, "asapp", label="blue").credential
        named = f"the asapp credential {issued.credential_id} (blue) of acme"
        return {
            "Refuse all requests of acme (Acme)?": ["tenants", "disable", "acme"],
            f"Revoke {named}?": ["credentials", "revoke", "acme", "asapp", issued.credential_id],
            f"Delete {named}?": ["credentials", "delete", "acme", "asapp", issued.credential_id],
            f"Take the agent {agent.agent_id} from genagent of acme?": [
                "agents",
                "remove",
                "acme",
                agent.agent_id,
            ],
            "Delete the inbox inbox-1 of acme?": ["inboxes", "delete", "acme", "inbox-1"],
            "Forget the Twilio auth token of acme, and check no signatures?": [
                "twilio",
                "clear",
                "acme",
            ],
            "Delete acme with all its credentials and inboxes?": ["tenants", "delete", "acme"],
        }

    @pytest.mark.parametrize("answer", ["n\n", "\n", ""])
    def test_refused_confirmation_changes_nothing(
        self, directory: Directory, questions: dict[str, list[str]], answer: str
    ) -> None:
        before = stored(directory)

        for question, arguments in questions.items():
            result = run(*arguments, answer=answer)
            # The runner echoes what is typed, as a terminal does.
            assert (result.exit_code, result.stdout.strip()) == (1, answer.strip())
            assert f"{question} [y/N]:\nAborted.\n" in result.stderr
        assert stored(directory) == before

    def test_confirmed_command_is_carried_out(
        self, directory: Directory, questions: dict[str, list[str]]
    ) -> None:
        for arguments in questions.values():
            before = stored(directory)
            result = run(*arguments, "--json", answer="y\n")
            assert json.loads(result.stdout.removeprefix(" y\n"))
            assert stored(directory) != before
        # The deleted tenant's id is kept from new tenants.
        [left] = stored(directory)
        assert "'sk': 'DELETED'" in left
