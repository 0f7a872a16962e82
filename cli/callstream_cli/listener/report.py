"""Reports about forks: as JSON for scripts, as lines and as a table for people. Pure."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from msgspec import structs
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from callstream.audio.formats import CODECS
from callstream.frames.reader import ReadEvent, StreamOver
from callstream.frames.records import RecordEvent
from callstream_cli import close_codes
from callstream_cli.audio import TRACKS
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.listener.server import Refusal
from callstream_cli.plain_output import visible
from callstream_cli.reading import tail_output
from callstream_cli.reading.tail_output import Shown

# Long names must not push the figures out of the table.
_CALL_WIDTH: Final = 12
_MARK_WIDTH: Final = 16


def as_dict(state: ForkState, files: Iterable[Path] = (), *, personal: bool = False) -> Any:  # noqa: ANN401  # JSON
    """A fork as JSON; the keys that were pressed are only in it if `personal` is set."""
    start, sent = state.start, state.sent
    counts = state.counts
    return {
        "fork": state.number,
        "path": state.handshake.public_path,
        "bearer": state.handshake.bearer is not None,
        "auth_token": state.handshake.auth_token is not None,
        "dialect": state.dialect,
        "stream_id": start.carrier_stream_id if start else None,
        "call_id": start.call_id if start else None,
        "format": structs.asdict(start.format) if start else None,
        "messages": state.messages,
        "frames": counts.frames,
        "audio_bytes": counts.audio_bytes,
        "audio_seconds": _audio_seconds(state),
        "marks": state.marks,
        "keys": state.digits if personal else len(state.digits),
        "errors": [{"code": error.code, "title": error.title} for error in state.errors],
        "faults": state.faults,
        "sent": {
            "frames": sent.frames,
            "audio_bytes": sent.audio_bytes,
            "marks": sent.marks,
            "clears": sent.clears,
            "keys": sent.digits,
            "others": sent.others,
        },
        "unsaid": sent.unsent,
        "stopped": state.stop is not None,
        "seconds": round(state.seconds, 3),
        "close_code": state.disconnected.code if state.disconnected else None,
        "closed_by": state.closed_by,
        "files": [str(path) for path in files],
    }


def refusal_as_dict(refusal: Refusal) -> dict[str, Any]:
    """A refused handshake as JSON."""
    return {
        "path": refusal.handshake.public_path,
        "bearer": refusal.handshake.bearer is not None,
        "auth_token": refusal.handshake.auth_token is not None,
        "refused": refusal.status,
    }


def event_as_dict(
    state: ForkState, event: RecordEvent | StreamOver, received_at: int, shown: Shown
) -> dict[str, Any]:
    """An event of a fork as JSON; the time is in milliseconds since 1970."""
    told = tail_output.as_dict(ReadEvent(state.stream, event, received_at), shown)
    return {
        "fork": state.number,
        "dialect": told["dialect"],
        "call_id": told["call_id"],
        "received_at": told["received_at"],
        "event": told["event"],
    }


def summary(state: ForkState, files: Iterable[Path] = ()) -> str:
    """A fork in a line."""
    parts = [
        _frames(state) or "no frames",
        _faults(state) or "whole and in order",
        *([f"{len(state.marks)} marks came back"] if state.marks else []),
        *([f"{_sent(state)} sent"] if _sent(state) else []),
        *(f"not sent: {reason}" for reason in state.sent.unsent),
        _ending(state),
        *(f"written to {path}" for path in files),
    ]
    who = state.dialect or "no known dialect"
    return f"fork-{state.number}  {who}; {'; '.join(parts)}"


def refusal_summary(refusal: Refusal) -> str:
    """A refused handshake in a line."""
    how = f"refused with HTTP {refusal.status}" if refusal.status else "left without an answer"
    return f"{refusal.handshake.public_path}  {how}"


def picture(url: str, states: Iterable[ForkState], refused: int) -> RenderableType:
    """All forks as a table: frames by track, faults, bytes of audio sent, the last mark."""
    title = f"listening at {url}" + (f", {refused} refused" if refused else "")
    table = Table(title=Text(visible(title)), title_justify="left", box=None, header_style="bold")
    table.pad_edge, table.collapse_padding = False, True
    for column in ("fork", "dialect"):
        table.add_column(column, no_wrap=True)
    table.add_column("call", no_wrap=True, max_width=_CALL_WIDTH)
    for column in ("seconds", "in", "out", "faults", "sent"):
        table.add_column(column, no_wrap=True, justify="right")
    table.add_column("mark", no_wrap=True, max_width=_MARK_WIDTH)
    table.add_column("", no_wrap=True)
    for state in states:
        frames, end = state.counts.frames, state.disconnected
        cells = (
            f"{state.number}",
            state.dialect or "",
            state.start.call_id if state.start else "",
            f"{state.seconds:.1f}",
            *(f"{frames.get(track, 0)}" for track in TRACKS),
            f"{sum(state.faults.values())}",
            f"{state.sent.audio_bytes}",
            state.marks[-1] if state.marks else "",
            f"closed {end.code}" if end else "open",
        )
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table


def _audio_seconds(state: ForkState) -> float | None:
    """The duration of the audio of both tracks together; None if the codec is not known."""
    known = state.start is not None and state.start.format.encoding in CODECS
    return round(state.audio_seconds, 3) if known else None


def _frames(state: ForkState) -> str:
    return ", ".join(f"{count} {track} frames" for track, count in state.counts.frames.items())


def _faults(state: ForkState) -> str:
    return ", ".join(f"{number} {name}" for name, number in state.faults.items())


def _sent(state: ForkState) -> str:
    sent = state.sent
    counts = {
        "bytes of audio": sent.audio_bytes,
        "marks": sent.marks,
        "clears": sent.clears,
        "keys": sent.digits,
        "other messages": sent.others,
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _ending(state: ForkState) -> str:
    if state.disconnected is None:
        return "open"
    stop = "" if state.stop else ", without a stop"
    code = close_codes.in_words(state.disconnected.code)
    # The other side may be a simulator or a replay.
    by = "listener" if state.closed_by == "listener" else "other side"
    return f"closed with {code} by the {by}{stop}"
