"""What the functions have logged about the run."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final

from callstream_cli.operator.log_sources import Entry
from callstream_cli.operator.logs import level_of
from callstream_cli.verify.findings import Finding, judged

CHECK: Final = "logs"
NO_STREAM: Final = "a disconnection names no stream"
"""The line of the `$disconnect` function if API Gateway's event does not name the stream."""
_BAD: Final = frozenset({"WARNING", "ERROR", "CRITICAL"})
# The handshakes that are tried on purpose are refused with a line of the level INFO.
_EXPECTED: Final = ("state not changed", NO_STREAM)


def logs_finding(
    entries: Iterable[Entry], ids: Collection[str], *, left_out: bool = False
) -> Finding:
    """Whether no function has logged a warning or an error about the run.

    Args:
        entries: the lines of the run's time.
        ids: the run's tenants, streams, calls and relays. Errors without any of these may be about
            the traffic of others: they are counted only.
        left_out: whether there were more lines than were read.
    """
    ours: list[str] = []
    others: Counter[str] = Counter()
    for entry in entries:
        level, message = level_of(entry.fields), str(entry.fields.get("message", ""))
        if level not in _BAD or message.startswith(_EXPECTED):
            continue
        if any(each in entry.text for each in ids):
            ours.append(f"{entry.function}: {level.lower()}: {message}")
        elif level != "WARNING":
            others[entry.function] += 1
    good = "no warning and no error about the run"
    if others:
        parts = ", ".join(f"{count} of {function}" for function, count in sorted(others.items()))
        good += f"; errors about other things: {parts} (callstream logs --level error)"
    if left_out:
        good += "; not all lines were read, as there were too many"
    return judged(CHECK, [*dict.fromkeys(ours)], good, errors_of_others=dict(others))


def without_stream(entries: Iterable[Entry]) -> int:
    """How many disconnections did not name their stream, so that it had to be looked for."""
    return sum(str(entry.fields.get("message", "")).startswith(NO_STREAM) for entry in entries)
