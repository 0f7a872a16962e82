"""Where the functions' logs are read: a file of the local stack, or CloudWatch Logs."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol, Self

from callstream_cli.operator.picking import WHOLE_ID

_MOST_PAGES: Final = 100
# CloudWatch lets a line be found some seconds after the line was logged.
_OVERLAP: Final = timedelta(seconds=20)
# CloudWatch Logs' quota for a filter pattern is 1024 characters.
_LONGEST_PATTERN: Final = 1000
# Beyond the stack's name and CloudFormation's suffix; the name may be cut before "Function".
_FUNCTION: Final = re.compile(r"-([A-Za-z]+?)(?:Functio?n?)?-?[0-9A-Za-z]{12,13}$", re.ASCII)
_PLAIN: Final = "message"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a function's log."""

    at: datetime
    function: str
    """The function's name in the template, without `Function`."""
    fields: dict[str, Any]
    """The line's JSON; of any other line only `message`."""
    text: str
    """The line as the function has written it."""

    @classmethod
    def of(cls, at: datetime, function: str, text: str) -> Self:
        """Read a line."""
        fields = _json(text)
        return cls(at, short_name(function), {_PLAIN: text} if fields is None else fields, text)


def short_name(function: str) -> str:
    """The name in the template, without `Function`, of a function that CloudFormation has named."""
    found = _FUNCTION.search(function)
    return found.group(1) if found else function


class LogSource(Protocol):
    """The logs of all functions of a deployment."""

    @property
    def left_out(self) -> bool:
        """Whether the last poll has left out lines, as there were too many."""

    def poll(self) -> list[Entry]:
        """The lines that have come since the last time, the oldest first."""


class LocalLog:
    """The file in which the local stack writes its functions' logs.

    Args:
        path: the file (see `callstream_cli.local.emulator_logs`).
        since: older lines are left out.
    """

    def __init__(self, path: Path, since: datetime) -> None:
        self.left_out = False
        """Whether the last poll has left out lines: never, as the file is bounded."""
        self._path = path
        self._old = path.with_name(f"{path.name}.1")
        self._since = since
        self._inode: int | None = None
        """The file that was read last, up to `_read` bytes; a full file gets another name."""
        self._read = 0

    def poll(self) -> list[Entry]:
        """The lines that have come since the last time, the oldest first."""
        lines: list[str] = []
        inode = _inode(self._path)
        if inode != self._inode:
            if self._inode is None or _inode(self._old) == self._inode:
                lines += self._rest(self._old)
            self._inode, self._read = inode, 0
        lines += self._rest(self._path)
        return [entry for entry in map(_local, lines) if entry and entry.at >= self._since]

    def _rest(self, path: Path) -> list[str]:
        """The lines that were not read yet, without a line that is not finished."""
        try:
            with path.open("rb") as file:
                file.seek(self._read)
                finished = file.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        if not finished:
            return []
        self._read += len(finished) + 1
        return finished.decode(errors="replace").split("\n")


class CloudWatchLog:
    """The log group of a stack on AWS.

    Args:
        client: with retries; `FilterLogEvents` has a quota of its own.
        group: the log group's name.
        since: older lines are left out.
        ids: lines without any of these may be left out; empty for all lines.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - its type is not among the stubs that we install
        group: str,
        since: datetime,
        ids: Collection[str],
    ) -> None:
        self._client = client
        self._group = group
        self._since = since
        self._pattern = _pattern(ids)
        self._seen: dict[str, datetime] = {}
        self.left_out = False
        """Whether the last poll has left out lines, as there were too many."""

    def poll(self) -> list[Entry]:
        """The lines that have come since the last time, the oldest first.

        Raises:
            ClientError: CloudWatch refuses.
            BotoCoreError: CloudWatch does not answer.
        """
        entries = []
        for event in self._events():
            at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
            if event["eventId"] not in self._seen:
                self._seen[event["eventId"]] = at
                # <date>/<function>[<version>]<environment>, as functions share the group.
                function = event["logStreamName"].rpartition("/")[2].partition("[")[0]
                entries.append(Entry.of(at, function, event["message"].rstrip("\n")))
        newest = max(self._seen.values(), default=self._since)
        self._since = max(self._since, newest - _OVERLAP)
        self._seen = {id_: at for id_, at in self._seen.items() if at >= self._since}
        return sorted(entries, key=lambda entry: entry.at)

    def _events(self) -> Iterator[Any]:
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=self._group,
            startTime=int(self._since.timestamp() * 1000),
            filterPattern=self._pattern,
        )
        self.left_out = False
        for number, page in enumerate(pages, 1):
            yield from page["events"]
            if number == _MOST_PAGES:
                self.left_out = "nextToken" in page
                return


def _pattern(ids: Collection[str]) -> str:
    """A pattern for lines with any of the ids.

    There is none, and all lines come, if the ids are too many, or if one may be the beginning of an
    id: CloudWatch documents that it finds words, but not parts of words.
    """
    if any(len(each) < WHOLE_ID for each in ids):
        return ""
    terms = ['"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in ids]
    pattern = terms[0] if len(terms) == 1 else " ".join(f"?{term}" for term in terms)
    return pattern if len(pattern) <= _LONGEST_PATTERN else ""


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _local(line: str) -> Entry | None:
    fields = _json(line) or {}
    try:
        at = datetime.fromisoformat(fields.pop("at"))
        function = fields.pop("function")
    except (KeyError, TypeError, ValueError):
        return None  # a line that the emulator was killed over
    text = fields[_PLAIN] if fields.keys() == {_PLAIN} else json.dumps(fields)
    return Entry.of(at, str(function), str(text))


def _json(text: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None
