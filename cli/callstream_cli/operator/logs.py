"""``callstream logs``: what the functions of a deployment have logged."""

import json
import re
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from callstream_cli.deployment import Json, Stack, explained, outputs_of
from callstream_cli.local.commands import local_stack
from callstream_cli.operator.errors import BadValueError, OperatorError
from callstream_cli.operator.log_sources import CloudWatchLog, Entry, LocalLog, LogSource
from callstream_cli.plain_output import print_error, print_json, print_line, visible

_INTERRUPTED: Final = 130
_LOCAL_SECONDS: Final = 0.3
_AWS_SECONDS: Final = 2.0
_AGO: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Lambda's own lines shorten it.
_SHORT_LEVELS: Final = {"WARN": "WARNING", "FATAL": "CRITICAL"}
_COLOURS: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
# Shown elsewhere in the line, or of no use to a person.
_NOT_SHOWN: Final = frozenset(
    {"timestamp", "time", "level", "message", "logger", "location", "service", "type"}
    | {"cold_start", "function_name", "function_memory_size", "function_arn", "xray_trace_id"}
    | {"function_request_id", "sampling_rate", "exception", "exception_name", "stack_trace"}
    | {"stackTrace", "errorType", "errorMessage"}
)


def logs(
    about: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="Only lines with this id or its first characters: of a request, a stream, a "
            "relay, a callback or a tenant.",
        ),
    ] = None,
    *,
    call: Annotated[
        str | None,
        typer.Option(
            metavar="CALL",
            help="Only lines about this call, its streams and its relays; last is the newest call.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for more lines, until Ctrl-C.")
    ] = False,
    since: Annotated[
        str, typer.Option(metavar="HOW_LONG", help="How far to go back: 90s, 15m, 2h, 1d.")
    ] = "1h",
    level: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="Only lines of this level or a higher: warning, error."),
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Show the logs of all functions, the oldest line first. Times are UTC.

    The local stack writes them to .local/logs/functions.jsonl, and keeps them over `down`. On AWS
    they are read from CloudWatch Logs, which shows lines some seconds late. Logs hold no secrets,
    audio or phone numbers. With --json, each line is the function's own, as JSON.
    """
    with explained(), _until_interrupted():
        begin = datetime.now(UTC) - _how_long(since)
        least = 0 if level is None else _rank(level)
        ids = {about} if about is not None else set()
        if call is not None:
            ids |= _ids_of_call(call, stack)
        source, seconds = log_source(stack, begin, ids)
        show = _show_json if as_json else _show
        found = False
        while True:
            for entry in source.poll():
                if _rank(level_of(entry.fields)) >= least and _has_any(entry, ids):
                    show(entry)
                    found = True
            sys.stdout.flush()
            if source.left_out:
                print_error("more lines follow: give an id or a shorter --since")
            if not follow:
                if not found:
                    print_line(f"Nothing of the kind was logged in the last {since}.", err=True)
                return
            time.sleep(seconds)


@contextmanager
def _until_interrupted() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def log_source(stack: str | None, since: datetime, ids: Collection[str]) -> tuple[LogSource, float]:
    """The deployment's logs, and how many seconds to wait between two looks.

    Args:
        stack: the stack's name on AWS; None for the local stack.
        since: older lines are left out.
        ids: lines without any of these may be left out; empty for all lines.

    Raises:
        OperatorError: there is no local stack.
    """
    if stack is None:
        local = local_stack()
        if local.describe() is None and not local.function_log.exists():
            raise OperatorError(
                "the local stack is not running: start it (callstream up), or name one (--stack)"
            )
        return LocalLog(local.function_log, since), _LOCAL_SECONDS
    import boto3  # noqa: PLC0415 - slow, as the next
    from botocore.config import Config  # noqa: PLC0415

    retries: Any = {"mode": "standard", "total_max_attempts": 6}
    client = boto3.client(
        "logs", config=Config(connect_timeout=5, read_timeout=30, retries=retries)
    )
    return CloudWatchLog(client, f"/callstream/{stack}", since, ids), _AWS_SECONDS


def _ids_of_call(text: str, stack: str | None) -> set[str]:
    """The ids of a call and of everything that belongs to it."""
    from callstream_cli.operator.activity import activity_of  # noqa: PLC0415 - slow, as the next
    from callstream_cli.operator.calls import tenant_ids  # noqa: PLC0415
    from callstream_cli.operator.lookup import find_call  # noqa: PLC0415

    with outputs_of(stack) as outputs:
        activity = activity_of(outputs)
        whole = activity.whole(find_call(activity, text, tenant_ids(outputs)))
    return {
        *(leg.call_id for leg in whole.legs),
        *(stream.stream_id for stream in whole.streams),
        *(relay.relay_id for relay in whole.relays),
    }


def _how_long(text: str) -> timedelta:
    found = _AGO.fullmatch(text)
    if found is None:
        raise BadValueError(f"--since {text!r}: give a number with s, m, h or d, such as 15m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _rank(level: str) -> int:
    name = _SHORT_LEVELS.get(level.upper(), level.upper())
    if name not in _LEVELS:
        raise BadValueError(f"{level!r} is not a level; there are: {', '.join(_LEVELS).lower()}")
    return _LEVELS.index(name)


def level_of(fields: Mapping[str, Any]) -> str:
    """The level of a line; a line without a level, such as Lambda's own about a crash, is high."""
    name = str(fields.get("level", "ERROR")).upper()
    name = _SHORT_LEVELS.get(name, name)
    return name if name in _LEVELS else "ERROR"


def _has_any(entry: Entry, ids: Collection[str]) -> bool:
    return not ids or any(each in entry.text for each in ids)


def _show_json(entry: Entry) -> None:
    print_json({"at": entry.at.isoformat(), "function": entry.function} | entry.fields)


def _show(entry: Entry) -> None:
    fields = entry.fields
    level = level_of(fields) if "level" in fields else "-"
    at = entry.at.astimezone(UTC)
    day = "" if at.date() == datetime.now(UTC).date() else f"{at:%m-%d} "
    clock = f"{day}{at:%H:%M:%S}.{at.microsecond // 1000:03}"
    message = str(fields.get("message") or fields.get("type") or "")
    # A line that follows is indented, so that it cannot be taken for another entry.
    values = [f"{name}={_value(value)}" for name, value in fields.items() if _is_shown(name, value)]
    first, *others = " ".join([message, *map(visible, values)]).split("\n")
    print_line(" ".join([clock, f"{level:<7}", entry.function, first]), colour=_COLOURS.get(level))
    for line in [*others, *_traceback(fields)]:
        print_line(f"    {line}")


def _is_shown(name: str, value: object) -> bool:
    return name not in _NOT_SHOWN and value not in {None, ""} if _is_plain(value) else bool(value)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _value(value: object) -> str:
    return str(value) if _is_plain(value) else json.dumps(value, separators=(",", ":"))


def _traceback(fields: Mapping[str, Any]) -> Iterator[str]:
    """The traceback of a line: Powertools' text, or the list of Lambda's runtime."""
    trace = fields.get("exception") or "".join(map(str, fields.get("stackTrace") or []))
    yield from str(trace).rstrip().splitlines()
    if "errorType" in fields:
        yield f"{fields['errorType']}: {fields.get('errorMessage', '')}"
