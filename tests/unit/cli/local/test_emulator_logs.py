"""The functions' logs on the local stack."""

import json
import queue
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from callstream_cli.local import emulator_logs
from callstream_cli.local.emulator_logs import FunctionLog, log_functions

SCRIPT = """
import logging, sys
sys.stdout = sys.stderr
context = type("Context", (), {"aws_request_id": "request-1"})()
def handler_fn(event, context):
    log = logging.getLogger("callstream.calls")
    log.debug("left out")
    log.info("counted %d", 3, extra={"stream_id": "S1"})
    logging.getLogger("botocore").info("left out too")
    print("plain text")
    try:
        raise ValueError("no such thing")
    except ValueError:
        log.exception("not counted")
event = {}
result = handler_fn(event, context)
"""


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestFunctionLog:
    def test_json_stays_json_and_text_becomes_a_message(self, tmp_path: Path) -> None:
        log = FunctionLog(tmp_path / "logs" / "functions.jsonl")
        log.write("SweepFunction", '{"level": "INFO", "message": "swept"}')
        log.write("SweepFunction", "Traceback: é")
        log.write("SweepFunction", '{"not": json')

        entries = written(tmp_path / "logs" / "functions.jsonl")
        assert [entry.pop("at")[-1] for entry in entries] == ["Z", "Z", "Z"]
        assert entries == [
            {"function": "SweepFunction", "level": "INFO", "message": "swept"},
            {"function": "SweepFunction", "message": "Traceback: é"},
            {"function": "SweepFunction", "message": '{"not": json'},
        ]

    def test_full_file_is_put_aside_once(self, tmp_path: Path) -> None:
        path = tmp_path / "functions.jsonl"
        log = FunctionLog(path, most_bytes=300)
        for number in range(12):
            log.write("F", f"line {number:02}")

        kept = [*written(tmp_path / "functions.jsonl.1"), *written(path)]
        assert [entry["message"] for entry in kept][-4:] == [f"line {n:02}" for n in range(8, 12)]
        assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, f"{path.name}.1"]
        assert all(each.stat().st_size <= 300 for each in tmp_path.iterdir())

    def test_line_of_any_length_is_bounded(self, tmp_path: Path) -> None:
        FunctionLog(tmp_path / "log").write("F", "x" * 1_000_000)
        assert (tmp_path / "log").stat().st_size < 300_000

    def test_file_that_cannot_be_written_does_not_stop_the_function(self, tmp_path: Path) -> None:
        log = FunctionLog(tmp_path / "log")
        (tmp_path / "log").mkdir()
        log.write("F", "line")


class TestLogFunctions:
    def test_workers_output_is_written_as_on_aws(self, tmp_path: Path) -> None:
        class Worker:
            config = {"FunctionName": "SweepFunction"}  # noqa: RUF012

            def __init__(self, script: str) -> None:
                self._stderr_queue: queue.Queue[str] = queue.Queue()
                self._proc = subprocess.Popen(
                    [sys.executable, "-c", script],
                    stderr=subprocess.PIPE,
                    text=True,
                    env={"LOG_LEVEL": "WARNING"},
                )

            def _read_stderr(self) -> None:
                raise NotImplementedError

        runtime = SimpleNamespace(Worker=Worker, _PYTHON_WORKER_SCRIPT=SCRIPT)
        log_functions(runtime, FunctionLog(tmp_path / "log").write)
        worker = runtime.Worker(runtime._PYTHON_WORKER_SCRIPT)
        with worker._proc:
            worker._read_stderr()

        counted, plain, failed = written(tmp_path / "log")
        assert counted.pop("timestamp")[10] == "T"
        assert counted | {"at": ""} == {
            "at": "",
            "function": "SweepFunction",
            "level": "INFO",
            "message": "counted 3",
            "logger": "callstream.calls",
            "requestId": "request-1",
            "stream_id": "S1",
        }
        assert plain["message"] == "plain text"
        assert (failed["errorType"], failed["errorMessage"]) == ("ValueError", "no such thing")
        assert "handler_fn" in failed["stackTrace"][0]
        # ministack's own use of the lines goes on.
        assert worker._stderr_queue.qsize() == 3

    @pytest.mark.parametrize(
        "runtime",
        [
            SimpleNamespace(),
            SimpleNamespace(Worker=object, _PYTHON_WORKER_SCRIPT=SCRIPT),
            SimpleNamespace(
                Worker=SimpleNamespace(_read_stderr=None), _PYTHON_WORKER_SCRIPT="result = f()"
            ),
        ],
    )
    def test_changed_ministack_is_reported(self, runtime: Any) -> None:
        with pytest.raises(RuntimeError, match=r"requirements/ministack\.in"):
            emulator_logs.log_functions(runtime, print)


def test_emulator_writes_no_lines_about_invocations() -> None:
    written: list[str] = []
    service = SimpleNamespace(_emit_lambda_logs=lambda *_, **__: written.append("START"))
    emulator_logs.write_no_platform_lines(service)
    service._emit_lambda_logs({}, "request-1", "", False, 3, log_source=None)  # noqa: FBT003
    assert written == []

    with pytest.raises(RuntimeError, match=r"requirements/ministack\.in"):
        emulator_logs.write_no_platform_lines(SimpleNamespace())
