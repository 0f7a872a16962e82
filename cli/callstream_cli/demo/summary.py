"""The demo's results in words, each line of at most 100 characters. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from callstream_cli import audio
from callstream_cli.carrier.session import CallReport
from callstream_cli.demo.consumers import JOINING_SECONDS, Consumer
from callstream_cli.demo.display import percentiles
from callstream_cli.demo.landing import Landing, percentile
from callstream_cli.demo.transcript import since_spoken

# The width of a line's label: "Latency  ".
LABEL: Final = 9
# From this on, the emulator and not the gateway makes the latency.
_BUSY_MS: Final = 50


def of_call(report: CallReport, landing: Landing) -> Iterator[str]:
    """Lines about the call and its records."""
    stats = landing.recording.stats()
    behind = f"{report.behind_seconds * 1000:.0f} ms behind real time"
    yield f"Sent     {report.messages} messages, at most {behind}"
    yield f"Landed   {landing.summary()}; {stats.missing} missing, {stats.repeats} repeated"
    latencies: dict[str, Sequence[float]] = {
        "since sent": landing.since_sending(report.sent_at),
        "in gateway": landing.in_gateway,
    }
    measured = [f"{name} {percentiles(each)}" for name, each in latencies.items() if each]
    yield f"Latency  {'; '.join(measured)}"


def of_transcript(report: CallReport, landing: Landing) -> Iterator[str]:
    """A line about the transcript; none if nothing was recognised."""
    if waits := [*since_spoken(report, landing)]:
        yield f"Heard    {len(waits)} lines, {percentiles(waits)} after their last words were sent"


def of_fork(report: CallReport, consumer: Consumer) -> Iterator[str]:
    """Lines about a consumer's fork; none if there was no fork."""
    state, joined = consumer.state, consumer.joined_seconds(report)
    if state is None or joined is None:
        return
    counts = state.counts.frames
    frames = " and ".join(f"{counts[track]} {track}" for track in audio.TRACKS if track in counts)
    yield f"Forked   in {consumer.vendor.name}'s dialect, joined at {joined:.1f} s: {frames} frames"
    first = consumer.latencies(report, 0, JOINING_SECONDS)
    later = consumer.latencies(report, JOINING_SECONDS)
    parts = [f"since sent {percentiles(later)}"] if later else []
    if first:
        # A fork joins in the middle, and waits in case earlier frames still come.
        begin = f"in its first {JOINING_SECONDS:.0f} s, which waits for order"
        parts.append(f"p95 {percentile(first, 95):.0f} ms {begin}")
    yield f"Latency  {'; '.join(parts)}"


def of_a_busy_machine(report: CallReport, landing: Landing) -> Iterator[str]:
    """A line if frames have waited for the emulator, which AWS does not have."""
    latencies = landing.since_sending(report.sent_at)
    if latencies and landing.in_gateway:
        waited = percentile(latencies, 50) - percentile(landing.in_gateway, 50)
        if waited > _BUSY_MS:
            yield (
                f"Busy     this machine is busy: frames waited {waited:.0f} ms for the emulator, "
                "which AWS has not"
            )
