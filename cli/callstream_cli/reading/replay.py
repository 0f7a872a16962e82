"""``callstream replay``."""

import dataclasses
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from random import SystemRandom
from typing import Annotated, Any, Literal

import typer
from rich.progress_bar import ProgressBar
from rich.table import Table

from callstream.audio.formats import AudioFormat, ByteOrder
from callstream_cli import close_codes, event_loop, live_display
from callstream_cli.consoles import SafeConsole
from callstream_cli.deployment import explained
from callstream_cli.formats import (
    FORMAT_HELP,
    FormatError,
    any_format,
    formats_of,
    has_format,
    title,
)
from callstream_cli.operator.errors import BadValueError
from callstream_cli.operator.lookup import whole_id
from callstream_cli.operator.output import show_json
from callstream_cli.plain_output import print_error, print_line
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.options import From, Json, Name, Stack
from callstream_cli.reading.player import PlayReport, play
from callstream_cli.reading.recording import Clock, Story, collect
from callstream_cli.reading.script import Script, carrier_stream_id, script
from callstream_cli.reading.source import busy, frames_stream, position

DialectName = Literal["twilio", "telnyx", "signalwire"]


def replay(
    name: Name,
    *,
    to: Annotated[str, typer.Option(metavar="URL", help="The WebSocket: ws:// or wss://.")],
    dialect: Annotated[
        DialectName | None, typer.Option(help="The dialect to send; by default the carrier's own.")
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="CODEC[@RATE]",
            help=f"Convert the audio: {FORMAT_HELP}. By default it stays as it is.",
        ),
    ] = None,
    byte_order: Annotated[
        ByteOrder, typer.Option(help="The byte order of L16, where it is converted.")
    ] = "big",
    speed: Annotated[
        float, typer.Option(min=0.0, help="Times real time; 0 is as fast as it is taken.")
    ] = 1.0,
    from_: From = "start",
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Play a recorded stream to any WebSocket.

    Plays as a carrier would, in the stream's own timing or faster, what Kinesis still keeps of the
    stream: by default one day. The stream gets a new id; call, parameters, chunk numbers and
    timestamps stay. Messages are numbered anew, without gaps. Messages from the other side are
    counted and ignored. The URL may be a media URL of Callstream.

    Ends with status 1 if there is no such stream, or it could not be played to its end.
    """
    format_ = _known_format(codec)
    with frames_stream(stack) as frames:
        where = position(from_, datetime.now(UTC))
        clock = Clock(time.monotonic, time.sleep)
        with busy(f"Looking for {name}"):
            name = whole_id(frames.outputs, name)
            collector = collect(lambda: frames.open(where), name, clock, follow=False)
        story = _only(name, from_, collector.stories())
        target = dialect or story.dialect
        if target is None:
            raise ConsumerError("the carrier's dialect is not known: give --dialect")
        require_format(story, target, format_)
        made = script(
            story,
            target,
            carrier_stream_id(target, SystemRandom()),
            target=format_,
            byte_order=byte_order,
        )
        # With --json and without a terminal, only the report is written.
        console = SafeConsole(stderr=as_json, quiet=as_json and not sys.stderr.isatty())
        report = event_loop.run(_play(console, to, made, speed))
    if as_json:
        show_json(as_dict(story, made, report))
    elif report.messages:
        for line in _summary(story, made, report):
            print_line(line)
    if report.error:
        print_error(report.error)
        raise typer.Exit(1)


def _known_format(codec: str | None) -> AudioFormat | None:
    with explained():
        try:
            return any_format(codec) if codec else None
        except FormatError as error:
            raise BadValueError(f"--codec: {error}") from None


def require_format(story: Story, dialect: str, target: AudioFormat | None) -> None:
    """Refuse audio that no stream of the dialect has, unless the recorded stream had it.

    Raises:
        ConsumerError: the dialect's streams do not have the format.
    """
    if story.start is None or (target is None and dialect == story.dialect):
        return
    format_ = target or story.start.format
    if not has_format(dialect, format_):
        raise ConsumerError(
            f"streams in the dialect {dialect} have no {title(format_)}: --codec converts it to "
            f"{formats_of(dialect)}"
        )


def as_dict(story: Story, made: Script, report: PlayReport) -> dict[str, Any]:
    """A report as JSON; times are in seconds."""
    return {
        "stream_id": story.stream_id,
        "dialect": made.dialect,
        "carrier_stream_id": made.carrier_stream_id,
        "missing": story.missing,
        "left_out": made.left_out,
        **dataclasses.asdict(report),
        "behind_seconds": round(report.behind_seconds, 4),
        "seconds": round(report.seconds, 3),
    }


def _only(name: str, from_: str, stories: Sequence[Story]) -> Story:
    match stories:
        case []:
            raise ConsumerError(f"there is nothing of {name} on the stream (from {from_})")
        case [story]:
            return story
        case _:
            ids = ", ".join(story.stream_id for story in stories)
            raise ConsumerError(f"{name} has {len(stories)} streams; name one of them: {ids}")


async def _play(console: SafeConsole, url: str, made: Script, speed: float) -> PlayReport:
    report = PlayReport()

    def watch(growing: PlayReport) -> None:
        nonlocal report
        report = growing

    def line() -> str:
        return f"{report.messages} of {len(made.lines)} messages"

    def picture() -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(ProgressBar(len(made.lines), report.messages, width=40), line())
        return grid

    async with live_display.shown(console, picture, line):
        return await play(url, made, speed=speed, watch=watch)


def _summary(story: Story, made: Script, report: PlayReport) -> Sequence[str]:
    played = (
        f"{made.carrier_stream_id}  {report.messages} messages with {report.frames} frames, as"
        f" {made.dialect}, in {report.seconds:.1f} s"
    )
    parts = [played, f"at most {report.behind_seconds * 1000:.0f} ms behind"]
    if report.close_code is not None:
        parts.append(f"closed with {close_codes.in_words(report.close_code)}")
    lines = ["; ".join(parts)]
    if story.missing:
        lines.append(f"{story.stream_id}  {story.missing} messages are missing in the recording")
    if made.left_out:
        lines.append(f"{story.stream_id}  {made.left_out} messages could not be read or expressed")
    if report.received:
        lines.append(f"{report.received} messages came back and were ignored")
    return lines
