"""How `callstream tail` shows what happens: lines for people, JSON for scripts. Pure.

What a stream may hold of persons (numbers, keys pressed, parameters) and its audio are left out
unless they are asked for.
"""

import dataclasses
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import UNSET, Struct, structs, to_builtins

from callstream.dialects.events import Connected, Dtmf, Error, Mark, Media, Start, Track, Vocabulary
from callstream.frames.reader import ReadEvent, Stream, StreamOver
from callstream.frames.records import (
    Cleared,
    Disconnected,
    Halted,
    RecordEvent,
    Rejected,
    Returned,
    Transcript,
)
from callstream.frames.stream_counts import StreamCounts
from callstream_cli import close_codes, formats
from callstream_cli.plain_output import visible

_PERSONAL: Final[Mapping[type[Struct], frozenset[str]]] = {
    Start: frozenset(
        {"from_number", "to_number", "parameters", "tags", "client_state", "transcription"}
    ),
    Vocabulary: frozenset({"phrases"}),
    Dtmf: frozenset({"digit"}),
    Rejected: frozenset({"head", "detail"}),
    Error: frozenset({"detail"}),
    Transcript: frozenset({"unredacted"}),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown beyond what may always be."""

    personal: bool = False
    audio: bool = False
    frames: bool = False
    """Every frame on a line of its own, for people."""


def as_dict(read: ReadEvent, shown: Shown) -> dict[str, Any]:
    """An event as JSON has it: the stream, and the event as docs/records.md has it.

    Audio and other bytes are base64; `size` is how many bytes a frame has. A stream's last line has
    the kind `over`, and its figures.
    """
    stream, event = read
    return {
        "stream_id": stream.stream_id,
        "tenant_id": stream.tenant_id,
        "route": stream.route,
        "dialect": stream.dialect,
        "call_id": stream.start.call_id if stream.start else None,
        "received_at": read.received_at,
        "event": _event(event, stream, shown),
    }


def _event(event: Struct | StreamOver, stream: Stream, shown: Shown) -> dict[str, Any]:
    if isinstance(event, StreamOver):
        return {"kind": "over", "why": event.why, **structs.asdict(stream.counts)}
    hidden = frozenset({"extra"}) | _PERSONAL.get(type(event), frozenset())
    fields: dict[str, Any] = {"kind": event.__struct_config__.tag}
    for field in structs.fields(event):
        value = getattr(event, field.name)
        if field.name == "audio":
            fields["size"] = len(value)
            if shown.audio:
                fields["audio"] = b64encode(value).decode()
        elif (shown.personal or field.name not in hidden) and not _is_default(field, value):
            fields[field.encode_name] = _plain(value)
    return fields


def _is_default(field: structs.FieldInfo, value: object) -> bool:
    return value == field.default if field.default is not UNSET else value in ({}, (), None)


def _plain(value: object) -> object:
    match value:
        case bytes():
            return b64encode(value).decode()
        case Struct():
            return structs.asdict(value)
        case tuple():
            return to_builtins(value)
        case _:
            return value


@dataclass(slots=True)
class _Since:
    """When a line about a stream's frames came last, what was missing then, and frames since."""

    shown_at: int
    skipped: int = 0
    late: int = 0
    frames: Counter[Track] = dataclasses.field(default_factory=Counter)
    answers: int = 0


class TailLines:
    """Lines for people: one for what is worth a line, and one a second for a stream's frames.

    Args:
        shown: what is shown beyond that.
        interval_ms: the least time between two lines about a stream's frames.
    """

    def __init__(self, shown: Shown, interval_ms: int = 1000) -> None:
        self._shown = shown
        self._interval_ms = interval_ms
        # By stream id.
        self._since: dict[str, _Since] = {}

    def of(self, read: ReadEvent) -> Iterator[str]:
        """The lines for an event, without the time of day."""
        stream, event = read
        since = self._since.get(stream.stream_id)
        if isinstance(event, Media | Returned) and not self._shown.frames:
            since = since or _Since(read.received_at)
            self._since[stream.stream_id] = since
            # One by one: the stream's counts may be ahead of its events.
            if isinstance(event, Media):
                since.frames[event.track] += 1
            else:
                since.answers += 1
            if read.received_at - since.shown_at >= self._interval_ms:
                yield from self._frames(stream, since, read.received_at)
            return
        if since is not None:
            yield from self._frames(stream, since, read.received_at)
        if isinstance(event, StreamOver):
            self._since.pop(stream.stream_id, None)
        yield visible(f"{stream.stream_id}  {self._text(read)}")

    def _frames(self, stream: Stream, since: _Since, received_at: int) -> Iterator[str]:
        counts = stream.counts
        self._since[stream.stream_id] = _Since(received_at, counts.skipped, counts.late)
        parts = [f"{count} {track} frames" for track, count in sorted(since.frames.items())]
        if since.answers:
            parts.append(f"{since.answers} pieces of answers")
        if lost := counts.skipped - since.skipped:
            parts.append(f"{lost} missing")
        if late := counts.late - since.late:
            parts.append(f"{late} too late")
        if parts:
            yield f"{stream.stream_id}  {', '.join(parts)}"

    def _text(self, read: ReadEvent) -> str:
        stream, event = read
        match event:
            case Start():
                return f"start  {self._start(event)}"
            case Dtmf():
                return f"dtmf  {event.digit if self._shown.personal else 'a key'}, {event.track}"
            case Transcript():
                seconds = f"{event.start_ms / 1000:.1f} to {event.end_ms / 1000:.1f} s"
                return f"transcript  {event.track}, {seconds}  {event.text}"
            case Halted():
                return f"halted  relay {event.relay_id}"
            case StreamOver():
                return f"over ({event.why})  {_figures(stream.counts)}"
            case _:
                return f"{event.__struct_config__.tag}  {'  '.join(_words(event))}".rstrip()

    def _start(self, start: Start) -> str:
        parts = [
            f"call {start.call_id}",
            ", ".join(start.tracks),
            formats.title(start.format),
        ]
        if self._shown.personal:
            parts += [f"from {start.from_number}"] if start.from_number else []
            parts += [f"to {start.to_number}"] if start.to_number else []
            parts += [f"{name}={value}" for name, value in start.parameters.items()]
        return "; ".join(part for part in parts if part)


def _words(event: RecordEvent) -> Sequence[str]:
    """The words for an event that holds nothing of persons."""
    match event:
        case Connected():
            words = [event.protocol or "", event.version]
        case Media():
            place = f"{event.track}, chunk {event.chunk}, {event.timestamp} ms"
            words = [f"{event.sequence}", f"{place}, {len(event.audio)} bytes"]
        case Vocabulary():
            words = [f"{len(event.phrases)} phrases"]
        case Returned():
            words = [f"by {event.relay_id}, {len(event.audio)} bytes"]
        case Cleared():
            words = [f"by {event.relay_id}"]
        case Mark():
            words = [event.name]
        case Error():
            words = [event.code, event.title]
        case Rejected():
            words = [event.reason, f"{event.size} bytes"]
        case Disconnected():
            words = [close_codes.in_words(event.code), event.reason]
        case _:
            words = []
    return [word for word in words if word]


def _figures(counts: StreamCounts) -> str:
    frames = ", ".join(f"{count} {track} frames" for track, count in counts.frames.items())
    odd = {
        "missing": counts.skipped - counts.late,
        "repeated": counts.repeats,
        "too late": counts.late,
        "rejected": sum(counts.rejected.values()),
        "astray": counts.strays,
    }
    return ", ".join([frames or "no frames", *(f"{n} {what}" for what, n in odd.items() if n)])


def clock_time(milliseconds: int) -> str:
    """The time of day that a line begins with, in UTC; given since 1970."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%H:%M:%S}"
