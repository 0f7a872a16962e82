"""``callstream streams``."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from callstream.console.views import Scope, StreamView
from callstream_cli.operator.activity import activity_of
from callstream_cli.operator.lookup import ID_HELP, LAST, find_stream
from callstream_cli.operator.options import Json, Stack, Wide
from callstream_cli.operator.output import Column, grid, table
from callstream_cli.operator.picking import pick
from callstream_cli.operator.watching import Read, Watch, show_scene

OfOneTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="TENANT", help="Only this tenant's.")
]
StreamId = Annotated[
    str,
    typer.Argument(
        metavar="STREAM",
        help=f"The stream's id, or the carrier's. {ID_HELP} For all but the stream's whole id, "
        "everything that is kept may be read.",
    ),
]


def list_(
    *,
    tenant_id: OfOneTenant = None,
    call_id: Annotated[
        str | None,
        typer.Option(
            "--call", metavar="CALL", help=f"Only this call's, by the carrier's id. {ID_HELP}"
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Closed ones too, as far as they are kept; slow.")
    ] = False,
    wide: Wide = False,
    watch: Watch = False,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """List the streams that are live, the oldest first."""

    def scene(outputs: Mapping[str, str]) -> Read:
        activity = activity_of(outputs)
        scope: Scope = "all" if every else "live"
        none = "No stream was kept." if every else "No stream is live. --all shows closed streams."
        return lambda: _Streams(
            _of_call(activity.streams(scope, tenant_id), call_id), none=none, wide=wide
        )

    show_scene(stack, scene, watch=watch, as_json=as_json)


def show(
    stream_id: StreamId, *, watch: Watch = False, stack: Stack = None, as_json: Json = False
) -> None:
    """Show a stream: its state, its times, and what has been counted of it.

    Counters are some seconds behind. docs/operations.md says what each of them means.
    """

    def scene(outputs: Mapping[str, str]) -> Read:
        activity = activity_of(outputs)
        found = find_stream(activity, stream_id).stream_id
        return lambda: _OneStream(find_stream(activity, found))

    show_scene(stack, scene, watch=watch, as_json=as_json)


def _of_call(streams: list[StreamView], text: str | None) -> list[StreamView]:
    """The streams of the call that an operator means; all streams if no call is named."""
    if text is None:
        return streams
    calls = [stream.call_id for stream in streams if stream.call_id is not None]
    call = calls[-1] if text == LAST and text not in calls and calls else text
    call = pick(call, sorted(set(calls)), lambda each: (each,), "call") or call
    return [stream for stream in streams if stream.call_id == call]


def rows(
    streams: Iterable[StreamView], *, otherwise: str = "none", wide: bool = False
) -> RenderableType:
    """Streams as a table."""
    return table(
        [
            Column("stream", is_id=True),
            Column("tenant", optional=1),
            Column("call", is_id=True),
            "state",
            Column("connected (UTC)", optional=3),
            Column("last seen", optional=2),
            "frames",
            Column("trouble", is_text=True),
        ],
        [
            (
                stream.stream_id,
                stream.tenant_id,
                stream.call_id or "-",
                stream.state,
                in_words(stream.connected_at),
                "-" if stream.last_seen_at is None else f"{stream.last_seen_at:%H:%M:%S}",
                _frames(stream),
                _trouble(stream) or "-",
            )
            for stream in streams
        ],
        otherwise=otherwise,
        wide=wide,
    )


def in_words(time: datetime | None) -> str:
    """A time for people, in UTC, to the second."""
    return "-" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"


def by_name(counts: Mapping[str, int], *, otherwise: str = "none") -> str:
    """Counts, each with its name."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or otherwise


def summary(streams: Iterable[StreamView]) -> str:
    """Streams in one line: how many in which states, their frames and their problems."""
    states, frames, rejected, trouble = Counter[str](), Counter[str](), 0, Counter[str]()
    for stream in streams:
        states[stream.state] += 1
        frames.update(stream.frames)
        rejected += sum(stream.rejected.values())
        trouble.update({"gaps": stream.gaps, "late": stream.late, "repeats": stream.repeats})
    parts = [f"streams {by_name(states)}"]
    if states:
        troubles = [f"{name} {count}" for name, count in trouble.items()]
        parts += [f"frames {by_name(frames)}", ", ".join([*troubles, f"rejected {rejected}"])]
    return "; ".join(parts)


def _frames(stream: StreamView) -> str:
    """The frames of each track: `756 in, 756 out`."""
    short = {name.removesuffix("bound"): count for name, count in stream.frames.items()}
    return by_name(short, otherwise="0")


def _trouble(stream: StreamView) -> str:
    counts = {
        "gaps": stream.gaps,
        "late": stream.late,
        "repeats": stream.repeats,
        "strays": stream.strays,
        "restarts": stream.restarts,
        "rejected": sum(stream.rejected.values()),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


@dataclass(frozen=True, slots=True)
class _Streams:
    streams: list[StreamView]
    none: str
    wide: bool

    def as_json(self) -> Any:  # noqa: ANN401 - any value that JSON has
        return [stream.model_dump(mode="json") for stream in self.streams]

    def picture(self) -> RenderableType:
        return rows(self.streams, otherwise=self.none, wide=self.wide)

    def line(self) -> str:
        return summary(self.streams)


@dataclass(frozen=True, slots=True)
class _OneStream:
    stream: StreamView

    def as_json(self) -> Any:  # noqa: ANN401 - any value that JSON has
        return self.stream.model_dump(mode="json")

    def picture(self) -> RenderableType:
        stream = self.stream
        fields = [
            ("stream", stream.stream_id),
            ("tenant", stream.tenant_id),
            ("route", stream.route),
            ("state", stream.state),
            ("call", stream.call_id or "-"),
            ("session", stream.session_id or "-"),
            ("carrier's id", stream.carrier_stream_id or "-"),
            ("dialect", stream.dialect or "-"),
            ("tracks", ", ".join(stream.tracks) or "-"),
            ("audio", _audio(stream)),
            ("continues", stream.continues or "-"),
            ("continued by", stream.continued_by or "-"),
            *(
                (f"{name} (UTC)", in_words(time))
                for name, time in (
                    ("connected", stream.connected_at),
                    ("started", stream.started_at),
                    ("stopped", stream.stopped_at),
                    ("closed", stream.closed_at),
                    ("kept alive", stream.kept_alive_at),
                    ("first seen", stream.first_seen_at),
                    ("last seen", stream.last_seen_at),
                )
            ),
            ("messages", str(stream.messages)),
            ("frames", by_name(stream.frames, otherwise="0")),
            ("audio bytes", str(stream.audio_bytes)),
            ("gaps", f"{stream.gaps}, {stream.skipped} numbers skipped"),
            ("repeats", str(stream.repeats)),
            ("late", str(stream.late)),
            ("strays", str(stream.strays)),
            ("restarts", str(stream.restarts)),
            ("rejected", by_name(stream.rejected, otherwise="0")),
        ]
        return grid(fields)

    def line(self) -> str:
        return f"{self.stream.stream_id} {summary([self.stream])}"


def _audio(stream: StreamView) -> str:
    if stream.encoding is None:
        return "-"
    return f"{stream.encoding}, {stream.sample_rate} Hz, channels: {stream.channels}"
