"""What the local stack keeps over `down` and `up`."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from callstream.dialogues.connections import ConnectionSettings
from callstream_cli.local.errors import KeptStateError
from callstream_cli.local.kept import Kept
from callstream_cli.local.stack import DEFAULT_PORT, LocalStack
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.signatures import set_twilio
from callstream_cli.seed import restore_and_seed
from tests.unit.cli.operator.deployed import AUTH_TOKEN, DIALOGFLOW_PREFIX, SECRETS, TWILIO_PREFIX


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    kept = Kept(tmp_path / "kept")
    kept.begin(fresh=False)
    return kept


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@contextmanager
def deployed(**secrets: str) -> Iterator[Mapping[str, str]]:
    """The outputs of a deployment with nobody in it."""
    with mock_aws():
        keys: Any = [("pk", "HASH"), ("sk", "RANGE")]
        boto3.client("dynamodb").create_table(
            TableName="directory",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n, _ in keys],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        )
        client = boto3.client("secretsmanager")
        arns = {
            f"{name}SecretArn": client.create_secret(Name=name, SecretString=value)["ARN"]
            for name, value in (SECRETS | secrets).items()
        }
        yield arns | {
            "DirectoryTableName": "directory",
            "TwilioSecretsPrefix": TWILIO_PREFIX,
            "DialogflowSecretsPrefix": DIALOGFLOW_PREFIX,
        }


@pytest.fixture
def outputs() -> Iterator[Mapping[str, str]]:
    """The outputs of a deployment with nobody in it."""
    with deployed() as outputs:
        yield outputs


def save(kept: Kept, outputs: Mapping[str, str]) -> None:
    """Write what the emulator of this deployment would write."""
    table = boto3.client("dynamodb").scan(TableName=outputs["DirectoryTableName"])
    client = boto3.client("secretsmanager")
    secrets = {
        each["Name"]: client.get_secret_value(SecretId=each["ARN"])["SecretString"]
        for each in client.list_secrets()["SecretList"]
    }
    kept.state.write_text(json.dumps({"items": table["Items"], "secrets": secrets}))


def test_everything_of_tenants_is_restored(kept: Kept) -> None:
    with deployed() as outputs:
        credentials, shown = restore_and_seed(outputs, kept)
        administration = Administration(outputs)
        acme = administration.create_tenant("acme", "Acme")
        issued = administration.create_credential(acme, "telnyx", label="mine")
        set_twilio(administration, "acme", "on", AUTH_TOKEN)
        connection = ConnectionSettings(tenant_id="acme", connection_id="c", project_id="pizza-1")
        administration.keyed_connections.save(connection, "a key")
        save(kept, outputs)
        kept.complete(4600, credentials)

    kept.begin(fresh=False)
    assert not kept.ready.exists()
    with deployed(CredentialPepper="another") as outputs:
        assert restore_and_seed(outputs, kept) == (credentials, shown)
        administration = Administration(outputs)
        assert administration.tenant("acme").twilio_signature == "on"
        assert administration.twilio_auth_tokens.is_stored("acme")
        opened = administration.keyed_connections.open("acme", "c")
        assert opened is not None
        assert (opened[0].project_id, opened[1]) == ("pizza-1", "a key")
        restored = administration.credential("acme", "telnyx", issued.credential.credential_id)
        assert restored == issued.credential
        pepper = administration.secret("CredentialPepperSecretArn")
        assert pepper == SECRETS["CredentialPepper"]


def test_missing_parts_of_the_demo_tenant_are_made_anew(kept: Kept) -> None:
    with deployed() as outputs:
        credentials, shown = restore_and_seed(outputs, kept)
        administration = Administration(outputs)
        clerk = administration.credential("demo", "clerk", credentials["clerk"]["credential_id"])
        administration.directory.delete(clerk)
        administration.delete_inbox("demo", "inbox-123")
        save(kept, outputs)
        kept.complete(4600, credentials)

    with deployed() as outputs:
        _, now = restore_and_seed(outputs, kept)
        Administration(outputs).inbox("demo", "inbox-123")
        assert now["clerk"] != shown["clerk"]
        assert now | {"clerk": shown["clerk"]} == shown


@pytest.mark.parametrize("text", ["", "[]", '{"items": []}', "{"])
def test_unreadable_state_is_an_error_that_says_what_to_do(
    kept: Kept, outputs: Mapping[str, str], text: str
) -> None:
    kept.state.write_text(text)
    with pytest.raises(KeptStateError, match="--fresh"):
        restore_and_seed(outputs, kept)


def test_state_of_another_version_is_an_error_that_says_what_to_do(
    kept: Kept, outputs: Mapping[str, str]
) -> None:
    item = {"pk": {"S": "TENANT#demo"}, "sk": {"S": "TENANT"}, "of": {"S": "the future"}}
    kept.state.write_text(json.dumps({"items": [item], "secrets": {}}))
    with pytest.raises(KeptStateError, match="--fresh"):
        restore_and_seed(outputs, kept)


def test_fresh_start_forgets_everything(kept: Kept) -> None:
    kept.state.write_text("{}")
    kept.complete(4600, {})
    assert kept.port() == 4600
    kept.begin(fresh=True)
    assert (kept.port(), kept.state.exists(), kept.ready.exists()) == (None, False, False)


def test_files_are_for_their_owner_alone(kept: Kept) -> None:
    kept.complete(4600, {})
    assert kept.folder.stat().st_mode & 0o077 == 0


def test_stack_comes_back_on_its_port(tmp_path: Path) -> None:
    assert LocalStack(tmp_path).endpoint.endswith(f":{DEFAULT_PORT}")
    kept = Kept(tmp_path / ".local" / "kept")
    kept.begin(fresh=False)
    kept.complete(4600, {})
    assert LocalStack(tmp_path).endpoint.endswith(":4600")
    assert LocalStack(tmp_path, port=4700).endpoint.endswith(":4700")
