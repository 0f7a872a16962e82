"""`make bench`: time and cost compared with floors and peers, in one table.

Exit status 1 if a value is over its budget, 2 if a section could not be measured.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import (
    calls,
    cold_starts,
    handler,
    imports,
    latency,
    parsing,
    placing,
    resampling,
    rescues,
    return_audio,
    transcription,
)
from bench.billing import PRICES
from bench.measures import BenchError, Measure
from bench.samples import ROOT

SECTIONS = (
    "handler",
    "import",
    "start",
    "parse",
    "resample",
    "return",
    "latency",
    "cost",
    "growth",
    "rescues",
    "placement",
    "transcription",
)
OVER = 1
NOT_MEASURED = 2


def main(
    *,
    only: Annotated[
        str, typer.Option(help=f"Some of {', '.join(SECTIONS)}; separated by commas.")
    ] = "",
    state_dir: Annotated[
        Path, typer.Option(help="Directory of the benchmarks' own local stack.")
    ] = ROOT / ".local" / "bench",
    port: Annotated[
        int | None, typer.Option(help="Port of that stack; a free port by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure Callstream against floors and peers, in the same run."""
    wanted = only.split(",") if only else list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        raise typer.BadParameter(
            f"unknown section: {', '.join(sorted(unknown))}", param_hint="--only"
        )
    bench = _Bench(state_dir, port)
    bench.measure(wanted)
    bill = bench.bill() if "cost" in wanted else {}
    if as_json:
        report = {
            "measures": [measure.as_dict() for measure in bench.found],
            "bill": bill,
            "missing": bench.missing,
        }
        typer.echo(json.dumps(report, indent=2))
    else:
        _print(bench.found, bill)
    if any(measure.verdict == "OVER" for measure in bench.found):
        raise typer.Exit(OVER)
    if bench.missing:
        raise typer.Exit(NOT_MEASURED)


class _Bench:
    """Measures sections. A section that fails does not stop the others."""

    def __init__(self, state_dir: Path, port: int | None) -> None:
        self._errors = Console(stderr=True)
        self._play: Callable[[], calls.Session] = partial(calls.play, state_dir, port)
        self._played: calls.Session | BenchError | None = None
        self._sections: dict[str, Callable[[], list[Measure]]] = {
            "handler": handler.measure,
            "import": lambda: imports.measure(state_dir),
            "start": cold_starts.measure,
            "parse": parsing.measure,
            "resample": resampling.measure,
            "return": return_audio.measure,
            "latency": lambda: latency.measure(state_dir, port),
            "cost": lambda: calls.cost(self._session()),
            "growth": lambda: calls.growth(self._session()),
            "rescues": rescues.measure,
            "placement": placing.measure,
            "transcription": lambda: transcription.measure(state_dir, port),
        }
        self.found: list[Measure] = []
        self.missing: dict[str, str] = {}

    def _session(self) -> calls.Session:
        """The calls, played once for all sections; a failure is raised for each section."""
        if self._played is None:
            try:
                self._played = self._play()
            except BenchError as error:
                self._played = error
        if isinstance(self._played, BenchError):
            raise self._played
        return self._played

    def measure(self, wanted: Sequence[str]) -> None:
        """Measure these, in the order of the table."""
        for name in SECTIONS:
            if name not in wanted:
                continue
            try:
                with self._errors.status(f"bench: {name} …"):
                    self.found += self._sections[name]()
            except BenchError as error:
                self.missing[name] = str(error)
                why = f"bench: {name} could not be measured: {error}"
                self._errors.print(why, style="red", markup=False, soft_wrap=True)

    def bill(self) -> dict[str, dict[str, float]]:
        """The bill for an hour of one track: number of units, and dollars from and to."""
        if "cost" in self.missing:
            return {}
        session = self._session()
        hour = session.hour
        low, high = (hour.costs(ms, session.memory_mb) for ms in calls.BILLED_MS)
        return {
            name: {"count": hour[name], "from": low[name], "to": high[name]}
            for name in PRICES
            if high[name]
        }


def _print(found: list[Measure], bill: dict[str, dict[str, float]]) -> None:
    # A fixed width, so that lines do not break in a log either.
    console = Console(width=150, highlight=False)
    if found:
        console.print(_table(found))
    if bill:
        console.print(_bill_table(bill))


def _table(found: list[Measure]) -> Table:
    table = Table("what", "against", box=None, pad_edge=False)
    for column in ("value", "floor, peer", "ratio", "budget"):
        table.add_column(column, justify="right")
    table.add_column("")
    section = ""
    for measure in found:
        if section not in {"", measure.section}:
            table.add_row()
        section = measure.section
        over = measure.verdict == "OVER"
        table.add_row(
            measure.name,
            measure.against,
            f"{measure.value:,.{measure.digits}f} {measure.unit}".strip(),
            "" if measure.floor is None else f"{measure.floor:,.{measure.digits}f}",
            "" if measure.ratio is None else f"{measure.ratio:.3f}",
            "" if measure.budget is None else f"≤ {measure.budget:g}",
            f"[red]{measure.verdict}[/red]" if over else measure.verdict,
        )
    return table


def _bill_table(bill: dict[str, dict[str, float]]) -> Table:
    fast, slow = calls.BILLED_MS
    table = Table(
        "billed for an hour of one track",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for column in ("how many", f"$ at {fast} ms", f"$ at {slow} ms"):
        table.add_column(column, justify="right")
    for name, line in bill.items():
        count = f"{line['count']:,.0f}" if line["count"] else ""
        table.add_row(name, count, f"{line['from']:.5f}", f"{line['to']:.5f}")
    totals = (sum(line[side] for line in bill.values()) for side in ("from", "to"))
    table.add_row("together", "", *(f"{total:.5f}" for total in totals))
    return table


if __name__ == "__main__":
    typer.run(main)
