"""The demo's display: what goes in, what has landed, and what each fork has received."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table

from callstream.dialects.events import Track
from callstream.frames.records import Transcript
from callstream_cli.audio import FRAME_BYTES, FRAME_MS, TRACKS
from callstream_cli.carrier.session import CallReport
from callstream_cli.demo.consumers import VENDORS, Consumer
from callstream_cli.demo.conversation import Said
from callstream_cli.demo.landing import Landing, Landings, percentile
from callstream_cli.demo.transcript import Recognised, recognised

LINE: Final = 100
"""The most characters of a line in a log."""


@dataclass(slots=True)
class DemoView:
    """The state of the demo's call, as it is displayed."""

    call_ms: int
    """The length of the recording."""
    said: Sequence[Said] = field(default=(), kw_only=True)
    """What is said in the recording."""
    report: CallReport | None = None
    landings: Landings = field(default_factory=Landings)
    consumers: Sequence[Consumer] = field(
        default_factory=lambda: [Consumer(vendor) for vendor in VENDORS]
    )

    @property
    def landing(self) -> Landing | None:
        """The records of the call that have landed; None before its `start` has."""
        return self.landings.of(self.report.identity.stream_id) if self.report else None

    _shown: int = 0

    @property
    def recognised(self) -> Mapping[Track, Recognised]:
        """How much of what is said is in the transcript, for each track with a speaker."""
        transcript = self.landing.recording.transcript if self.landing else []
        return recognised(self.said, transcript)

    @property
    def complete(self) -> bool:
        """Whether all records have landed, with all words, and every fork has ended."""
        landed = self.landing is not None and self.landing.complete
        is_transcribed = all(each.heard >= each.expected for each in self.recognised.values())
        return landed and is_transcribed and all(consumer.ended for consumer in self.consumers)

    def new_lines(self) -> Sequence[Transcript]:
        """The lines of the transcript that have come since the last call of this method."""
        if self.landing is None:
            return []
        new = [line for line, _ in [*self.landing.lines.values()][self._shown :]]
        self._shown += len(new)
        return new

    def picture(self) -> RenderableType:
        """The present state as a panel."""
        grid = Table.grid(padding=(0, 1))
        grid.add_row(
            Panel(_rows(self._going_in()), title="carrier, going in", title_align="left"),
            Panel(_rows(self._landed()), title="on Kinesis", title_align="left"),
        )
        grid.add_row(
            *(
                Panel(_rows(self._forked(each)), title=_title(each), title_align="left")
                for each in self.consumers
            )
        )
        return grid

    def line(self) -> str:
        """The present state in one line of at most `LINE` characters."""
        report, landing = self.report, self.landing
        if report is None:
            return "connecting"
        records = landing.kinds.total() if landing else 0
        forks = "".join(f", {each.vendor.name} {_frames(each)}" for each in self.consumers)
        parts = [f"{self._played(report)}: sent {report.messages}, landed {records}{forks}"]
        if self.landings.unreadable:
            parts.append(f"unreadable {self.landings.unreadable}")
        if landing is not None and (latencies := landing.since_sending(report.sent_at)):
            parts.append(percentiles(latencies))
        line = "; ".join(parts)
        return line if len(line) <= LINE else f"{line[: LINE - 1]}…"

    def _played(self, report: CallReport) -> str:
        played_ms = max(report.frames.values(), default=0) * FRAME_MS
        return f"{played_ms / 1000:.1f} of {self.call_ms / 1000:.1f} s"

    def _going_in(self) -> Mapping[str, str]:
        report = self.report
        if report is None:
            return {"call": "connecting"}
        return {
            "call": self._played(report),
            "messages": str(report.messages),
            **{
                str(track): f"{frames} frames, {frames * FRAME_BYTES} bytes"
                for track in TRACKS
                for frames in (report.frames[track],)
            },
            "behind": f"{report.behind_seconds * 1000:.0f} ms at most",
        }

    def _landed(self) -> Mapping[str, str]:
        landing = self.landing
        if landing is None:
            return {"records": "none yet"}
        stats = landing.recording.stats()
        rows: dict[str, str] = {
            "records": str(landing.kinds.total()),
            "of which": landing.summary(),
            **{str(track): f"{stats.frames.get(track, 0)} frames" for track in TRACKS},
            "missing": str(stats.missing),
            "repeated": str(stats.repeats),
            **self.latencies(),
        }
        # Faults are only shown if there are any.
        odd = {
            "rejected": stats.rejected,
            "conflicting": stats.conflicts,
            "unreadable": self.landings.unreadable,
        }
        return rows | {name: str(count) for name, count in odd.items() if count}

    def _forked(self, consumer: Consumer) -> Mapping[str, str]:
        state, report = consumer.state, self.report
        if report is None or state is None:
            return {"fork": "failed" if consumer.error else "none yet"}
        frames, joined = state.counts.frames, consumer.joined_seconds(report)
        rows: dict[str, str] = {
            **{str(track): f"{frames.get(track, 0)} frames" for track in TRACKS},
            "joined": "…" if joined is None else f"at {joined:.1f} s",
        }
        if latencies := consumer.latencies(report):
            rows["since sent"] = percentiles(latencies)
        return rows | {name: str(count) for name, count in state.faults.items()}

    def latencies(self) -> Mapping[str, str]:
        """The latency of frames to Kinesis: since they were sent, and within the gateway."""
        if self.report is None or self.landing is None:
            return {}
        measured: dict[str, Sequence[float]] = {
            "since sent": self.landing.since_sending(self.report.sent_at),
            "in gateway": self.landing.in_gateway,
        }
        return {name: percentiles(values) for name, values in measured.items() if values}


def percentiles(milliseconds: Sequence[float]) -> str:
    """Latencies in words; `milliseconds` must not be empty."""
    p50, p95 = (percentile(milliseconds, percent) for percent in (50, 95))
    return f"p50 {p50:.0f} ms, p95 {p95:.0f} ms"


def _frames(consumer: Consumer) -> str:
    """How many frames a consumer has received."""
    if consumer.state is None:
        return "failed" if consumer.error else "0"
    return str(sum(consumer.state.counts.frames.values()))


def _title(consumer: Consumer) -> str:
    return f"fork in {consumer.vendor.name}'s dialect"


def _rows(rows: Mapping[str, str]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        grid.add_row(name, value)
    return grid
