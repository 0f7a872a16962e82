"""`callstream logs`, from the local stack's file and from CloudWatch."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from callstream_cli.deployment import outputs_of
from callstream_cli.local.emulator_logs import FunctionLog
from callstream_cli.operator import log_sources
from callstream_cli.operator.log_sources import CloudWatchLog, LocalLog, short_name
from tests.unit.activity import Deployment
from tests.unit.cli.commands import ok, refusal, run

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FunctionLog:
    """The log of a local stack that does not run any more."""
    monkeypatch.delenv("CALLSTREAM_STACK", raising=False)
    monkeypatch.setenv("CALLSTREAM_STATE_DIR", str(tmp_path))
    return FunctionLog(tmp_path / "logs" / "functions.jsonl", most_bytes=3000)


def line(message: str, level: str = "INFO", **fields: Any) -> str:
    return json.dumps({"timestamp": "…", "level": level, "message": message} | fields)


def messages(*options: str) -> list[str]:
    shown = run("logs", "--json", *options).stdout
    return [json.loads(each)["message"] for each in shown.splitlines()]


class TestLocal:
    def test_line_is_readable(self, log: FunctionLog) -> None:
        fields = {
            "service": "callstream",
            "request_id": "r-1",
            "tenant_id": "acme",
            "requestId": "",
        }
        log.write(
            "callstream-local-ClerkConnectFunction-4AAE50F029386", line("answered 400", **fields)
        )

        [shown] = ok("logs").splitlines()
        assert shown.split(maxsplit=1)[1] == (
            "INFO    ClerkConnect answered 400 request_id=r-1 tenant_id=acme"
        )
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", shown.split()[0])

    def test_tracebacks_follow_their_line(self, log: FunctionLog) -> None:
        log.write("F", line("lost", "ERROR", exception="Traceback:\n  here"))
        log.write(
            "F", line("lost", "ERROR", stackTrace=["  there\n"], errorType="E", errorMessage="why")
        )

        assert [each[1:] if each[0] == " " else "line" for each in ok("logs").splitlines()] == [
            "line",
            "   Traceback:",
            "     here",
            "line",
            "     there",
            "   E: why",
        ]

    def test_lines_are_chosen_by_id_and_level(self, log: FunctionLog) -> None:
        log.write("F", line("one", request_id="r-1"))
        log.write("F", line("two", "WARNING", stream_id="s-1"))
        log.write("F", "Segmentation fault")

        assert messages() == ["one", "two", "Segmentation fault"]
        assert messages("r-1") == ["one"]
        assert messages("s-1") == ["two"]
        assert messages("--level", "warning") == ["two", "Segmentation fault"]
        assert messages("--level", "error") == ["Segmentation fault"]
        nothing = run("logs", "nothing")
        assert (nothing.exit_code, nothing.stdout) == (0, "")
        assert nothing.stderr == "Nothing of the kind was logged in the last 1h.\n"

    def test_json_has_all_fields_of_the_line(self, log: FunctionLog) -> None:
        log.write("F", line("one", details={"a": 1}))

        shown = json.loads(ok("logs", "--json"))
        assert datetime.fromisoformat(shown.pop("at")).tzinfo is not None
        assert shown == {
            "function": "F",
            "timestamp": "…",
            "level": "INFO",
            "message": "one",
            "details": {"a": 1},
        }

    def test_old_lines_and_broken_ones_are_left_out(self, log: FunctionLog, tmp_path: Path) -> None:
        log.write("F", "new")
        with (tmp_path / "logs" / "functions.jsonl").open("a") as file:
            file.write('{"at": "2020-01-01T00:00:00Z", "function": "F", "message": "old"}\n')
            file.write('{"at": "2020-01-01T00:00\n[]\n')

        assert messages() == ["new"]

    def test_log_is_followed_over_the_change_of_files(
        self, log: FunctionLog, tmp_path: Path
    ) -> None:
        source = LocalLog(tmp_path / "logs" / "functions.jsonl", LONG_AGO)
        seen = [entry.text for entry in source.poll()]
        assert seen == []
        for number in range(100):
            log.write("F", f"line {number}")
            if number % 7 == 0:
                seen += [entry.text for entry in source.poll()]
        seen += [entry.text for entry in source.poll()]

        assert seen == [f"line {number}" for number in range(100)]

    def test_line_in_two_parts_is_one(self, log: FunctionLog, tmp_path: Path) -> None:
        path = tmp_path / "logs" / "functions.jsonl"
        log.write("F", "whole")
        text = path.read_text()
        path.write_text(text[:20])
        source = LocalLog(path, LONG_AGO)
        assert source.poll() == []
        with path.open("a") as file:
            file.write(text[20:])
        assert [entry.text for entry in source.poll()] == ["whole"]

    def test_follow_ends_with_ctrl_c(
        self, log: FunctionLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log.write("F", "one")
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 2:
                raise KeyboardInterrupt
            log.write("F", "two")

        monkeypatch.setattr("callstream_cli.operator.logs.time.sleep", wait)
        result = run("logs", "-f", "--json")
        assert result.exit_code == 130
        assert [json.loads(each)["message"] for each in result.stdout.splitlines()] == [
            "one",
            "two",
        ]

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            (["--since", "soon"], "--since 'soon': give a number with s, m, h or d, such as 15m"),
            (
                ["--level", "loud"],
                "'loud' is not a level; there are: debug, info, warning, error, critical",
            ),
        ],
    )
    @pytest.mark.usefixtures("log")
    def test_bad_values_are_refused(self, options: list[str], error: str) -> None:
        assert refusal("logs", *options, status=2) == error

    @pytest.mark.usefixtures("log")
    def test_stack_that_never_ran_is_an_error(self) -> None:
        assert refusal("logs").startswith("the local stack is not running")


def test_lines_of_a_call_are_those_of_its_streams_and_relays(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.stream("s-1", "CA1", session_id="S1")
    deployment.stream("s-2", "CA2", session_id="S1", minutes=1)
    deployment.stream("s-3", "CA3", minutes=2)
    log = FunctionLog(tmp_path / "logs" / "functions.jsonl")
    for stream in ("s-1", "s-2", "s-3"):
        log.write("F", line(f"about {stream}", stream_id=stream))
    monkeypatch.setenv("CALLSTREAM_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("CALLSTREAM_STACK")
    monkeypatch.setattr(
        "callstream_cli.operator.logs.outputs_of", lambda _: outputs_of("callstream")
    )

    assert messages("--call", "S1") == ["about s-1", "about s-2"]
    assert messages("--call", "last") == ["about s-3"]


class Paginator:
    """Pages of `FilterLogEvents`."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = pages
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> "Paginator":
        assert operation == "filter_log_events"
        return self

    def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
        self.asked.append(arguments)
        tokens: list[dict[str, Any]] = [{"nextToken": "t"}] * (len(self.pages) - 1) + [{}]
        return [{"events": page} | token for page, token in zip(self.pages, tokens, strict=True)]


