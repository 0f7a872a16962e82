"""The demo's verdict: whether the audio that arrived is the audio that was sent."""

from collections.abc import Sequence

from callstream_cli import audio
from callstream_cli.carrier.session import CallReport
from callstream_cli.demo.consumers import Consumer
from callstream_cli.demo.conversation import SPEAKERS, Said
from callstream_cli.demo.landing import Landing
from callstream_cli.demo.transcript import recognised


def problems(
    report: CallReport,
    landing: Landing | None,
    unreadable: int,
    consumers: Sequence[Consumer] = (),
    said: Sequence[Said] = (),
) -> Sequence[str]:
    """All faults, in words; empty if there are none."""
    found = [report.error] if report.error else []
    if unreadable:
        found.append(f"{unreadable} records on the stream cannot be read")
    if landing is None:
        return [*found, "no start of this call has come to Kinesis"]
    recorded = landing.recording
    stats = recorded.stats()
    if recorded.stop is None:
        found.append("no stop has come to Kinesis")
    counts = {
        "sequence numbers are missing": stats.missing,
        "repeated records differ from the first": stats.conflicts,
        "messages were rejected": stats.rejected,
    }
    found += [f"{count} {what}" for what, count in counts.items() if count]
    found += [
        f"{reason}: {detail}"
        for reason, detail in {(bad.reason, bad.detail) for bad in recorded.rejected}
    ]
    found += [
        f"the {track} audio is not the audio that was sent"
        for track in audio.TRACKS
        if recorded.audio(track) != report.audio(track)
    ]
    for consumer in consumers:
        found += consumer.problems(report)
    found += [
        f"the transcript has {each.right} of the {SPEAKERS[track]}'s {each.expected} words right,"
        f" among {each.heard}"
        for track, each in recognised(said, recorded.transcript).items()
        if not each.is_good
    ]
    return found
