"""Which deployment a command works on, and what AWS refuses."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ConnectTimeoutError

from tests.unit.cli.commands import refusal


class TestAws:
    def test_missing_stack_is_reported(self) -> None:
        assert refusal("tenants", "list", "--stack", "nothing") == (
            "there is no stack 'nothing' in us-east-1"
        )

    def test_stack_of_another_kind_is_reported(self) -> None:
        queue = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName="other", TemplateBody=json.dumps(queue))

        assert refusal("keys", "list", "--stack", "other") == (
            "the stack has no output SigningKeysSecretArn: it is not a Callstream stack, "
            "or of another version"
        )

    def test_missing_aws_credentials_are_explained(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

        assert refusal("tenants", "list") == (
            "no AWS credentials found: set AWS_PROFILE, or sign in with the AWS CLI"
        )

    def test_missing_region_is_explained(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

        assert refusal("tenants", "list") == "no AWS region given: set AWS_DEFAULT_REGION"

    def test_missing_profile_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
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
    def test_error_of_aws_is_one_line(
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

    def test_missing_network_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_local_stack_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CALLSTREAM_STACK")
    monkeypatch.setenv("CALLSTREAM_STATE_DIR", str(tmp_path))

    assert refusal("tenants", "list") == (
        "the local stack is not running: start it (callstream up), or name one (--stack)"
    )
