"""``callstream tail``."""

import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from callstream.adapters.kinesis_reader import FrameStreamReader
from callstream.errors import Unavailable
from callstream.frames import FrameReader, Happening, Over, Selection
from callstream_cli.consumer.options import From, Stack
from callstream_cli.consumer.recording import PATIENCE_SECONDS, Clock
from callstream_cli.consumer.source import frames_stream, position
from callstream_cli.consumer.telling import Shown, Teller, as_dict, clock_time

_RETRY_SECONDS: Final = 1.0

type Show = Callable[[Happening], object]


def tail(
    *,
    stream_id: Annotated[
        str | None, typer.Option(help="Of this media stream only; ends when that is over.")
    ] = None,
    call: Annotated[
        str | None,
        typer.Option(
            help="Of this call only: what the carrier calls it, its session or the stream. "
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
    personal: Annotated[
        bool,
        typer.Option(
            "--personal",
            help="Show what may be about persons: phone numbers, keys pressed, parameters, tags, "
            "client state, and what is in unreadable messages.",
        ),
    ] = False,
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
    others. Ctrl-C ends it, with status 130.
    """
    # Ends in silence when nobody reads any more, as in `callstream tail | head`.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    shown = Shown(personal=personal, audio=audio, frames=frames)
    show = _json_lines(shown) if as_json else _lines(shown)
    selection = Selection(stream_id=stream_id, call_id=call, tenant_id=tenant)
    with frames_stream(stack) as open_:
        source = open_(position(from_, datetime.now(UTC)))
        clock = Clock(time.monotonic, time.sleep)
        reader = FrameReader(source, clock.now, selection)
        _follow(source, reader, clock, show, forever=follow, until=stream_id)


def _follow(
    source: FrameStreamReader,
    reader: FrameReader,
    clock: Clock,
    show: Show,
    *,
    forever: bool,
    until: str | None,
) -> None:
    answered_at = clock.now()
    while True:
        try:
            happenings = reader.poll()
        except Unavailable as error:
            if clock.now() - answered_at > PATIENCE_SECONDS:
                raise
            typer.echo(f"callstream: {error}; trying again", err=True)
            clock.sleep(_RETRY_SECONDS)
            continue
        answered_at = clock.now()
        ended = not forever and source.caught_up
        if ended:
            happenings += reader.flush()
        for happening in happenings:
            show(happening)
            ended = ended or (isinstance(happening.event, Over) and until is not None)
        sys.stdout.flush()
        if ended:
            return
        clock.sleep(reader.seconds_until_due())


def _json_lines(shown: Shown) -> Show:
    return lambda happening: typer.echo(json.dumps(as_dict(happening, shown)))


def _lines(shown: Shown) -> Show:
    teller = Teller(shown)

    def show(happening: Happening) -> None:
        for line in teller.lines(happening, time.monotonic()):
            typer.echo(f"{clock_time(datetime.now(UTC))}  {line}")

    return show
