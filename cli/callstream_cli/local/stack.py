"""The local stack: started, described and stopped."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from callstream_cli.local import aws, description
from callstream_cli.local.description import StackDescription
from callstream_cli.local.kept import Kept
from callstream_cli.local.process import HOST, Emulator
from callstream_cli.local.progress import Progress
from callstream_cli.local.sam import Sam
from callstream_cli.local.sources import fingerprint

DEFAULT_PORT = 4566

# As in samconfig.toml's [local].
STACK_NAME = "callstream-local"
_BUCKET = "callstream-local-packages"


class LocalStack:
    """The real template, deployed to an emulator on this machine.

    Its data live in the emulator's memory, and a changed source means a new emulator. That one gets
    the tenants, credentials and secrets of the one before; calls and records are forgotten. Several
    stacks can run at once, each with a state directory and a port of its own.

    Args:
        root: the repository.
        state_dir: the directory of logs, process id and description; by default ``root/.local``.
        port: the port on 127.0.0.1 for everything; by default the port on which the stack runs or
            last ran, or ``DEFAULT_PORT``.
    """

    def __init__(
        self, root: Path, *, state_dir: Path | None = None, port: int | None = None
    ) -> None:
        self._root = root.resolve()
        self._state_dir = (state_dir or self._root / ".local").resolve()
        tools = self._root / ".local" / "tools"
        self._sam = Sam(self._root, tools, self._state_dir)
        self._kept = Kept(self._state_dir / "kept")
        port = port or self._running_port() or self._kept.port() or DEFAULT_PORT
        self._emulator = Emulator(tools / "ministack" / "bin" / "python", self._state_dir, port)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{HOST}:{self._emulator.port}"

    @property
    def endpoint(self) -> str:
        """The URL of all AWS services."""
        return f"http://{self.address}"

    @property
    def description_file(self) -> Path:
        """``stack.json``. It exists while the stack is ready for use."""
        return self._state_dir / "stack.json"

    @property
    def log(self) -> Path:
        """The log of the emulator."""
        return self._emulator.log

    @property
    def function_log(self) -> Path:
        """The logs of all functions, in JSON lines."""
        return self._emulator.function_log

    @property
    def _fingerprint_file(self) -> Path:
        return self._state_dir / "stack.sources"

    def up(self, progress: Progress, *, fresh: bool = False) -> StackDescription:
        """Start the stack from the present sources, unless it already runs so.

        Args:
            progress: shows the steps.
            fresh: start it in any case, and forget the tenants of the stack before.

        Raises:
            LocalStackError: the stack cannot be started.
        """
        with self._alone():
            sources = fingerprint(self._root)
            current = None if fresh else self._up_to_date(sources)
            if current is not None:
                progress.note("The local stack is up to date.")
                return current
            self._clear(progress)
            try:
                return self._start(sources, progress, fresh=fresh)
            except BaseException:
                self._stop()
                raise

    def down(self) -> bool:
        """Stop the stack. Its tenants, credentials and secrets are kept.

        Returns:
            Whether the stack was running.
        """
        with self._alone():
            return self._stop()

    def describe(self) -> StackDescription | None:
        """Describe the stack, if it is running and ready."""
        if self._emulator.pid() is None:
            return None
        return description.read(self.description_file)

    def _up_to_date(self, sources: str) -> StackDescription | None:
        current = self.describe()
        if (
            current is not None
            and current["aws_endpoint_url"] == self.endpoint
            and self._fingerprint_file.exists()
            and self._fingerprint_file.read_text() == sources
            and self._emulator.is_ready()
        ):
            return current
        return None

    def _running_port(self) -> int | None:
        running = description.read(self.description_file)
        return urlsplit(running.get("aws_endpoint_url", "")).port if running else None

    def _clear(self, progress: Progress) -> None:
        """Make room for a new emulator."""
        if self._emulator.pid() is not None:
            if self._running_port() != self._emulator.port:
                # Fails before anything is stopped if the new port is taken.
                self._emulator.require_port()
            with progress.step("Stopping the local stack as it was"):
                self._stop()
        elif self._emulator.has_leftovers():
            progress.note("Cleaning up after an emulator that did not end properly.")
            self._stop()

    def _start(self, sources: str, progress: Progress, *, fresh: bool) -> StackDescription:
        self._kept.begin(fresh=fresh)
        # The emulator becomes ready while SAM builds.
        self._emulator.start((self._kept.state, self._kept.ready))
        with progress.step("Building functions and layers"):
            self._sam.build()
        with progress.step("Waiting for ministack"):
            self._emulator.wait_until_ready()
        with aws.talking_to(self.endpoint):
            stack = self._deploy(progress)
        self._fingerprint_file.write_text(sources)
        description.write(self.description_file, stack)
        return stack

    def _deploy(self, progress: Progress) -> StackDescription:
        # Slow imports, which a stack that is up to date does not need.
        import boto3  # noqa: PLC0415

        from callstream_cli.local.completion import apply_gateway_responses  # noqa: PLC0415
        from callstream_cli.seed import restore_and_seed  # noqa: PLC0415

        session = boto3.Session()
        with progress.step("Deploying template.yaml"):
            session.client("s3").create_bucket(Bucket=_BUCKET)
            parameters = {
                "Emulator": self.address,
                "Transcriber": "offline",
                "Dialogflow": "google",
            }
            self._sam.deploy(self.endpoint, bucket=_BUCKET, parameters=parameters)
            cloudformation = session.client("cloudformation")
            apply_gateway_responses(cloudformation, session.client("apigateway"), STACK_NAME)
        with progress.step("Preparing the tenants"):
            (stack,) = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
            outputs = {
                output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])
            }
            credentials, shown = restore_and_seed(outputs, self._kept)
            self._kept.complete(self._emulator.port, credentials)
        return description.describe(outputs, shown, endpoint=self.endpoint, region=aws.REGION)

    def _stop(self) -> bool:
        # The description goes first, so that no command finds the stack any more.
        self.description_file.unlink(missing_ok=True)
        self._fingerprint_file.unlink(missing_ok=True)
        return self._emulator.stop()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time change this stack."""
        self._state_dir.mkdir(parents=True, exist_ok=True)
        with (self._state_dir / "stack.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