def event(id_: str, seconds: int, message: str) -> dict[str, Any]:
    at = LONG_AGO + timedelta(seconds=seconds)
    return {
        "eventId": id_,
        "timestamp": int(at.timestamp() * 1000),
        "logStreamName": "2026/01/01/mine-SweepFunction-Ab12Cd34Ef56[$LATEST]0123456789abcdef",
        "message": message,
    }


class TestCloudWatch:
    def test_lines_are_in_order_and_once(self) -> None:
        client = Paginator([event("b", 60, "two\n")], [event("a", 50, line("one"))])
        source = CloudWatchLog(client, "/callstream/mine", LONG_AGO, [])
        first = source.poll()
        client.pages = ([event("b", 60, "two"), event("c", 45, "late"), event("d", 70, "three")],)
        second = source.poll()

        assert [entry.fields["message"] for entry in first] == ["one", "two"]
        assert {entry.function for entry in first} == {"Sweep"}
        assert [entry.fields["message"] for entry in second] == ["late", "three"]
        begins = [asked["startTime"] / 1000 - LONG_AGO.timestamp() for asked in client.asked]
        # Lines come late: the second look begins before the newest line.
        assert begins == [0, 40]

    @pytest.mark.parametrize(
        ("ids", "pattern"),
        [
            ([], ""),
            (["r" * 36], f'"{"r" * 36}"'),
            (["a" * 36, "b" * 35 + '"'], f'?"{"a" * 36}" ?"{"b" * 35}\\""'),
            (["acme", "r" * 36], ""),
            ([f"{number:040}" for number in range(50)], ""),
        ],
    )
    def test_ids_become_a_pattern(self, ids: list[str], pattern: str) -> None:
        client = Paginator([])
        CloudWatchLog(client, "/callstream/mine", LONG_AGO, ids).poll()
        assert client.asked[0]["filterPattern"] == pattern

    def test_many_pages_are_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(log_sources, "_MOST_PAGES", 2)
        client = Paginator([event("a", 1, "one")], [], [event("b", 2, "two")])
        source = CloudWatchLog(client, "/callstream/mine", LONG_AGO, [])

        assert [entry.text for entry in source.poll()] == ["one"]
        assert source.left_out

    @pytest.mark.usefixtures("deployment")
    def test_command_reads_the_stacks_log_group(self) -> None:
        client = boto3.client("logs")
        client.create_log_group(logGroupName="/callstream/callstream")
        stream = "2026/01/01/callstream-SweepFunction-Ab12Cd34Ef56[$LATEST]0123"
        client.create_log_stream(logGroupName="/callstream/callstream", logStreamName=stream)
        client.put_log_events(
            logGroupName="/callstream/callstream",
            logStreamName=stream,
            logEvents=[
                {
                    "timestamp": int(datetime.now(UTC).timestamp() * 1000),
                    "message": line("swept", stream_id="S1"),
                }
            ],
        )

        assert ok("logs").split()[1:] == ["INFO", "Sweep", "swept", "stream_id=S1"]

    @pytest.mark.usefixtures("deployment")
    def test_missing_log_group_is_reported(self) -> None:
        assert refusal("logs").startswith("AWS refused FilterLogEvents: ResourceNotFoundException")


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("callstream-local-ClerkConnectFunction-4AAE50F029386", "ClerkConnect"),
        (
            "callstream-local-AsappAutotranscribeMediaUrlFunctioEE48288A2AF38",
            "AsappAutotranscribeMediaUrl",
        ),
        ("my-stack-SweepFunction-Ab12Cd34Ef56", "Sweep"),
        ("something", "something"),
    ],
)
def test_function_is_named_as_in_the_template(function: str, name: str) -> None:
    assert short_name(function) == name
