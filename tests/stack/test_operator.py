"""The operator's commands, typed as a person types them, and their effects on requests."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.stack.conftest import DeployedStack, eventually

CALLSTREAM = Path(sys.executable).with_name("callstream")
PATH = "/mg-genagent/v1/twilio-media-stream-url"

type Operator = Callable[..., Any]
type Status = Callable[[dict[str, Any]], int]


def type_in(
    stack: DeployedStack, *arguments: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command as in a terminal whose local stack is the one under test.

    `given` is what standard input brings.
    """
    kept = {name: value for name, value in os.environ.items() if name != "CALLSTREAM_STACK"}
    return subprocess.run(
        [CALLSTREAM, *arguments],
        env=kept | {"CALLSTREAM_STATE_DIR": str(stack.state_dir)},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def operator(stack: DeployedStack) -> Operator:
    """Types a command that succeeds; its answer."""

    def answer(*arguments: str) -> Any:
        done = type_in(stack, *arguments, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return answer


@pytest.fixture
def tenant_id(operator: Operator) -> str:
    created = operator("tenants", "create", f"operated-{uuid4()}", "--route", "genagent")
    return str(created["tenant_id"])


@pytest.fixture
def status(stack: DeployedStack) -> Status:
    """How a media URL is refused or given to whoever has this credential."""

    def ask(credential: dict[str, Any]) -> int:
        shown = credential["shown_once"]
        headers = {"asapp-api-id": shown["id"], "asapp-api-secret": shown["secret"]}
        return stack.asapp(PATH, headers).status

    return ask


def test_changes_of_a_tenant_take_effect_on_its_requests(
    operator: Operator, tenant_id: str, status: Status
) -> None:
    first = operator("credentials", "create", tenant_id, "asapp", "--label", "first")
    second = operator("credentials", "create", tenant_id, "asapp", "--label", "second")
    assert (status(first), status(second)) == (200, 200)

    operator("credentials", "revoke", tenant_id, "asapp", first["credential_id"], "--yes")
    assert (status(first), status(second)) == (401, 200)

    operator("tenants", "disable", tenant_id, "--yes")
    assert status(second) == 403
    operator("tenants", "enable", tenant_id)
    assert status(second) == 200

    operator("routes", "remove", tenant_id, "genagent")
    assert status(second) == 404
    operator("routes", "add", tenant_id, "genagent")
    assert status(second) == 200

    listed = operator("credentials", "list", tenant_id)
    assert [(c["label"], c["enabled"]) for c in listed] == [("first", False), ("second", True)]
    deleted = operator("tenants", "delete", tenant_id, "--yes")
    assert datetime.fromisoformat(deleted.pop("id_kept_until")) > datetime.now(UTC)
    assert deleted == {"tenant_id": tenant_id, "credentials": 2, "inboxes": 0}
    assert status(second) == 401


def test_scope_limits_a_credential(operator: Operator, tenant_id: str, status: Status) -> None:
    narrow = operator("credentials", "create", tenant_id, "asapp", "--scope", "autotranscribe")

    assert status(narrow) == 403


def test_limit_refuses_requests(operator: Operator, tenant_id: str, status: Status) -> None:
    credential = operator("credentials", "create", tenant_id, "asapp")
    operator("limits", "set", tenant_id, "asapp", "--per-day", "1")

    first, *later = [status(credential) for _ in range(3)]
    assert first == 200
    # At midnight, when a new day's window opens, one more may pass.
    assert 429 in later

    operator("limits", "set", tenant_id, "asapp", "--per-day", "none")
    assert status(credential) == 200


def test_inbox_is_stored_and_listed(
    stack: DeployedStack, operator: Operator, tenant_id: str
) -> None:
    inbox = operator("inboxes", "create", tenant_id, "inbox-9", "--name", "Nine")

    assert inbox == {"tenant_id": tenant_id, "external_id": "inbox-9", "name": "Nine"}
    assert operator("inboxes", "list", tenant_id) == [inbox]
    key = {"pk": f"TENANT#{tenant_id}", "sk": "INBOX#inbox-9"}
    assert stack.table("directory").get_item(Key=key)["Item"] == key | inbox


def test_existing_data_are_not_overwritten(
    stack: DeployedStack, operator: Operator, tenant_id: str
) -> None:
    before = operator("tenants", "show", tenant_id)
    done = type_in(stack, "tenants", "create", tenant_id)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"callstream: there is a tenant '{tenant_id}' already\n"
    assert operator("tenants", "show", tenant_id) == before


def test_shown_keys_are_those_of_the_stack(stack: DeployedStack, operator: Operator) -> None:
    demo = stack.description["credentials"]
    assert operator("callback-keys", "show", "demo") == {
        "telnyx": {"public_key": demo["telnyx"]["public_key"]},
        "signalwire": {"signing_key": demo["signalwire"]["signing_key"]},
        "twilio": {"auth_token": demo["twilio"]["auth_token"]},
    }
    kids = [key["kid"] for key in operator("keys", "list")]
    assert kids == list(stack.key_ring().kids)


def test_webhook_is_set_and_cleared(operator: Operator, tenant_id: str) -> None:
    url = "https://hooks.example.com/a"
    operator("webhooks", "set", tenant_id, "telnyx", url, "--failover", f"{url}/2")

    webhook = {"telnyx": {"url": url, "failover_url": f"{url}/2"}}
    assert operator("webhooks", "show", tenant_id) == webhook
    assert operator("tenants", "show", tenant_id)["webhooks"] == webhook
    assert operator("webhooks", "clear", tenant_id, "telnyx") == {}


def test_twilio_signature_is_set_and_cleared(
    stack: DeployedStack, operator: Operator, tenant_id: str
) -> None:
    auth_token = "0123456789abcdef0123456789abcdef"
    arguments = ["twilio", "set", tenant_id, "--signature", "required", "--auth-token", "-"]
    done = type_in(stack, *arguments, given=f"{auth_token}\n")

    assert (done.returncode, done.stderr) == (0, "")
    assert auth_token not in done.stdout
    shown = {"signature": "required", "auth_token_stored": True}
    assert operator("twilio", "show", tenant_id) == shown
    name = f"{stack.outputs['TwilioSecretsPrefix']}{tenant_id}"
    secrets = stack.client("secretsmanager")
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == auth_token

    cleared = {"signature": "off", "auth_token_stored": False}
    assert operator("twilio", "clear", tenant_id, "--yes") == cleared
    assert operator("twilio", "clear", tenant_id, "--yes") == cleared
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.describe_secret(SecretId=name)


def test_log_of_a_request_is_found_by_the_id_in_its_answer(stack: DeployedStack) -> None:
    path, headers = "/public/twilio-connector/connect", {"apiKey": "ck_nobody_nothing"}
    request_id = stack.request("clerk", "POST", path, headers).body["requestId"]

    def shown() -> str | None:
        text = type_in(stack, "logs", request_id).stdout
        return text if "answered" in text else None

    refusal, answered = eventually(shown).splitlines()
    assert "INFO    ClerkConnect refused: Unauthenticated: unknown credential" in refusal
    assert " answered 401 " in answered
    assert f"request_id={request_id}" in answered


def test_tenants_are_kept_for_the_next_emulator(stack: DeployedStack, tenant_id: str) -> None:
    def kept() -> str | None:
        text = (stack.state_dir / "kept" / "state.json").read_text()
        return text if tenant_id in text else None

    state = json.loads(eventually(kept))
    pks = [item["pk"]["S"] for item in state["items"]]
    assert f"TENANT#{tenant_id}" in pks
    assert "TENANT#demo" in pks
    assert {name.split("-")[2] for name in state["secrets"] if "/" not in name} == {
        "CallbackMaster",
        "CredentialPepper",
        "SigningKeys",
    }
