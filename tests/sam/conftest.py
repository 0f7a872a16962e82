"""Functions in containers, as `sam local` runs them, on an emulator of their own."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.tenants.directory import SURFACES, Directory
from callstream_cli.local import aws, containers
from callstream_cli.local.process import HOST, free_port
from callstream_cli.local.progress import Silence
from callstream_cli.local.stack import LocalStack
from tests import template
from tests.replay import world
from tests.stack.conftest import PATIENCE, DeployedStack, eventually

IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"
_BUILT = "samcli/lambda-python"
_TOOLS = template.ROOT / ".local" / "tools"


def docker(*arguments: str) -> str:
    """The output of a docker command; empty if the command fails."""
    command = ["docker", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    if shutil.which("docker") is None or not docker("info", "--format", "{{.ServerVersion}}"):
        pytest.skip("Docker is not running")
    if not docker("image", "inspect", IMAGE, "--format", "{{.Id}}"):
        pytest.skip(f"the image {IMAGE} is missing: `docker pull` it")


@dataclass(frozen=True)
class SamLocal:
    """`sam local`, for the functions of a stack on this machine."""

    build: Path
    variables: Path
    endpoint: str

    def command(self, name: str, *arguments: str) -> list[str]:
        """The command line, with the settings of samconfig.toml."""
        return [
            str(_TOOLS / "sam" / "bin" / "sam"),
            *("local", name, *arguments),
            *("--config-file", str(template.ROOT / "samconfig.toml"), "--config-env", "local"),
            *("--template-file", str(self.build / "template.yaml")),
            *("--env-vars", str(self.variables)),
            "--skip-pull-image",
        ]

    @property
    def environment(self) -> dict[str, str]:
        """The environment: requests to AWS stay on this machine."""
        return aws.environment(os.environ, self.endpoint) | {
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(_TOOLS / "sam" / "notes"),
        }

    def invoke(self, function: str, event: Path) -> Any:
        """The answer of a function, as `sam local invoke` prints it."""
        done = subprocess.run(
            self.command("invoke", function, "--event", str(event)),
            cwd=template.ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def start_api(self, log: Path) -> Iterator[str]:
        """The base URL of `sam local start-api`, while the context lasts."""
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.command("start-api", "--host", HOST, "--port", str(port), "--no-watch"),
                cwd=template.ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            eventually(lambda: process.poll() is not None or b"Running on" in log.read_bytes())
            assert process.poll() is None, log.read_text()
            yield f"http://{HOST}:{port}"
        finally:
            # Like Ctrl-C: `sam local` then removes its containers.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            started = re.findall(r"SAM_CONTAINER_ID: (\w+)", log.read_text())
            left = set(started) & set(docker("ps", "--all", "--quiet", "--no-trunc").split())
            if left:
                docker("rm", "--force", *left)


class Account(DeployedStack):
    """The deployed stack, with the tenants and secrets of events/."""

    def __init__(self, local: LocalStack) -> None:
        description = local.describe()
        assert description is not None
        super().__init__(description, local.description_file.parent)
        secrets = self.client("secretsmanager")
        for output, value in {
            "SigningKeysSecretArn": json.dumps(world.SIGNING_KEYS),
            "CredentialPepperSecretArn": world.PEPPER,
        }.items():
            secrets.put_secret_value(SecretId=self.outputs[output], SecretString=value)
        prefix = self.outputs["TwilioSecretsPrefix"]
        for tenant_id, token in world.TWILIO_AUTH_TOKENS.items():
            secrets.create_secret(Name=f"{prefix}{tenant_id}", SecretString=token)
        with aws.talking_to(description["aws_endpoint_url"]):
            self._tables = {
                name: DynamoTable(table) for name, table in description["tables"].items()
            }
        self._directory = Directory(self._tables["directory"])
        world.seed(self._directory, *SURFACES)

    def given(self, expected: Mapping[str, Any]) -> None:
        """Make the state that an event needs, and no other state."""
        for table in self._tables.values():
            for item in table.scan():
                if item["pk"].partition("#")[0] not in {"TENANT", "CREDENTIAL"}:
                    table.delete({"pk": item["pk"], "sk": item["sk"]})
        for tenant in world.TENANTS:
            self._directory.save(tenant)
        given = expected.get("given", {})
        for name in self._tables.keys() & given.keys():
            for item in given[name]:
                for each in _as_of_now(item):
                    self._tables[name].put(each)
        secrets, prefix = self.client("secretsmanager"), self.outputs["DialogflowSecretsPrefix"]
        for name, key in given.get("secrets", {}).items():
            with suppress(secrets.exceptions.ResourceExistsException):
                secrets.create_secret(Name=f"{prefix}{name}", SecretString=key)


def _as_of_now(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An item of an event, with its times moved to the present."""
    since = int(time.time()) - int(world.NOW.timestamp())
    moved = {name: _moved(value, since) for name, value in item.items()}
    if not item["pk"].startswith("RATE#"):
        yield moved
        return
    length = int(item["sk"].partition("#")[0])
    now = int(time.time()) // length * length
    # Every window in which the request may arrive.
    for start in range(now, now + 20 * length, length):
        yield moved | {"sk": f"{length}#{start}"}


def _moved(value: Any, since: int) -> Any:
    match value:
        case int() if 1_600_000_000 < value < 2_200_000_000:
            return value + since
        case int() if 1_600_000_000_000 < value < 2_200_000_000_000:
            return value + since * 1000
    return value


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    local = LocalStack(template.ROOT, state_dir=tmp_path_factory.mktemp("stack"), port=free_port())
    try:
        local.up(Silence())
        yield local
    finally:
        local.down()


@pytest.fixture(scope="session")
def account(local: LocalStack) -> Account:
    return Account(local)


@pytest.fixture(scope="session")
def sam(account: Account, local: LocalStack) -> Iterator[SamLocal]:
    folder = account.state_dir
    variables = folder / "containers.json"
    containers.write_variables(account.description, variables, CALLSTREAM_MEDIA_URL=world.MEDIA_URL)
    images = set(docker("images", "--quiet", "--no-trunc", _BUILT).split())
    try:
        with containers.passage(account.description):
            yield SamLocal(folder / "sam" / "build", variables, local.endpoint)
    finally:
        made = set(docker("images", "--quiet", "--no-trunc", _BUILT).split()) - images
        if made:
            docker("rmi", "--force", *made)


@pytest.fixture(scope="session")
def api(sam: SamLocal, account: Account) -> Iterator[str]:
    with sam.start_api(account.state_dir / "logs" / "sam-local.log") as url:
        yield url
