"""The emulator's process: started, watched and stopped by its id."""

import contextlib
import errno
import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from callstream_cli.local.errors import EmulatorError, PortTakenError, ToolMissingError

HOST = "127.0.0.1"

# ministack's environment does not have this package.
_EMULATOR = "callstream_cli.local.emulator"
_PACKAGES = Path(__file__).parents[2]

_START_TIMEOUT = 60.0
# Open WebSockets keep ministack from ending by SIGTERM, and there is no state to save.
_STOP_TIMEOUT = 2.0
_POLL = 0.05

# Lambda workers inherit the emulator's environment, so the emulator gets little of this one.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR")


def free_port() -> int:
    """Return a port that no program on this machine listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def environment(port: int, temporary: Path) -> dict[str, str]:
    """Return an environment in which ministack uses only 127.0.0.1, and no Docker."""
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "TZ": "UTC",
        "TMPDIR": str(temporary),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "WARNING",
        # Services with listeners of their own, which Callstream does not use.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # With a socket that does not exist, ministack finds no Docker.
        "DOCKER_HOST": f"unix://{temporary / 'no-docker.sock'}",
        "LAMBDA_EXECUTOR": "local",
        # Functions must not pick up the developer's own AWS configuration.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@dataclass
class Emulator:
    """The ministack that belongs to one state directory."""

    python: Path
    """The interpreter of ministack's environment."""
    state_dir: Path
    port: int
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """The log of ministack."""
        return self.state_dir / "logs" / "ministack.log"

    @property
    def function_log(self) -> Path:
        """The logs of all functions, in JSON lines."""
        return self.state_dir / "logs" / "functions.jsonl"

    @property
    def _pid_file(self) -> Path:
        return self.state_dir / "ministack.pid"

    @property
    def _temporary(self) -> Path:
        return self.state_dir / "tmp"

    def pid(self) -> int | None:
        """The id of the running emulator, or None. An id that was left behind does not count."""
        try:
            with self._pid_file.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(file.read() or 0) or None
        except FileNotFoundError:
            pass
        return None

    def start(self, kept: tuple[Path, Path]) -> None:
        """Launch the emulator, without waiting for it.

        Args:
            kept: the file for what is kept, and the file that says when there is something to keep.

        Raises:
            ToolMissingError: ministack is not installed.
            PortTakenError: another program has the port.
        """
        if not self.python.exists():
            raise ToolMissingError(self.python)
        self.require_port()
        self._temporary.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                [self.python, "-m", _EMULATOR, self._pid_file, self.function_log, *kept],
                cwd=self.state_dir,
                env=environment(self.port, self._temporary) | {"PYTHONPATH": str(_PACKAGES)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A session of its own: Ctrl-C at the terminal does not reach the emulator, and
                # its process group holds only the emulator and its workers.
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Return once the emulator answers.

        Raises:
            EmulatorError: the emulator ended, or took too long.
        """
        deadline = time.monotonic() + _START_TIMEOUT
        while not self.is_ready():
            if self._child is not None and self._child.poll() is not None:
                raise EmulatorError(f"ended with status {self._child.returncode}", self.log)
            if time.monotonic() > deadline:
                raise EmulatorError(f"did not answer within {_START_TIMEOUT:.0f} s", self.log)
            time.sleep(_POLL)

    def is_ready(self) -> bool:
        """Ask the emulator whether it is ready."""
        # urllib might use a proxy.
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/_ministack/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> bool:
        """Stop the emulator and its workers, and remove their files.

        Returns:
            Whether an emulator was running.
        """
        pid = self.pid() or (
            self._child.pid if self._child and self._child.poll() is None else None
        )
        if pid is not None:
            self._end(pid)
        # After an emulator was killed, idle workers end by themselves, and busy workers do not.
        for orphan in self._orphans():
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        self._pid_file.unlink(missing_ok=True)
        shutil.rmtree(self._temporary, ignore_errors=True)
        return pid is not None

    def has_leftovers(self) -> bool:
        """Whether an emulator that does not run any more has left files or workers."""
        return self._pid_file.exists() and self.pid() is None

    def _end(self, pid: int) -> None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while not self._has_ended() and time.monotonic() < deadline:
            time.sleep(_POLL)
        # The group is the emulator's own. On macOS, a group of zombies answers EPERM.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        if self._child is not None:
            self._child.wait()
            self._child = None

    def _has_ended(self) -> bool:
        if self._child is not None:
            return self._child.poll() is not None
        return self.pid() is None

    def _orphans(self) -> Iterator[int]:
        """Find workers without an emulator: their command names the temporary directory."""
        ours = f"{self._temporary}{os.sep}ministack-lambda-"
        try:
            listing = subprocess.run(
                ["ps", "-A", "-ww", "-o", "pid=,args="],  # noqa: S607 - where ps is differs
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        except (OSError, subprocess.CalledProcessError):
            # Slim containers have no ps. Workers that are left end at their own time-out.
            return
        for line in listing.splitlines():
            pid, _, command = line.strip().partition(" ")
            if ours in command:
                yield int(pid)

    def require_port(self) -> None:
        """Raise PortTakenError if another program has the port."""
        with socket.socket() as probe:
            # As servers do: lingering connections of a previous run do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self.port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise PortTakenError(self.port) from None
                raise
