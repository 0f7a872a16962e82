"""Starts ministack with patches. The interpreter of ministack's environment runs this module.

After every invocation, ministack's Lambda workers wait for log lines: 50 milliseconds if there are
none, five after the last line, and the worker is locked meanwhile. AWS has no such pause, and with
the pause a function that runs for every audio frame, each 20 milliseconds, falls behind. Therefore
the waits are set to 0. Log lines that come later appear with the next invocation.

ministack ignores MaximumBatchingWindowInSeconds of an event source mapping: it calls a function for
each record, where AWS calls the function every few seconds with many. Therefore the window is kept
here.

ministack counts a worker as idle since the worker last left its pool, and workers for WebSocket
messages never return to the pool: after five minutes a working worker may be killed, and its
message is lost. Therefore no worker is killed for being idle.

For every record that is put or read, ministack looks at all records of the stream to find those
past their retention. After some minutes of calls that takes most of its time, and calls fall
behind. Therefore the oldest record of each shard is looked at first.

ministack unpacks layers and code anew for each worker, which takes a second of CPU for Callstream's
layers, more than the rest of a start. Therefore an archive is unpacked once, and workers get links
to its files.

On AWS, CloudFront moves a token at the end of a media URL's path into the query, because Twilio
drops queries. ministack ignores a path after the stage. Therefore the token is moved here, by the
rule of template.yaml's MediaTokenFunction.
"""

import fcntl
import importlib
import inspect
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from callstream_cli.local.emulator_keeping import (
    Keeper,
    keep_api_ids,
    require_stores,
    snapshot,
)
from callstream_cli.local.emulator_logs import (
    FunctionLog,
    log_functions,
    write_no_platform_lines,
)

_A_YEAR = 365 * 24 * 3600
_NO_WAIT = {"first_line_wait": 0.0, "idle_confirm": 0.0}
# Three parts of base64url. The authorizer refuses forged tokens.
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


def remove_log_wait(worker: Any) -> None:  # noqa: ANN401 - ministack is not installed for type checks
    """Make ``worker._drain_stderr_bounded`` return the lines that are there, without waiting.

    Raises:
        RuntimeError: the patch does not fit this version of ministack.
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
    """Make ``service`` poll a mapping of Kinesis only once in the mapping's batching window.

    Raises:
        RuntimeError: the patch does not fit this version of ministack.
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
            # The mapping was polled just now, unless it waits for its window or after a failure.
            if window and waits.get(mapping["UUID"], 0) <= now:
                waits[mapping["UUID"]] = now + window
        return processed

    service._poll_kinesis = poll_in_windows  # noqa: SLF001


def expire_only_the_old(service: Any) -> None:  # noqa: ANN401 - as above
    """Make ``service`` look for records past their retention only if the oldest record is.

    Raises:
        RuntimeError: the patch does not fit this version of ministack.
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
    """An archive that a process unpacks once; later extractions make hard links."""

    _lock: Final = threading.Lock()
    _unpacked: Final[dict[object, str]] = {}

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:  # noqa: ANN401
        """Extract as the standard library does, but with files that extractions share."""
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
    """Make ``runtime`` unpack each archive once.

    Raises:
        RuntimeError: the patch does not fit this version of ministack.
    """
    if getattr(runtime, "zipfile", None) is not zipfile:
        raise RuntimeError(
            "ministack's workers do not unpack with zipfile any more. The pin in "
            "requirements/ministack.in has moved: see whether they unpack a layer once now."
        )
    runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": LinkingZip})


def take_tokens_in_paths(service: Any) -> None:  # noqa: ANN401 - as above
    """Make ``service`` accept WebSocket URLs that end in a token.

    The functions also receive the two headers that CloudFront adds, as Twilio's signature covers
    the URL as it was requested.

    Raises:
        RuntimeError: the patch does not fit this version of ministack.
    """
    handle = getattr(service, "handle_websocket", None)
    if handle is None or "scope" not in inspect.signature(handle).parameters:
        raise RuntimeError(
            "ministack's API Gateway has no handle_websocket(scope, …) any more. The pin in "
            "requirements/ministack.in has moved: see how it hands on a handshake's query now."
        )

    async def handle_moved(scope: dict[str, Any], *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        await handle(_with_token_in_query(scope), *arguments, **options)

    service.handle_websocket = handle_moved


def _with_token_in_query(scope: dict[str, Any]) -> dict[str, Any]:
    """Return an ASGI handshake with the token at the end of its path, if any, in the query."""
    path, query = scope["path"], scope["query_string"].decode()
    last = path.rstrip("/").rpartition("/")[2]
    if not _JWT.fullmatch(last):
        return scope
    # The token in the path counts, even if the query has another token.
    others = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "token"]
    headers = dict(scope["headers"])
    # `callstream expose` has set these headers to the URL that the carrier requested.
    headers.setdefault(b"x-callstream-host", headers.get(b"host", b""))
    headers.setdefault(b"x-callstream-path", (f"{path}?{query}" if query else path).encode())
    return {
        **scope,
        "query_string": urlencode([*others, ("token", last)]).encode(),
        "headers": [*headers.items()],
    }


def claim(pid_file: str) -> int:
    """Write this process's id into ``pid_file``, and lock the file as long as the process lives.

    Unlike the id, the lock cannot outlive the process or belong to another process.

    Returns:
        The descriptor of the open file, to be kept open. Worker processes do not inherit it.
    """
    descriptor = os.open(pid_file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def main() -> None:
    """Run ministack in the foreground until SIGTERM.

    The arguments are the pid file, the file for the functions' logs, the file for what is kept, and
    the file that says when there is something to keep.
    """
    # Only this process has modules of this package.
    os.environ.pop("PYTHONPATH")
    pid_file, function_log, kept, ready = sys.argv[1:]
    del sys.argv[1:]
    descriptor = claim(pid_file)
    log = FunctionLog(Path(function_log))
    os.environ["LAMBDA_WARM_TTL_SECONDS"] = str(_A_YEAR)
    runtime = importlib.import_module("ministack.core.lambda_runtime")
    remove_log_wait(runtime.Worker)
    unpack_once(runtime)
    log_functions(runtime, log.write)
    functions = importlib.import_module("ministack.services.lambda_svc")
    write_no_platform_lines(functions)
    keep_batching_windows(functions)
    expire_only_the_old(importlib.import_module("ministack.services.kinesis"))
    websocket = importlib.import_module("ministack.services.apigateway")
    take_tokens_in_paths(websocket)
    keep_api_ids(importlib.import_module("ministack.services.apigateway_v1"), websocket)
    stores = [
        importlib.import_module(f"ministack.services.{each}")
        for each in ("dynamodb", "secretsmanager")
    ]
    require_stores(*stores)
    keeper = Keeper(Path(kept), Path(ready), lambda: snapshot(*stores))
    keeper.start()
    importlib.import_module("ministack.app").main()
    keeper.save()
    os.close(descriptor)


if __name__ == "__main__":
    main()
