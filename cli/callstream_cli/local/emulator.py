"""Starts ministack. Run by the interpreter of ministack's own environment, not imported by the CLI.

After every invocation, ministack's Lambda workers wait for log lines: 50 milliseconds if there are
none, five after the last one, with the worker locked meanwhile. AWS has no such pause, and with it
a function that runs once per audio frame, every 20 milliseconds, falls further and further behind.
So the waits are set to nothing. Log lines that come later are handed out with the next invocation.

Of an event source mapping, ministack ignores MaximumBatchingWindowInSeconds: a function that AWS
calls every few seconds with many records would be called for each. So the window is kept here.

A worker counts as idle since it was last taken out of its pool, and for WebSocket messages it never
goes back: after five minutes one that is at work may be killed, and its message is lost. So none is
killed for being idle.

For every record that is put or read, ministack goes through all that its stream holds to see which
are too old. After some minutes of calls that is most of what it does, and calls fall behind. So it
looks at the oldest of each shard first.

Each worker gets layers and code unpacked anew, which for our layers takes a second of CPU, more
than all else that its start does. So an archive is unpacked once, and workers get links to its
files.
"""

import fcntl
import importlib
import inspect
import os
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

_A_YEAR = 365 * 24 * 3600
_NO_WAIT = {"first_line_wait": 0.0, "idle_confirm": 0.0}


def remove_log_wait(worker: Any) -> None:  # noqa: ANN401 - ministack is not there to type-check with
    """Make ``worker._drain_stderr_bounded`` return what is there, without waiting.

    Raises:
        RuntimeError: this ministack is not the one that the patch was written for.
    """
    drain = getattr(worker, "_drain_stderr_bounded", None)
    parameters = inspect.signature(drain).parameters if drain else {}
    if drain is None or not _NO_WAIT.keys() <= parameters.keys():
        raise RuntimeError(
            "ministack's Worker._drain_stderr_bounded(first_line_wait, idle_confirm) is gone. "
            "The pin in requirements/ministack.in has moved: see whether the wait has gone too."
        )
    drain.__defaults__ = tuple(
        _NO_WAIT.get(name, parameter.default)
        for name, parameter in parameters.items()
        if parameter.default is not inspect.Parameter.empty
    )


def keep_batching_windows(service: Any) -> None:  # noqa: ANN401 - as above
    """Make ``service``'s poller of Kinesis leave a mapping alone for its window, after each batch.

    Raises:
        RuntimeError: this ministack is not the one that the patch was written for.
    """
    try:
        poll, mappings, waits = (
            service._poll_kinesis,  # noqa: SLF001
            service._iter_all_esms,  # noqa: SLF001
            service._esm_backoff_until,  # noqa: SLF001
        )
    except AttributeError as error:
        raise RuntimeError(
            f"ministack's poller of event sources has changed: {error}. The pin in "
            "requirements/ministack.in has moved: see whether it keeps batching windows now."
        ) from None

    def poll_in_windows() -> bool:
        processed = bool(poll())
        now = time.time()
        for *_, mapping in mappings():
            window = int(mapping.get("MaximumBatchingWindowInSeconds") or 0)
            # It was polled just now, unless it still waits: for its window, or after a failure.
            if window and waits.get(mapping["UUID"], 0) <= now:
                waits[mapping["UUID"]] = now + window
        return processed

    service._poll_kinesis = poll_in_windows  # noqa: SLF001


def expire_only_the_old(service: Any) -> None:  # noqa: ANN401 - as above
    """Make ``service`` look for records past their retention only where the oldest is.

    Raises:
        RuntimeError: this ministack is not the one that the patch was written for.
    """
    expire = getattr(service, "_expire_records", None)
    if expire is None:
        raise RuntimeError(
            "ministack's Kinesis has no _expire_records any more. The pin in "
            "requirements/ministack.in has moved: see whether it is fast with many records now."
        )

    def expire_if_any(stream: dict[str, Any]) -> None:
        cutoff = time.time() - stream["RetentionPeriodHours"] * 3600
        oldest = (shard["records"][0] for shard in stream["shards"].values() if shard["records"])
        if any(record["ApproximateArrivalTimestamp"] < cutoff for record in oldest):
            expire(stream)

    service._expire_records = expire_if_any  # noqa: SLF001


class LinkingZip(zipfile.ZipFile):
    """An archive that is unpacked once in a process; a second time means hard links."""

    _lock: Final = threading.Lock()
    _unpacked: Final[dict[object, str]] = {}

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:  # noqa: ANN401
        """As in the standard library, but that the files may be shared with others."""
        if path is None or members is not None:
            super().extractall(path, members, pwd)
            return
        content = tuple((each.filename, each.CRC, each.file_size) for each in self.infolist())
        with self._lock:
            if content not in self._unpacked:
                folder = tempfile.mkdtemp(prefix="unpacked-")
                super().extractall(folder, pwd=pwd)
                self._unpacked[content] = folder
        shutil.copytree(
            self._unpacked[content], Path(path), copy_function=os.link, dirs_exist_ok=True
        )


def unpack_once(runtime: Any) -> None:  # noqa: ANN401 - as above
    """Make ``runtime`` unpack archives once.

    Raises:
        RuntimeError: this ministack is not the one that the patch was written for.
    """
    if getattr(runtime, "zipfile", None) is not zipfile:
        raise RuntimeError(
            "ministack's workers do not unpack with zipfile any more. The pin in "
            "requirements/ministack.in has moved: see whether they unpack a layer once now."
        )
    runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": LinkingZip})


def claim(pid_file: str) -> int:
    """Write this process's id into ``pid_file`` and lock the file for as long as the process lives.

    The lock, unlike the number, cannot outlive the process or come to mean another one.

    Returns:
        The open file, to be kept open. Worker processes do not inherit it.
    """
    descriptor = os.open(pid_file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def main() -> None:
    """Run ministack in the foreground until SIGTERM; the pid file is the only argument."""
    descriptor = claim(sys.argv.pop())
    os.environ["LAMBDA_WARM_TTL_SECONDS"] = str(_A_YEAR)
    runtime = importlib.import_module("ministack.core.lambda_runtime")
    remove_log_wait(runtime.Worker)
    unpack_once(runtime)
    keep_batching_windows(importlib.import_module("ministack.services.lambda_svc"))
    expire_only_the_old(importlib.import_module("ministack.services.kinesis"))
    importlib.import_module("ministack.app").main()
    os.close(descriptor)


if __name__ == "__main__":
    main()
