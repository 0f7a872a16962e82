"""Whether audio on the frames stream is the audio that was sent: of calls, and of forks. Pure."""

from collections.abc import Sequence
from typing import Final

from callstream.console.views import StreamView
from callstream_cli.audio import FRAME_BYTES, TRACKS
from callstream_cli.carrier.session import CallReport
from callstream_cli.demo.verdict import problems
from callstream_cli.verify.calls import Placed
from callstream_cli.verify.findings import Finding, judged
from callstream_cli.verify.forks import Posted
from callstream_cli.verify.landings import Landed

_OK: Final = 1000


def call_finding(check: str, call: Placed, landed: Landed | None) -> Finding:
    """Whether every frame of a call is on the frames stream, once, bit for bit, to its end."""
    report = call.report
    found = [*problems(report, landed, landed.unreadable if landed else 0)]
    figures: dict[str, object] = {"frames": report.frames.total()}
    if report.unreadable:
        found.append(f"{report.unreadable} messages came that are not the carrier's")
    if landed is not None:
        found += _dialect(landed, call.carrier)
        end = landed.recording.disconnected
        if end is None:
            found.append("the end of the connection is not on the stream")
        elif end.code != _OK:
            figures["close_code"] = end.code
        figures["repeats"] = landed.recording.stats().repeats
    frames = " and ".join(
        f"{report.frames[track]} {track}" for track in TRACKS if report.frames[track]
    )
    return judged(
        check, found, f"{frames} frames, bit for bit, and the end of the stream", **figures
    )


def joined(received: bytes, sent: bytes) -> int | None:
    """With which frame of the sent audio received audio begins, from 0; None if it is not there.

    A fork begins in the middle of a call, and ends with the call.
    """
    if not received or not sent.endswith(received):
        return None
    return (len(sent) - len(received)) // FRAME_BYTES


def fork_finding(
    check: str, dialect: str, report: CallReport, fork: Landed | None, error: str = ""
) -> Finding:
    """Whether a fork has every frame of its call since the fork began, bit for bit, to the end.

    Args:
        check: its name.
        dialect: the dialect of the fork.
        report: what the call sent.
        fork: the records of the stream that the fork has become; None if it has not come.
        error: why the call was not forked.
    """
    if fork is None:
        return judged(check, [error or "no fork has come"], "")
    recorded = fork.recording
    stats = recorded.stats()
    found = _dialect(fork, dialect)
    counts = {
        "sequence numbers are missing": stats.missing,
        "repeated records differ from the first": stats.conflicts,
        "messages were rejected": stats.rejected,
    }
    found += [f"{count} {what}" for what, count in counts.items() if count]
    if recorded.stop is None:
        found.append("the fork has ended without a stop")
    begins: dict[str, int] = {}
    for track in TRACKS:
        sent = report.audio(track)
        if not sent:
            continue
        received = recorded.audio(track)
        place = joined(received, sent)
        if not received:
            found.append(f"no {track} audio has come")
        elif place is None:
            found.append(f"the {track} audio is not the end of the audio that was sent")
        else:
            begins[track] = place
    frames = " and ".join(f"{count} {track}" for track, count in sorted(stats.frames.items()))
    return judged(
        check,
        found,
        f"{frames} frames, bit for bit",
        begins_with_frame=begins,
        repeats=stats.repeats,
    )


def fork_delays(report: CallReport, call: Landed, fork: Landed) -> list[float]:
    """Milliseconds from the call's frame on Kinesis to the fork's, for each frame."""
    delays: list[float] = []
    for track in TRACKS:
        begin = joined(fork.recording.audio(track), report.audio(track))
        if begin is None:
            continue
        sent, received = call.frames(track), fork.frames(track)
        delays += [
            fork.arrived_at[after.sequence] - call.arrived_at[before.sequence]
            for before, after in zip(sent[begin:], received, strict=False)
        ]
    return delays


def returned_finding(
    check: str, posted: Sequence[Posted], taken: Sequence[tuple[int, bytes]], heard: bytes
) -> Finding:
    """Whether the carrier was sent the audio that came back through the fork, bit for bit.

    Args:
        check: its name.
        posted: what the consumer sent, in order.
        taken: the copies on the frames stream of what the carrier's connection took, in order.
        heard: what the carrier received.
    """
    sent = b"".join(each.audio for each in posted)
    copies = b"".join(audio for _, audio in taken)
    found = [] if sent else ["no audio was sent: the fork has not come"]
    if heard != sent:
        found.append(f"the carrier received {len(heard)} bytes that are not the {len(sent)} sent")
    if copies != sent:
        found.append("the copies on the frames stream are not what was sent")
    return judged(check, found, f"{len(sent)} bytes, bit for bit", bytes=len(sent))


def counters_finding(
    calls: Sequence[tuple[CallReport, StreamView]], streams: Sequence[StreamView]
) -> Finding:
    """Whether the counters of the calls are right, and all streams have ended in order.

    Args:
        calls: what each call sent, with its stream's counters.
        streams: all streams of the run: of calls and forks.
    """
    found = [
        f"{stream.frames} frames are counted, and {dict(report.frames)} were sent"
        for report, stream in calls
        if stream.frames != +report.frames
    ]
    counts = {
        "messages came too late to be put in order": sum(each.late for each in streams),
        "gaps in the numbering": sum(each.gaps for each in streams),
        "messages with numbers that fit nowhere": sum(each.strays for each in streams),
        "numberings began anew": sum(each.restarts for each in streams),
        "messages were rejected": sum(sum(each.rejected.values()) for each in streams),
        "streams have not ended": sum(each.closed_at is None for each in streams),
    }
    found += [f"{count} {what}" for what, count in counts.items() if count]
    late = sum(stream.late for stream in streams)
    good = f"{len(streams)} streams have ended, and count what was sent; none came too late"
    return judged("counters", found, good, late=late)


def _dialect(landed: Landed, expected: str) -> list[str]:
    return [] if landed.dialect == expected else [f"the dialect is taken for {landed.dialect}"]
