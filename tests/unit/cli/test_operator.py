"""The operator's commands, against a mock of AWS."""

import json
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ConnectTimeoutError
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from moto import mock_aws
from typer.testing import CliRunner, Result

from callstream.access.tokens import KeyRing, SigningKey
from callstream.callbacks import keys
from callstream.relays.agents import MOST_OF_A_ROUTE
from callstream.surfaces import signalwire, telnyx
from callstream.tenants.credentials import matches, split_key
from callstream.tenants.directory import (
    SCOPES,
    Credential,
    Directory,
    Inbox,
    Limits,
    Tenant,
    Webhook,
)
from callstream.tenants.issuing import KEY_PREFIXES
from callstream_cli.__main__ import COMMANDS, Group, build
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.errors import OperatorError
from callstream_cli.operator.keys import states
from callstream_cli.operator.signatures import set_twilio
from callstream_cli.seed import seed_demo_tenant
from tests import template

STACK = "callstream"
PEPPER = "only-for-tests-of-the-operator"
SECRETS = {
    "SigningKeys": json.dumps({"initial": "only-for-tests-of-the-operator-" * 2}),
    "CredentialPepper": PEPPER,
    "CallbackMaster": "master-of-the-tests",
}
TWILIO_PREFIX = f"{STACK}/twilio/"
# As Twilio's look.
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
DEFAULT_LIMITS = {surface: {"per_second": 100, "per_day": None} for surface in SCOPES}
URL = "https://hooks.example.com/callstream"
AGENT = "wss://agent.example.com/"
LEAVES = [
    (name, sub)
    for name, command in COMMANDS.items()
    if isinstance(command, Group)
    for sub in command.commands
]


def run(*arguments: str, answer: str | None = None, **env: str) -> Result:
    """A command, as typed; `answer` is what is typed when it asks."""
    return CliRunner().invoke(build(arguments), arguments, input=answer, env=env)


def ok(*arguments: str, **env: str) -> str:
    """What a command that succeeds prints."""
    result = run(*arguments, **env)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def ask(*arguments: str) -> Any:
    """What a command that succeeds answers in JSON."""
    return json.loads(ok(*arguments, "--json"))


def refusal(*arguments: str, status: int = 1) -> str:
    """Why a command refuses: one line, nothing on standard output, no traceback."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert isinstance(result.exception, SystemExit)
    [line] = result.stderr.splitlines()
    assert line.startswith("callstream: ")
    return line.removeprefix("callstream: ")


@pytest.fixture(scope="module")
def deployed() -> Iterator[Mapping[str, str]]:
    """The outputs of a deployed stack, which CALLSTREAM_STACK names."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("CALLSTREAM_STACK", STACK)
        secrets = boto3.client("secretsmanager")
        for name, value in SECRETS.items():
            secrets.create_secret(Name=name, SecretString=value)
        source = template.load()
        # moto's CloudFormation knows no secrets.
        stack = {
            "Resources": {"DirectoryTable": source["Resources"]["DirectoryTable"]},
            "Outputs": {
                output: {"Value": name if name in SECRETS else {"Ref": name}}
                for output, name in _references(source["Outputs"]).items()
                if name in {*SECRETS, "DirectoryTable"}
            }
            | {"TwilioSecretsPrefix": {"Value": TWILIO_PREFIX}},
        }
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(stack))
        [description] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        yield {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}


def _references(outputs: Mapping[str, Any]) -> dict[str, str]:
    """The outputs that are just a resource's name."""
    return {
        name: output["Value"]["Ref"] for name, output in outputs.items() if "Ref" in output["Value"]
    }


@pytest.fixture(autouse=True)
def outputs(deployed: Mapping[str, str]) -> Mapping[str, str]:
    """The stack as it was when it was deployed."""
    table = boto3.resource("dynamodb").Table(deployed["DirectoryTableName"])
    for item in table.scan()["Items"]:
        table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    keys = deployed["SigningKeysSecretArn"]
    boto3.client("secretsmanager").put_secret_value(
        SecretId=keys, SecretString=SECRETS["SigningKeys"]
    )
    for secret in boto3.client("secretsmanager").list_secrets()["SecretList"]:
        if secret["Name"].startswith(TWILIO_PREFIX):
            boto3.client("secretsmanager").delete_secret(
                SecretId=secret["Name"], ForceDeleteWithoutRecovery=True
            )
    return deployed


def _store(outputs: Mapping[str, str], tenant: dict[str, Any]) -> None:
    """Put a tenant into the table as it is."""
    key = {"pk": f"TENANT#{tenant['tenant_id']}", "sk": "TENANT"}
    boto3.resource("dynamodb").Table(outputs["DirectoryTableName"]).put_item(Item=key | tenant)


@pytest.fixture
def administration(outputs: Mapping[str, str]) -> Administration:
    return Administration(outputs)


