"""The environment of tools that use the local stack."""

import os
from pathlib import Path

import pytest

from callstream_cli.local import (
    aws,
    process,
)

ENDPOINT = "http://127.0.0.1:4566"


class TestEnvironment:
    def test_environment_has_nothing_of_the_developers_aws(self) -> None:
        developer = {
            "AWS_PROFILE": "production",
            "AWS_SESSION_TOKEN": "real",
            "AWS_ENDPOINT_URL_S3": "https://elsewhere",
            "PATH": "/bin",
            "no_proxy": "internal",
        }
        environment = aws.environment(developer, ENDPOINT)
        assert "AWS_PROFILE" not in environment
        assert "AWS_SESSION_TOKEN" not in environment
        assert "AWS_ENDPOINT_URL_S3" not in environment
        assert environment["PATH"] == "/bin"
        assert environment["AWS_ENDPOINT_URL"] == ENDPOINT
        assert environment["NO_PROXY"] == environment["no_proxy"] == "127.0.0.1,internal"

    def test_environment_is_restored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "production")
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        with aws.talking_to(ENDPOINT):
            assert os.environ["AWS_ENDPOINT_URL"] == ENDPOINT
            assert "AWS_PROFILE" not in os.environ
        assert "AWS_ENDPOINT_URL" not in os.environ
        assert os.environ["AWS_PROFILE"] == "production"

    def test_environment_of_the_emulator_keeps_it_on_this_machine(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PYTHONPATH", "/leak")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
        environment = process.environment(4567, tmp_path)
        assert environment["BIND_HOST"] == "127.0.0.1"
        assert environment["GATEWAY_PORT"] == "4567"
        assert "PYTHONPATH" not in environment
        assert "AWS_SECRET_ACCESS_KEY" not in environment
