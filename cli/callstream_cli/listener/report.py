"""How the listener tells of forks: for scripts, and in a line or a table for people. Pure."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from msgspec import structs
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from callstream.audio.formats import AudioFormat
from callstream.frames.reader import Over, ReadEvent
from callstream.frames.records import RecordEvent
from callstream_cli.audio import TRACKS
from callstream_cli.listener.fork_state import Hearing
from callstream_cli.listener.server import Refusal
from callstream_cli.reading import tail_output
from callstream_cli.reading.tail_output import Shown

# Names shall not push away the figures.
_CALL_WIDTH: Final = 12
_MARK_WIDTH: Final = 16


def as_dict(hearing: Hearing, files: Iterable[Path] = (), *, personal: bool = False) -> Any:  # noqa: ANN401  # JSON
    """A fork as JSON has it. Which keys were pressed is only said if what is personal is wanted."""
    start, said = hearing.start, hearing.said
    counts = hearing.counts
    return {
        "fork": hearing.number,
        "path": hearing.handshake.public_path,
        "bearer": hearing.handshake.bearer is not None,
        "auth_token": hearing.handshake.auth_token is not None,
        "dialect": hearing.dialect,
        "stream_id": start.carrier_stream_id if start else None,
        "call_id": start.call_id if start else None,
        "format": structs.asdict(start.format) if start else None,
        "messages": hearing.messages,
        "frames": counts.frames,
        "audio_bytes": counts.audio_bytes,
        "audio_seconds": _audio_seconds(counts.audio_bytes, start.format if start else None),
        "marks": hearing.marks,
        "keys": hearing.digits if personal else len(hearing.digits),
        "errors": [{"code": error.code, "title": error.title} for error in hearing.errors],
        "faults": hearing.faults,
        "sent": {
            "frames": said.frames,
            "audio_bytes": said.audio_bytes,
            "marks": said.marks,
            "clears": said.clears,
            "keys": said.digits,
            "others": said.others,
        },
        "unsaid": said.unsaid,
        "stopped": hearing.stop is not None,
        "seconds": round(hearing.seconds, 3),
        "close_code": hearing.disconnected.code if hearing.disconnected else None,
        "closed_by": hearing.closed_by,
        "files": [str(path) for path in files],
    }


def refusal_as_dict(refusal: Refusal) -> dict[str, Any]:
    """A handshake that came to nothing as JSON has it."""
    return {
        "path": refusal.handshake.public_path,
        "bearer": refusal.handshake.bearer is not None,
        "auth_token": refusal.handshake.auth_token is not None,
        "refused": refusal.status,
    }


def event_as_dict(
    hearing: Hearing, event: RecordEvent | Over, received_at: int, shown: Shown
) -> dict[str, Any]:
    """Something that happened on a fork as JSON has it; the time is in ms since 1970."""
    told = tail_output.as_dict(ReadEvent(hearing.stream, event), received_at, shown)
    return {
        "fork": hearing.number,
        "dialect": told["dialect"],
        "call_id": told["call_id"],
        "received_at": told["received_at"],
        "event": told["event"],
    }


def summary(hearing: Hearing, files: Iterable[Path] = ()) -> str:
    """A fork in a line."""
    parts = [
        _frames(hearing) or "no frames",
        _faults(hearing) or "whole and in order",
        *([f"{len(hearing.marks)} marks came back"] if hearing.marks else []),
        *([f"{_sent(hearing)} sent"] if _sent(hearing) else []),
        *(f"not said: {reason}" for reason in hearing.said.unsaid),
        _ending(hearing),
        *(f"written to {path}" for path in files),
    ]
    who = hearing.dialect or "no dialect that is known"
    return f"fork-{hearing.number}  {who}; {'; '.join(parts)}"


def refusal_summary(refusal: Refusal) -> str:
    """A handshake that came to nothing in a line."""
    how = f"refused with HTTP {refusal.status}" if refusal.status else "left without an answer"
    return f"{refusal.handshake.public_path}  {how}"


def picture(url: str, hearings: Iterable[Hearing], refused: int) -> RenderableType:
    """All forks as a table: frames by track, faults, bytes of audio sent, the last mark."""
    title = f"listening at {url}" + (f", {refused} refused" if refused else "")
    table = Table(title=Text(title), title_justify="left", box=None, header_style="bold")
    table.pad_edge, table.collapse_padding = False, True
    for column in ("fork", "dialect"):
        table.add_column(column, no_wrap=True)
    table.add_column("call", no_wrap=True, max_width=_CALL_WIDTH)
    for column in ("seconds", "in", "out", "faults", "sent"):
        table.add_column(column, no_wrap=True, justify="right")
    table.add_column("mark", no_wrap=True, max_width=_MARK_WIDTH)
    table.add_column("", no_wrap=True)
    for hearing in hearings:
        frames, end = hearing.counts.frames, hearing.disconnected
        cells = (
            f"{hearing.number}",
            hearing.dialect or "",
            hearing.start.call_id if hearing.start else "",
            f"{hearing.seconds:.1f}",
            *(f"{frames.get(track, 0)}" for track in TRACKS),
            f"{sum(hearing.faults.values())}",
            f"{hearing.said.audio_bytes}",
            hearing.marks[-1] if hearing.marks else "",
            f"closed {end.code}" if end else "open",
        )
        table.add_row(*map(Text, cells))
    return table


def _audio_seconds(size: int, format_: AudioFormat | None) -> float | None:
    """How long so many bytes are, of both tracks together; None if their codec does not tell."""
    if format_ is None or not format_.sample_bytes:
        return None
    return round(size / format_.sample_bytes / format_.channels / format_.sample_rate, 3)


def _frames(hearing: Hearing) -> str:
    return ", ".join(f"{count} {track} frames" for track, count in hearing.counts.frames.items())


def _faults(hearing: Hearing) -> str:
    return ", ".join(f"{number} {name}" for name, number in hearing.faults.items())


def _sent(hearing: Hearing) -> str:
    said = hearing.said
    counts = {
        "bytes of audio": said.audio_bytes,
        "marks": said.marks,
        "clears": said.clears,
        "keys": said.digits,
        "other messages": said.others,
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _ending(hearing: Hearing) -> str:
    if hearing.disconnected is None:
        return "open"
    stop = "" if hearing.stop else ", without a stop"
    return f"closed with {hearing.disconnected.code} by the {hearing.closed_by}{stop}"
