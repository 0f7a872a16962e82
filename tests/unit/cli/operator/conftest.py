"""A deployed stack, on a mock of AWS."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from moto import mock_aws

from callstream.tenants.directory import (
    Directory,
    Tenant,
)
from callstream_cli.operator.administration import Administration
from tests import template
from tests.unit.cli.operator.deployed import (
    DIALOGFLOW_PREFIX,
    SECRETS,
    STACK,
    TWILIO_PREFIX,
)

TABLES = ("DirectoryTable", "StreamsTable")


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
            "Resources": {name: source["Resources"][name] for name in TABLES},
            "Outputs": {
                output: {"Value": name if name in SECRETS else {"Ref": name}}
                for output, name in _references(source["Outputs"]).items()
                if name in {*SECRETS, *TABLES}
            }
            | {
                "TwilioSecretsPrefix": {"Value": TWILIO_PREFIX},
                "DialogflowSecretsPrefix": {"Value": DIALOGFLOW_PREFIX},
                "TranscriberName": {"Value": "offline"},
                "StateRetentionDays": {"Value": "30"},
                "DialogflowName": {"Value": "google"},
            },
        }
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(stack))
        [description] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        yield {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}


def _references(outputs: Mapping[str, Any]) -> dict[str, str]:
    """The outputs that are the name of a resource."""
    return {
        name: output["Value"]["Ref"] for name, output in outputs.items() if "Ref" in output["Value"]
    }


# Making a client takes boto3 longer than most tests take.
@pytest.fixture(scope="module")
def secrets(deployed: Mapping[str, str]) -> Any:  # noqa: ARG001 - mocks AWS
    return boto3.client("secretsmanager")


@pytest.fixture(scope="module")
def table(deployed: Mapping[str, str]) -> Any:
    return boto3.resource("dynamodb").Table(deployed["DirectoryTableName"])


@pytest.fixture(autouse=True)
def outputs(deployed: Mapping[str, str], secrets: Any, table: Any) -> Mapping[str, str]:
    """The outputs of the stack, in the state in which it was deployed."""
    for item in table.scan()["Items"]:
        table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    keys = deployed["SigningKeysSecretArn"]
    secrets.put_secret_value(SecretId=keys, SecretString=SECRETS["SigningKeys"])
    for secret in secrets.list_secrets()["SecretList"]:
        if secret["Name"].startswith((TWILIO_PREFIX, DIALOGFLOW_PREFIX)):
            secrets.delete_secret(SecretId=secret["Name"], ForceDeleteWithoutRecovery=True)
    return deployed


@pytest.fixture
def administration(outputs: Mapping[str, str]) -> Administration:
    return Administration(outputs)


@pytest.fixture
def directory(administration: Administration) -> Directory:
    return administration.directory


@pytest.fixture
def acme(administration: Administration) -> Tenant:
    return administration.create_tenant("acme", "Acme")
