"""Builds and deploys the template for this machine, with the SAM CLI."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callstream_cli.local import aws
from callstream_cli.local.errors import CommandFailedError, ToolMissingError


@dataclass(frozen=True, slots=True)
class Sam:
    """Builds and deploys the template under ``root``; all output goes to ``state_dir``."""

    root: Path
    tools: Path
    """The directory of the tools that ``scripts/setup`` installs."""
    state_dir: Path

    @property
    def _build_dir(self) -> Path:
        return self.state_dir / "sam" / "build"

    def build(self) -> None:
        """Run ``sam build``.

        Raises:
            ToolMissingError: the SAM CLI or uv is not installed.
            CommandFailedError: SAM failed.
        """
        uv = self.tools / "uv" / "bin" / "uv"
        if not uv.exists():
            raise ToolMissingError(uv)
        self._run(
            "build",
            "--template-file",
            self.root / "template.yaml",
            "--build-dir",
            self._build_dir,
            "--cache-dir",
            self.state_dir / "sam" / "cache",
            environment={
                **self._environment(os.environ),
                # SAM requires a region, although a build does not use it.
                "AWS_DEFAULT_REGION": aws.REGION,
                # Read by the Makefiles of the layers.
                "CALLSTREAM_LAYER_PLATFORM": "host",
                "CALLSTREAM_LAYER_PYTHON": str(self.tools / "ministack" / "bin" / "python"),
                "CALLSTREAM_UV": str(uv),
            },
        )

    def deploy(self, endpoint: str, *, bucket: str, parameters: Mapping[str, str]) -> None:
        """Run ``sam deploy`` against the AWS at ``endpoint``.

        Raises:
            CommandFailedError: SAM failed.
        """
        self._run(
            "deploy",
            "--template-file",
            self._build_dir / "template.yaml",
            "--s3-bucket",
            bucket,
            "--parameter-overrides",
            *(f"{name}={value}" for name, value in parameters.items()),
            environment={
                **self._environment(aws.environment(os.environ, endpoint)),
                # Seconds between two looks at a change set; the default of 5 is for AWS.
                "SAM_CLI_POLL_DELAY": "0.1",
            },
        )

    def _environment(self, surrounding: Mapping[str, str]) -> dict[str, str]:
        # SAM looks for python3.13 on the path, and finds it in its own environment.
        path = os.pathsep.join([str(self.tools / "sam" / "bin"), surrounding.get("PATH", "")])
        return {
            **surrounding,
            "PATH": path,
            "SAM_CLI_TELEMETRY": "0",
            # SAM's own notes stay out of the home directory.
            "__SAM_CLI_APP_DIR": str(self.tools / "sam" / "notes"),
        }

    def _run(self, command: str, *arguments: str | Path, environment: Mapping[str, str]) -> None:
        executable = self.tools / "sam" / "bin" / "sam"
        if not executable.exists():
            raise ToolMissingError(executable)
        log = self.state_dir / "logs" / f"sam-{command}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        configuration = self.root / "samconfig.toml"
        options = ["--config-file", configuration, "--config-env", "local", *arguments]
        with log.open("wb") as output:
            status = subprocess.run(
                [executable, command, *options],
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        if status != 0:
            raise CommandFailedError(f"sam {command}", status, log)
