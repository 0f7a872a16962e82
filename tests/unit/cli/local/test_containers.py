"""Containers that reach the local stack."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from callstream_cli.__main__ import build
from callstream_cli.local import (
    containers,
)
from callstream_cli.local.stack import LocalStack


class TestContainers:
    def test_docker_that_does_not_answer_is_reported(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        docker = tmp_path / "docker"
        docker.write_text("#!/bin/sh\necho 'Cannot connect.' >&2\necho 'Is it up?' >&2\nexit 1\n")
        docker.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        stack = {"aws_endpoint_url": "http://127.0.0.1:4566"}
        monkeypatch.setattr(LocalStack, "describe", lambda _: stack)
        monkeypatch.setattr(containers, "write_variables", lambda *_: None)
        result = CliRunner().invoke(build(["containers"]), ["containers"])

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "callstream: Docker does not answer: Cannot connect. Is it up?\n"
