"""The functions' logs: a file that outlives the emulator.

ministack gives a function no logging of its own, and keeps in its CloudWatch only what a function
has written by the end of an invocation, which is nothing now that nobody waits for it. Therefore
workers log as Lambda's runtime does, and all their output goes to a file, in JSON lines.

For every invocation, so for every frame, ministack makes a log stream with a START, an END and a
REPORT, and keeps them all. On AWS the template's SystemLogLevel leaves these lines out. Therefore
ministack writes none.
"""

import inspect
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from callstream_cli.local import worker_logging

_MOST_BYTES: Final = 10_000_000
_LONGEST: Final = 262_144
_HANDLER_CALL: Final = "result = handler_fn(event, context)"


class FunctionLog:
    """A file with all output of all functions: a line of JSON for each line.

    Every line has `at`, the time in UTC, and `function`, the function's name. A full file becomes
    `<name>.1`, in place of the one before.
    """

    def __init__(self, path: Path, most_bytes: int = _MOST_BYTES) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, function: str, line: str) -> None:
        """Write one line of a function's output. A full disk is no reason to stop the function."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = json.dumps({"at": at, "function": function, **_fields(line)}) + "\n"
        try:
            with self._lock, self._path.open("a", encoding="utf-8") as file:
                if file.tell() and file.tell() + len(entry) > self._most_bytes:
                    self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                    self._path.write_text(entry, encoding="utf-8")
                else:
                    file.write(entry)
        except OSError:
            return


def _fields(line: str) -> dict[str, Any]:
    if line.startswith("{") and len(line) <= _LONGEST:
        try:
            fields: dict[str, Any] = json.loads(line)
        except ValueError:
            pass
        else:
            return fields
    return {"message": line[:_LONGEST]}


def log_functions(runtime: Any, write: Callable[[str, str], None]) -> None:  # noqa: ANN401 - ministack is not installed for type checks
    """Let `runtime`'s workers log as on AWS, and `write` get each line with its function's name.

    Raises:
        RuntimeError: the patch does not fit this version of ministack.
    """
    worker = getattr(runtime, "Worker", None)
    script = getattr(runtime, "_PYTHON_WORKER_SCRIPT", "")
    if worker is None or not hasattr(worker, "_read_stderr") or script.count(_HANDLER_CALL) != 1:
        raise RuntimeError(
            "ministack's Worker._read_stderr or the call of the handler in its worker script is "
            "gone. The pin in requirements/ministack.in has moved: see where output goes now."
        )

    def read_and_write(self: Any) -> None:  # noqa: ANN401 - as above
        name = self.config["FunctionName"]
        try:
            for line in self._proc.stderr:
                text = line.rstrip("\n")
                self._stderr_queue.put(text)
                write(name, text)
        except (ValueError, OSError):
            return  # the worker was stopped

    worker._read_stderr = read_and_write  # noqa: SLF001
    logging_first = f"{inspect.getsource(worker_logging)}\nlog_as_lambda_does()\n"
    note_request = "LambdaJson.request_id = context.aws_request_id; "
    runtime._PYTHON_WORKER_SCRIPT = logging_first + script.replace(  # noqa: SLF001
        _HANDLER_CALL, note_request + _HANDLER_CALL
    )


def write_no_platform_lines(service: Any) -> None:  # noqa: ANN401 - as above
    """Let `service` write no lines of its own about invocations.

    Raises:
        RuntimeError: the patch does not fit this version of ministack.
    """
    if not hasattr(service, "_emit_lambda_logs"):
        raise RuntimeError(
            "ministack's Lambda has no _emit_lambda_logs any more. The pin in "
            "requirements/ministack.in has moved: see whether it keeps a line for each invocation."
        )
    service._emit_lambda_logs = lambda *_, **__: None  # noqa: SLF001