@pytest.fixture
def directory(administration: Administration) -> Directory:
    return administration.directory


@pytest.fixture
def acme(administration: Administration) -> Tenant:
    return administration.create_tenant("acme", "Acme")


class TestHelp:
    def test_names_every_command(self) -> None:
        overview = ok("--help")

        assert all(f"│ {name} " in overview for name in COMMANDS)

    @pytest.mark.parametrize(
        "name", [name for name, command in COMMANDS.items() if isinstance(command, Group)]
    )
    def test_of_a_group_names_its_commands(self, name: str) -> None:
        group = COMMANDS[name]
        assert isinstance(group, Group)
        overview = " ".join(ok(name, "--help").replace("│", " ").split())
        module = import_module(f"callstream_cli.operator.{name.replace('-', '_')}")

        assert group.summary in overview
        for sub in group.commands:
            command = getattr(module, sub, None) or getattr(module, f"{sub}_")
            summary = " ".join(command.__doc__.partition(".")[0].split())
            assert f" {sub} {summary}." in overview

    @pytest.mark.parametrize(("name", "sub"), LEAVES)
    def test_of_a_command_explains_its_options(self, name: str, sub: str) -> None:
        text = ok(name, sub, "--help")

        assert f" {name} {sub} " in text
        assert "--json" in text
        assert "--stack" in text

    @pytest.mark.parametrize("arguments", [["--help"], ["tenants", "--help"], ["keys"]])
    def test_waits_for_no_library(self, arguments: list[str]) -> None:
        script = (
            f"import sys; from callstream_cli.__main__ import build; build({arguments});"
            "print(*sys.modules)"
        )
        path = f"{template.ROOT / 'cli'}:{template.ROOT / 'layers/callstream'}"
        loaded = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()

        assert "typer" in loaded
        assert not {"boto3", "botocore", "pydantic", "callstream"} & set(loaded)


