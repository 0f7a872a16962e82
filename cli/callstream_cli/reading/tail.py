"""``callstream tail``."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from callstream.adapters.aws.kinesis_reader import FrameStreamReader
from callstream.errors import Unavailable
from callstream.frames.reader import FrameReader, ReadEvent, Selection, StreamOver
from callstream_cli.deployment import explained
from callstream_cli.operator.errors import BadValueError
from callstream_cli.operator.lookup import whole_id, whole_stream_id
from callstream_cli.plain_output import print_error, print_json, print_line
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.options import From, Personal, Stack
from callstream_cli.reading.recording import PATIENCE_SECONDS, Clock
from callstream_cli.reading.source import frames_stream, position
from callstream_cli.reading.tail_output import Shown, TailLines, as_dict, clock_time

_RETRY_SECONDS: Final = 1.0

type Show = Callable[[ReadEvent], object]
"""Shows what has happened."""


def tail(
    *,
    stream_id: Annotated[
        str | None,
        typer.Option(help="Of this media stream only, or last; ends when that is over."),
    ] = None,
    call: Annotated[
        str | None,
        typer.Option(
            help="Of this call only, or last: the carrier's id of it, its session or the stream. "
            "A stream tells at its start, so read from before that."
        ),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant only.")] = None,
    from_: From = "now",
    follow: Annotated[
        bool, typer.Option(help="Wait for more. --no-follow ends with what there is now.")
    ] = True,
    frames: Annotated[
        bool, typer.Option("--frames", help="A line for every frame, not one a second.")
    ] = False,
    personal: Personal = False,
    audio: Annotated[
        bool, typer.Option("--audio", help="With --json: the audio too, as base64.")
    ] = False,
    stack: Stack = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON for every event, frames too.")
    ] = False,
) -> None:
    """Follow streams live: what happens on each, in order and once.

    Records come nearly in order; a stream waits for a missing one for at most a second or 100
    others. Times are UTC, of when a message was received. Ctrl-C ends it, with status 130.

    With --no-follow, ends with status 1 if there is nothing of what was asked for.
    """
    with explained():
        if audio and not as_json:
            raise BadValueError("--audio goes with --json")
    shown = Shown(personal=personal, audio=audio, frames=frames)
    show = _json_lines(shown) if as_json else _lines(shown)
    with frames_stream(stack) as stream:
        stream_id = stream_id and whole_stream_id(stream.outputs, stream_id)
        call = call and whole_id(stream.outputs, call)
        selection = Selection(stream_id=stream_id, call_id=call, tenant_id=tenant)
        source = stream.open(position(from_, datetime.now(UTC)))
        clock = Clock(time.monotonic, time.sleep)
        reader = FrameReader(source, clock.now, selection)
        found = _follow(source, reader, clock, show, forever=follow, until=stream_id)
        if named := [name for name in (stream_id, call, tenant) if name is not None and not found]:
            what = " and ".join(named)
            raise ConsumerError(f"there is nothing of {what} on the stream (from {from_})")


def _follow(
    source: FrameStreamReader,
    reader: FrameReader,
    clock: Clock,
    show: Show,
    *,
    forever: bool,
    until: str | None,
) -> bool:
    """Show what happens; whether anything did."""
    answered_at = clock.now()
    found = False
    while True:
        try:
            events = reader.poll()
        except Unavailable as error:
            if clock.now() - answered_at > PATIENCE_SECONDS:
                raise
            print_error(f"{error}; trying again")
            clock.sleep(_RETRY_SECONDS)
            continue
        answered_at = clock.now()
        ended = not forever and source.caught_up and not reader.has_more
        if ended:
            events += reader.flush()
        for read in events:
            show(read)
            found = True
            ended = ended or (isinstance(read.event, StreamOver) and until is not None)
        sys.stdout.flush()
        if ended:
            return found
        clock.sleep(reader.seconds_until_due())


def _json_lines(shown: Shown) -> Show:
    return lambda read: print_json(as_dict(read, shown))


def _lines(shown: Shown) -> Show:
    lines = TailLines(shown)

    def show(read: ReadEvent) -> None:
        for line in lines.of(read):
            print_line(f"{clock_time(read.received_at)}  {line}")

    return show
