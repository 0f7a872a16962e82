"""The failures of the local stack, in words for the person who typed the command.

::

    LocalStackError
    ├── ToolMissingError
    ├── PortTakenError
    ├── EmulatorError
    ├── CommandFailedError
    ├── TemplateError
    ├── KeptStateError
    └── DockerError
"""

from collections.abc import Sequence
from pathlib import Path


class LocalStackError(Exception):
    """The local stack has failed. The text is enough without a traceback."""


class ToolMissingError(LocalStackError):
    """A tool that ``scripts/setup`` installs is missing."""

    def __init__(self, tool: Path) -> None:
        super().__init__(f"{tool} is missing. `make setup` installs it.")


class PortTakenError(LocalStackError):
    """Another program listens on the emulator's port."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} on 127.0.0.1 is taken by another program. "
            f"Choose a free one, for example: CALLSTREAM_PORT={port + 1} make up"
        )


class EmulatorError(LocalStackError):
    """The emulator did not start, or ended by itself."""

    def __init__(self, problem: str, log: Path) -> None:
        super().__init__("\n".join([f"ministack {problem}", *_evidence(log)]))


class CommandFailedError(LocalStackError):
    """A command that builds or deploys the local stack ended with an error."""

    def __init__(self, command: str, status: int, log: Path) -> None:
        super().__init__("\n".join([f"`{command}` ended with status {status}", *_evidence(log)]))


class TemplateError(LocalStackError):
    """The deployed template lacks a part that the local stack relies on."""


class KeptStateError(LocalStackError):
    """What the local stack has kept of tenants and secrets does not fit it any more."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"The tenants in {path} cannot be restored: {problem}\n"
            "`callstream up --fresh` forgets them and starts anew."
        )


class DockerError(LocalStackError):
    """Docker is installed, but does not answer."""

    def __init__(self, said: str) -> None:
        super().__init__(f"Docker does not answer: {' '.join(said.split())}")


_TAIL = 30
# The end of SAM's many lines about the progress of uploads.
_UPLOADING = "%)"


def _evidence(log: Path) -> Sequence[str]:
    """The end of ``log``, and the path of the whole log."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ()
    relevant = [line.rstrip() for line in lines if line.strip() and not line.endswith(_UPLOADING)]
    return *(f"  {line}" for line in relevant[-_TAIL:]), f"All of it: {log}"