class TestTenants:
    def test_create(self, directory: Directory) -> None:
        created = ask("tenants", "create", "acme", "--name", "Acme Inc.")

        project = UUID(created["project_id"])
        assert created == {
            "tenant_id": "acme",
            "name": "Acme Inc.",
            "project_id": str(project),
            "enabled": True,
            "limits": DEFAULT_LIMITS,
            "routes": ["autotranscribe", "genagent"],
            "webhooks": {},
            "twilio_signature": "off",
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

    def test_create_with_less(self) -> None:
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
    def test_create_with_bad_values(
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
            "routes autotranscribe, genagent",
            "twilio signature off",
            "limits asapp none a second, 7 a day",
            "limits clerk 100 a second, none a day (default)",
            "limits telnyx 100 a second, none a day (default)",
            "limits signalwire 100 a second, none a day (default)",
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

    def test_delete_takes_what_is_the_tenants_and_nothing_else(
        self, acme: Tenant, administration: Administration
    ) -> None:
        other = administration.create_tenant("acme2", "Other")
        for tenant in (acme, other):
            administration.create_inbox(tenant.tenant_id, "inbox-1", "")
            administration.create_credential(tenant, "asapp")
            administration.create_credential(tenant, "clerk")

        assert ask("tenants", "delete", "acme", "--yes") == {
            "tenant_id": "acme",
            "credentials": 2,
            "inboxes": 1,
        }
        left = list(administration.directory.entries())
        assert len(left) == 4
        assert {entry.tenant_id for entry in left} == {"acme2"}

    def test_delete_again_takes_what_was_left(
        self, acme: Tenant, administration: Administration
    ) -> None:
        administration.create_inbox("acme", "inbox-1", "")
        administration.directory.delete(acme)

        assert ok("tenants", "delete", "acme", "--yes") == (
            "Deleted acme, credentials: 0, inboxes: 1.\n"
        )
        assert refusal("tenants", "delete", "acme", "--yes") == "there is no tenant 'acme'"

    def test_a_stored_tenant_that_cannot_be_read_is_named(
        self, acme: Tenant, outputs: Mapping[str, str]
    ) -> None:
        _store(outputs, acme.model_dump(mode="json") | {"name": "", "novel": "s3cret"})

        assert refusal("tenants", "list") == (
            "this version cannot read a Tenant that is stored: name: String should have at least "
            "1 character; novel: Extra inputs are not permitted"
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
def test_an_unknown_tenant(directory: Directory, arguments: list[str]) -> None:
    assert refusal(*arguments) == "there is no tenant 'nobody'"
    assert refusal(*arguments, "--json") == "there is no tenant 'nobody'"
    assert not list(directory.entries())


@pytest.mark.parametrize(
    "arguments",
    [
        ["credentials", "create", "acme", "twilio"],
        ["credentials", "list", "--surface", "twilio"],
        ["credentials", "revoke", "twilio", "x"],
        ["credentials", "delete", "twilio", "x"],
        ["limits", "set", "acme", "twilio", "--per-day", "1"],
        ["webhooks", "set", "acme", "twilio", URL],
        ["webhooks", "clear", "acme", "twilio"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
@pytest.mark.usefixtures("acme")
def test_an_unknown_surface(arguments: list[str]) -> None:
    result = run(*arguments, COLUMNS="200")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "'twilio' is not one of 'asapp', 'clerk', 'telnyx', 'signalwire'" in result.stderr


class TestCredentials:
    @pytest.mark.parametrize("surface", SCOPES)
    def test_create(self, acme: Tenant, directory: Directory, surface: Any) -> None:
        created = ask("credentials", "create", "acme", surface, "--label", "blue")

        shown = created.pop("shown_once")
        match surface:
            case "asapp":
                credential_id, secret = shown.pop("id"), shown.pop("secret")
            case "signalwire":
                assert shown.pop("project_id") == str(acme.project_id)
                credential_id, secret = split_key("PT", shown.pop("api_token"))
            case _:
                credential_id, secret = split_key(KEY_PREFIXES[surface], shown.pop("api_key"))
        assert not shown
        stored = directory.credential(surface, credential_id)
        assert stored is not None
        assert matches(secret, PEPPER, stored.secret_hash)
        assert created == {
            "surface": surface,
            "credential_id": credential_id,
            "tenant_id": "acme",
            "scopes": sorted(SCOPES[surface]),
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

    @pytest.mark.usefixtures("acme")
    def test_nothing_else_shows_a_secret(self) -> None:
        created = ask("credentials", "create", "acme", "asapp")
        credential_id, secret = created["shown_once"]["id"], created["shown_once"]["secret"]

        for arguments in (
            ["credentials", "list"],
            ["tenants", "list"],
            ["tenants", "show", "acme"],
            ["credentials", "revoke", "asapp", credential_id, "--yes"],
            ["credentials", "delete", "asapp", credential_id, "--yes"],
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

        assert ask("credentials", "revoke", "asapp", issued.credential_id, "--yes") == (
            issued.model_dump(mode="json", exclude={"secret_hash"}) | {"enabled": False}
        )
        revoked = directory.credential("asapp", issued.credential_id)
        assert revoked == issued.model_copy(update={"enabled": False})
        assert "revoked" in ok("credentials", "list")

        assert ok("credentials", "delete", "asapp", issued.credential_id, "--yes") == (
            f"Deleted the asapp credential {issued.credential_id} of acme.\n"
        )
        assert directory.credential("asapp", issued.credential_id) is None
        assert directory.credential("asapp", kept.credential_id) == kept

    @pytest.mark.parametrize("command", ["revoke", "delete"])
    def test_one_that_is_not_there(
        self, acme: Tenant, administration: Administration, command: str
    ) -> None:
        issued = administration.create_credential(acme, "asapp").credential

        assert refusal("credentials", command, "clerk", issued.credential_id, "--yes") == (
            f"clerk has no credential '{issued.credential_id}'"
        )


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

    def test_of_another_tenant_is_another(self, administration: Administration) -> None:
        administration.create_tenant("other", "Other")
        administration.create_inbox("other", "inbox-1", "")

        assert ask("inboxes", "list", "acme") == []
        assert ask("inboxes", "create", "acme", "inbox-1")["tenant_id"] == "acme"

    def test_with_a_bad_id(self) -> None:
        assert refusal("inboxes", "create", "acme", "", status=2) == (
            "external_id: String should have at least 1 character"
        )


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
    def test_with_a_bad_name(self, command: str) -> None:
        assert refusal("routes", command, "acme", "genagents", status=2) == (
            "'genagents' is not a route; there are: autotranscribe, genagent"
        )

    def test_one_of_an_older_version_can_be_removed(
        self, acme: Tenant, directory: Directory
    ) -> None:
        directory.save(acme.model_copy(update={"routes": frozenset({"old", "genagent"})}))

        assert ask("routes", "remove", "acme", "old") == ["genagent"]


@pytest.mark.usefixtures("acme")
class TestAgents:
    GENAGENT = ("--route", "genagent", "--dialect")
    WHOSE = "give --route or --inbox: whose calls the agent shall get"
    SECRETS = (f"{AGENT}bot?key=s3cret-1", "s3cret-2", "s3cret-3")

    def add(self, *arguments: str, typed: Iterable[str] = ()) -> Result:
        """`agents add acme`, with lines on standard input."""
        lines = "".join(f"{line}\n" for line in typed)
        return run("agents", "add", "acme", *arguments, answer=lines)

    def test_add_list_and_remove(self, administration: Administration) -> None:
        assert ok("agents", "list", "acme") == "acme has no agents.\n"
        ok("inboxes", "create", "acme", "inbox-1")
        secrets = ["--auth-token", "-", "--parameter", "key=-", "--parameter", "lang=en"]
        inbox = ["--inbox", "inbox-1", "--dialect", "telnyx", "--json"]

        first = json.loads(self.add("-", *inbox, *secrets, typed=self.SECRETS).stdout)
        assert first == {
            "agent_id": first["agent_id"],
            "tenant_id": "acme",
            "route": "inbox",
            "inbox": "inbox-1",
            "dialect": "telnyx",
            "url": "wss://agent.example.com/…",
            "track": "inbound_track",
            "name": None,
            "auth_token_stored": True,
            "parameters": 2,
            "settings": {
                "stream_codec": "default",
                "stream_bidirectional_mode": "rtp",
                "stream_bidirectional_target_legs": "self",
                "enable_dialogflow": False,
            },
        }
        second = ask("agents", "add", "acme", AGENT, *self.GENAGENT, "signalwire")
        assert ask("agents", "list", "acme") == [second, first]
        [stored] = administration.agents.of_route("acme", "inbox", "inbox-1")
        url, auth_token, key = self.SECRETS
        assert (stored.spec.url, stored.spec.handshake_headers) == (
            url,
            {"x-telnyx-streaming-auth-token": auth_token},
        )
        assert stored.spec.parameters == {"key": key, "lang": "en"}
        assert [" ".join(line.split()) for line in ok("agents", "list", "acme").splitlines()] == [
            "agent on dialect url track name auth token parameters",
            f"{second['agent_id']} genagent signalwire {AGENT} inbound_track - none 0",
            f"{first['agent_id']} the inbox inbox-1 telnyx {AGENT}… inbound_track - stored 2",
        ]

        removed = ok("agents", "remove", "acme", first["agent_id"], "--yes")
        assert removed == f"Took the agent {first['agent_id']} from the inbox inbox-1 of acme.\n"
        assert ask("agents", "list", "acme") == [second]
        assert refusal("agents", "remove", "acme", first["agent_id"], "--yes") == (
            f"acme has no agent '{first['agent_id']}'"
        )

    def test_nothing_shows_what_is_secret(self, caplog: pytest.LogCaptureFixture) -> None:
        secrets = ["--auth-token", "-", "--parameter", "key=-"]
        results = [self.add("-", *self.GENAGENT, "telnyx", *secrets, typed=self.SECRETS)]
        results += [run("agents", "list", "acme", *form) for form in ([], ["--json"])]
        # Nor is it in what is wrong with it.
        wrong = (self.SECRETS[0].replace("wss", "s3cret"), *self.SECRETS[1:])
        results.append(self.add("-", *self.GENAGENT, "signalwire", *secrets, typed=wrong))

        assert [result.exit_code for result in results] == [0, 0, 0, 2]
        assert not any("s3cret" in result.output for result in results)
        assert "s3cret" not in caplog.text

    def test_telnyx_as_the_command_has_it(self, administration: Administration) -> None:
        options = ["--mode", "mp3", "--codec", "L16", "--sampling-rate", "16000", "--legs", "both"]
        track = ["--track", "both_tracks"]
        ok("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx", *options, *track)

        [agent] = administration.agents.all("acme")
        body = telnyx.StreamingStart(
            stream_url=AGENT,
            stream_track="both_tracks",
            stream_bidirectional_mode="mp3",
            stream_bidirectional_codec="L16",
            stream_bidirectional_sampling_rate=16000,
            stream_bidirectional_target_legs="both",
        )
        assert agent.spec == telnyx.spec_of(body)

    def test_signalwire_as_the_command_has_it(self, administration: Administration) -> None:
        told = ["--status-callback", URL, "--status-callback-method", "GET"]
        ok("agents", "add", "acme", AGENT, *self.GENAGENT, "signalwire", "--name", "main", *told)

        [agent] = administration.agents.all("acme")
        form = {
            "Url": AGENT,
            "Track": "inbound_track",
            "Name": "main",
            "StatusCallback": URL,
            "StatusCallbackMethod": "GET",
        }
        assert agent.spec == signalwire.spec_of(signalwire.CreateStreamBody(**form))

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ([AGENT, "--dialect", "telnyx"], WHOSE),
            ([AGENT, *GENAGENT, "telnyx", "--inbox", "inbox-1"], WHOSE),
            (
                [AGENT, "--route", "genagents", "--dialect", "telnyx"],
                "'genagents' is not a route; there are: autotranscribe, genagent",
            ),
            (
                [AGENT, *GENAGENT, "telnyx", "--auth-token", "s3cret"],
                "--auth-token takes - only: the token is read from standard input",
            ),
            ([AGENT, *GENAGENT, "telnyx", "--auth-token", "-"], "standard input has no auth token"),
            (["-", *GENAGENT, "telnyx"], "standard input has no URL"),
            (
                ["https://a.example/", *GENAGENT, "telnyx"],
                (
                    "stream_url: The URL must begin with ws:// or wss://, name a host and have at "
                    "most 2000 characters"
                ),
            ),
            (
                ["ws://a.example/", *GENAGENT, "signalwire"],
                "Url: The URL must be absolute, wss, and without whitespace",
            ),
            (
                [AGENT, *GENAGENT, "telnyx", "--name", "x"],
                "--name is for --dialect signalwire alone",
            ),
            (
                [AGENT, *GENAGENT, "signalwire", "--legs", "both"],
                "--legs is for --dialect telnyx alone",
            ),
            (
                [AGENT, *GENAGENT, "telnyx", "--sampling-rate", "7"],
                (
                    "stream_bidirectional_sampling_rate: Input should be 8000, 16000, 22050, "
                    "24000 or 48000"
                ),
            ),
            ([AGENT, *GENAGENT, "telnyx", "--parameter", "x"], "--parameter takes NAME=VALUE"),
            (
                [AGENT, *GENAGENT, "telnyx", "--parameter", "x=1", "--parameter", "x=2"],
                "the parameter x is there twice",
            ),
        ],
    )
    def test_with_bad_values(self, arguments: list[str], reason: str) -> None:
        assert refusal("agents", "add", "acme", *arguments, status=2) == reason
        assert ask("agents", "list", "acme") == []

    def test_where_there_is_nothing(self) -> None:
        ok("routes", "remove", "acme", "genagent")

        assert refusal("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx") == (
            "acme has no route 'genagent': routes add"
        )
        arguments = ["--inbox", "inbox-1", "--dialect", "telnyx"]
        assert refusal("agents", "add", "acme", AGENT, *arguments) == "acme has no inbox 'inbox-1'"

    def test_not_too_many_and_none_of_a_name_twice(self) -> None:
        named = [AGENT, *self.GENAGENT, "signalwire", "--name", "main"]
        ok("agents", "add", "acme", *named)
        assert refusal("agents", "add", "acme", *named) == (
            "there is an agent of the name 'main' already"
        )
        for _ in range(MOST_OF_A_ROUTE - 1):
            ok("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx")
        assert refusal("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx") == (
            "there are 10 agents already, which is the most"
        )

    def test_a_terminal_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def prompt(text: str, **options: Any) -> str:
            asked.append((text, options))
            return AGENT

        monkeypatch.setattr("callstream_cli.operator.agents._is_terminal", lambda: True)
        monkeypatch.setattr("typer.prompt", prompt)
        assert self.add("-", *self.GENAGENT, "telnyx").exit_code == 0

        assert asked == [("The URL", {"hide_input": True, "err": True})]

    def test_they_go_with_their_inbox_and_their_tenant(
        self, administration: Administration
    ) -> None:
        ok("inboxes", "create", "acme", "inbox-1")
        ok("agents", "add", "acme", AGENT, "--inbox", "inbox-1", "--dialect", "telnyx")
        ok("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx")
        ok("inboxes", "delete", "acme", "inbox-1", "--yes")
        assert [agent["route"] for agent in ask("agents", "list", "acme")] == ["genagent"]

        ok("tenants", "delete", "acme", "--yes")
        assert administration.agents.all("acme") == []


@pytest.mark.usefixtures("acme")
class TestLimits:
    def test_set_and_show(self, directory: Directory) -> None:
        assert ask("limits", "show", "acme") == DEFAULT_LIMITS
        changed = DEFAULT_LIMITS | {"asapp": {"per_second": None, "per_day": 5}}

        assert ask("limits", "set", "acme", "asapp", "--per-second", "none", "--per-day", "5") == (
            changed
        )
        assert ask("limits", "set", "acme", "clerk", "--per-second", "3") == changed | {
            "clerk": {"per_second": 3, "per_day": None}
        }
        # What is not given stays.
        assert ask("limits", "set", "acme", "asapp", "--per-second", "9")["asapp"] == {
            "per_second": 9,
            "per_day": 5,
        }
        assert [line.split() for line in ok("limits", "show", "acme").splitlines()] == [
            ["surface", "a", "second", "a", "day"],
            ["asapp", "9", "5"],
            ["clerk", "3", "none"],
            ["telnyx", "100", "none"],
            ["signalwire", "100", "none"],
        ]
        stored = directory.tenant("acme")
        assert stored is not None
        assert stored.limits == {
            "asapp": Limits(per_second=9, per_day=5),
            "clerk": Limits(per_second=3),
        }

    @pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "1_0", "²", "1" * 10])
    def test_with_a_bad_value(self, acme: Tenant, directory: Directory, text: str) -> None:
        assert refusal("limits", "set", "acme", "asapp", f"--per-day={text}", status=2) == (
            f"{text!r} is no limit: it is none, or a whole number from 1 to 999999999"
        )
        assert directory.tenant("acme") == acme

    def test_with_nothing(self) -> None:
        assert refusal("limits", "set", "acme", "asapp", status=2) == (
            "give --per-second, --per-day or both"
        )


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
            (["https://me:pw@a.example/"], "a webhook's URL holds no user name and password"),
        ],
    )
    def test_with_a_bad_url(self, arguments: list[str], reason: str) -> None:
        assert refusal("webhooks", "set", "acme", "telnyx", *arguments, status=2) == reason
        assert ask("webhooks", "show", "acme") == {}


def test_callback_keys_rotate(acme: Tenant) -> None:
    before = ask("callback-keys", "show", acme.tenant_id)
    after = ask("callback-keys", "rotate", acme.tenant_id, "--yes")

    assert after.keys() == before.keys()
    for surface, shown in after.items():
        assert shown != before[surface]
    assert ask("callback-keys", "show", acme.tenant_id) == after


def test_callback_keys(acme: Tenant) -> None:
    shown = ask("callback-keys", "show", acme.tenant_id)

    private_key = keys.telnyx_private_key(SECRETS["CallbackMaster"], acme.callback_key_id)
    signature = Ed25519PrivateKey.from_private_bytes(private_key).sign(b"a callback")
    public_key = shown["telnyx"].pop("public_key")
    Ed25519PublicKey.from_public_bytes(b64decode(public_key)).verify(signature, b"a callback")
    signing_key = keys.signalwire_signing_key(SECRETS["CallbackMaster"], acme.callback_key_id)
    assert shown == {"telnyx": {}, "signalwire": {"signing_key": signing_key}}
    assert [line.split() for line in ok("callback-keys", "show", acme.tenant_id).splitlines()] == [
        ["surface", "kind", "key"],
        ["telnyx", "public", "key", public_key],
        ["signalwire", "signing", "key", signing_key],
    ]


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

    def test_for_people(self) -> None:
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

    def test_something_must_be_given(self) -> None:
        assert refusal("twilio", "set", "acme", status=2) == (
            "give --signature (off, on, required), --auth-token - or both"
        )

    def test_another_mode_is_none(self) -> None:
        result = run("twilio", "set", "acme", "--signature", "maybe", COLUMNS="200")

        assert result.exit_code == 2
        assert "'maybe' is not one of 'off', 'on', 'required'" in result.stderr

    def test_the_command_line_is_no_place_for_it(self) -> None:
        line = refusal("twilio", "set", "acme", "--auth-token", AUTH_TOKEN, status=2)

        assert line == "--auth-token takes - only: the token is read from standard input"
        assert not self.stored()

    @pytest.mark.parametrize(
        "typed", ["", "\n", "two words", "tok\nen", "é" * 32, "x" * 257, "x" * 5000, "a-b"]
    )
    def test_what_is_no_auth_token_is_not_stored(self, typed: str) -> None:
        result = self.set_("--signature", "on", "--auth-token", "-", typed=typed)

        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == (
            "callstream: that is no auth token: it has letters and digits only, up to 256\n"
        )
        assert not self.stored()
        assert ask("twilio", "show", "acme")["signature"] == "off"

    def test_a_terminal_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def prompt(text: str, **options: Any) -> str:
            asked.append((text, options))
            return AUTH_TOKEN

        monkeypatch.setattr("callstream_cli.operator.twilio._is_terminal", lambda: True)
        monkeypatch.setattr("typer.prompt", prompt)
        self.set_("--auth-token", "-")

        assert asked == [("Twilio auth token", {"hide_input": True, "err": True})]
        assert self.stored() == {f"{TWILIO_PREFIX}acme": AUTH_TOKEN}

    def test_nothing_shows_it(self, caplog: pytest.LogCaptureFixture) -> None:
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

    def test_a_deleted_tenant_leaves_none(self, administration: Administration) -> None:
        administration.create_tenant("acme2", "Other")
        set_twilio(administration, "acme", "on", AUTH_TOKEN)
        set_twilio(administration, "acme2", "on", "another1")

        ok("tenants", "delete", "acme", "--yes")
        assert self.stored() == {f"{TWILIO_PREFIX}acme2": "another1"}

    def test_a_tenant_of_an_older_version(self, acme: Tenant, outputs: Mapping[str, str]) -> None:
        item = acme.model_dump(mode="json")
        del item["twilio_signature"]
        _store(outputs, item)

        assert ask("twilio", "show", "acme")["signature"] == "off"
        assert json.loads(self.set_("--signature", "on", "--auth-token", "-", "--json").stdout)
        assert ask("twilio", "show", "acme")["signature"] == "on"


class TestKeys:
    def test_list_and_rotate(self) -> None:
        first = {"kid": "initial", "state": "signs", "signs_from": None}
        assert ask("keys", "list") == [first]
        assert [line.split() for line in ok("keys", "list").splitlines()] == [
            ["key", "state", "signs", "from"],
            ["initial", "signs", "the", "beginning"],
        ]

        rotated = ask("keys", "rotate")
        assert rotated[0] == first
        assert [key["state"] for key in rotated] == ["signs", "waits"]
        assert [key["kid"] for key in ask("keys", "list")] == [key["kid"] for key in rotated]
        assert rotated[1]["kid"] in ok("keys", "rotate")

    def test_which_one_signs(self) -> None:
        now = datetime(2026, 11, 21, 12, tzinfo=UTC)
        ring = KeyRing([SigningKey("initial", "x" * 64, None)])
        ring = ring.rotated(now).rotated(now + timedelta(seconds=30))
        keys = [
            [key["state"] for key in states(ring, now + timedelta(seconds=seconds))]
            for seconds in (59, 60, 90)
        ]

        assert keys == [
            ["signs", "waits", "waits"],
            ["verifies", "signs", "waits"],
            ["verifies", "verifies", "signs"],
        ]
        assert [key["signs_from"] for key in states(ring, now)] == [
            None,
            "2026-11-21T12:01:00+00:00",
            "2026-11-21T12:01:30+00:00",
        ]


def stored(directory: Directory) -> list[str]:
    """All items of the table, as something to compare."""
    return sorted(map(repr, directory._table.scan()))


class TestConfirmation:
    @pytest.fixture
    def questions(self, acme: Tenant, administration: Administration) -> dict[str, list[str]]:
        administration.create_inbox("acme", "inbox-1", "")
        set_twilio(administration, "acme", "on", AUTH_TOKEN)
        body = telnyx.StreamingStart(stream_url=AGENT)
        agent = administration.create_agent("acme", "genagent", None, telnyx.spec_of(body))
        issued = administration.create_credential(acme, "asapp", label="blue").credential
        named = f"the asapp credential {issued.credential_id} (blue) of acme"
        return {
            "Refuse all requests of acme (Acme)?": ["tenants", "disable", "acme"],
            f"Revoke {named}?": ["credentials", "revoke", "asapp", issued.credential_id],
            f"Delete {named}?": ["credentials", "delete", "asapp", issued.credential_id],
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
    def test_without_it_nothing_changes(
        self, directory: Directory, questions: dict[str, list[str]], answer: str
    ) -> None:
        before = stored(directory)

        for question, arguments in questions.items():
            result = run(*arguments, answer=answer)
            # The runner echoes what is typed, as a terminal does.
            assert (result.exit_code, result.stdout.strip()) == (1, answer.strip())
            assert question in result.stderr
        assert stored(directory) == before

    def test_with_it(self, directory: Directory, questions: dict[str, list[str]]) -> None:
        for arguments in questions.values():
            before = stored(directory)
            result = run(*arguments, "--json", answer="y\n")
            assert json.loads(result.stdout.removeprefix(" y\n"))
            assert stored(directory) != before
        assert stored(directory) == []


class TestOperatorsAtTheSameTime:
    def test_different_fields_do_not_collide(
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
    def test_the_same_field_is_not_overwritten(self, administration: Administration) -> None:
        def limit_late(tenant: Tenant) -> Mapping[str, Any]:
            ok("limits", "set", "acme", "asapp", "--per-day", "1")
            return {"limits": tenant.limits | {"clerk": Limits(per_day=2)}}

        with pytest.raises(OperatorError, match="just changed or deleted 'acme'; try again"):
            administration.change_tenant("acme", limit_late)
        assert administration.tenant("acme").limits == {"asapp": Limits(per_day=1)}

    @pytest.mark.usefixtures("acme")
    def test_a_deleted_tenant_does_not_come_back(self, administration: Administration) -> None:
        def rename_late(_: Tenant) -> Mapping[str, Any]:
            ok("tenants", "delete", "acme", "--yes")
            return {"name": "New"}

        with pytest.raises(OperatorError, match="try again"):
            administration.change_tenant("acme", rename_late)
        assert not list(administration.directory.entries())

    def test_nor_if_it_had_nothing_to_compare_with(
        self, acme: Tenant, administration: Administration, outputs: Mapping[str, str]
    ) -> None:
        _store(outputs, {k: v for k, v in acme.model_dump(mode="json").items() if k != "webhooks"})

        def hook_late(_: Tenant) -> Mapping[str, Any]:
            ok("tenants", "delete", "acme", "--yes")
            return {"webhooks": {"telnyx": Webhook(url=URL)}}

        with pytest.raises(OperatorError, match="try again"):
            administration.change_tenant("acme", hook_late)
        assert not list(administration.directory.entries())

    def test_a_deleted_tenant_gets_nothing_new(
        self, acme: Tenant, administration: Administration
    ) -> None:
        ok("tenants", "delete", "acme", "--yes")

        with pytest.raises(OperatorError, match="try again"):
            administration.create_credential(acme, "asapp")
        assert not list(administration.directory.entries())

    def test_what_another_version_has_stored_can_be_changed(
        self, acme: Tenant, outputs: Mapping[str, str]
    ) -> None:
        item = acme.model_dump(mode="json") | {"limits": {"clerk": {"per_day": 5}}}
        del item["webhooks"]
        _store(outputs, item)

        limits = ask("limits", "set", "acme", "asapp", "--per-day", "1")
        assert limits["asapp"] == {"per_second": 100, "per_day": 1}
        assert limits["clerk"] == {"per_second": 100, "per_day": 5}
        assert ask("webhooks", "set", "acme", "telnyx", URL).keys() == {"telnyx"}


class TestTerminal:
    def test_a_table_cuts_nothing_off(self, acme: Tenant, administration: Administration) -> None:
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


class TestAws:
    def test_no_such_stack(self) -> None:
        assert refusal("tenants", "list", "--stack", "nothing") == (
            "there is no stack 'nothing' in us-east-1"
        )

    def test_another_kind_of_stack(self) -> None:
        queue = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName="other", TemplateBody=json.dumps(queue))

        assert refusal("keys", "list", "--stack", "other") == (
            "the stack has no output SigningKeysSecretArn: it is not a Callstream, "
            "or of another version"
        )

    def test_no_credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

        assert refusal("tenants", "list") == (
            "no AWS credentials found: set AWS_PROFILE, or sign in with the AWS CLI"
        )

    def test_no_region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

        assert refusal("tenants", "list") == "no AWS region given: set AWS_DEFAULT_REGION"

    def test_no_such_profile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nobody's")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

        assert refusal("tenants", "list") == "The config profile (nobody's) could not be found"

    @pytest.mark.parametrize(
        ("operation", "code", "reason"),
        [
            (
                "DescribeStacks",
                "AccessDenied",
                "AWS refused DescribeStacks: AccessDenied: You may not do this.",
            ),
            (
                "Scan",
                "AccessDeniedException",
                "AWS refused Scan: AccessDeniedException: You may not do this.",
            ),
            (
                "DescribeStacks",
                "ExpiredToken",
                "AWS refused DescribeStacks: ExpiredToken: You may not do this.",
            ),
            (
                "DescribeStacks",
                "Throttling",
                "AWS refused DescribeStacks: Throttling: You may not do this.",
            ),
            (
                "Scan",
                "ThrottlingException",
                "dynamodb does not answer (ThrottlingException); try again",
            ),
        ],
    )
    def test_an_error_of_aws(
        self, monkeypatch: pytest.MonkeyPatch, operation: str, code: str, reason: str
    ) -> None:
        _fail(
            monkeypatch,
            operation,
            ClientError(
                {
                    "Error": {"Code": code, "Message": "You may not\ndo this."},
                    "ResponseMetadata": {
                        "HTTPStatusCode": 400,
                        "RequestId": "",
                        "HostId": "",
                        "HTTPHeaders": {},
                        "RetryAttempts": 0,
                    },
                },
                operation,
            ),
        )

        assert refusal("tenants", "list") == reason

    def test_no_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        error = ConnectTimeoutError(endpoint_url="https://aws.example")
        _fail(monkeypatch, "DescribeStacks", error)

        assert refusal("tenants", "list") == (
            'Connect timeout on endpoint URL: "https://aws.example"'
        )


def _fail(monkeypatch: pytest.MonkeyPatch, operation: str, error: Exception) -> None:
    """Let an operation of AWS fail, after all of botocore's own retries."""
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def fail(client: BaseClient, name: str, arguments: Any) -> Any:
        if name == operation:
            raise error
        return call(client, name, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", fail)


def test_the_local_stack_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CALLSTREAM_STACK")
    monkeypatch.setenv("CALLSTREAM_STATE_DIR", str(tmp_path))

    assert refusal("tenants", "list") == (
        "the local stack is not running: start it (callstream up), or name one (--stack)"
    )


def test_the_seed_makes_what_stack_json_holds(outputs: Mapping[str, str]) -> None:
    seeded = seed_demo_tenant(outputs)

    assert {surface: list(names) for surface, names in seeded.items()} == {
        "asapp": ["id", "secret"],
        "clerk": ["api_key"],
        "telnyx": ["api_key", "public_key"],
        "signalwire": ["project_id", "api_token", "signing_key"],
    }
    assert seeded["signalwire"]["project_id"] == ask("tenants", "show", "demo")["project_id"]
    assert {c["label"] for c in ask("credentials", "list", "demo")} == {"demo"}
    assert ask("inboxes", "list", "demo")[0]["external_id"] == "inbox-123"
