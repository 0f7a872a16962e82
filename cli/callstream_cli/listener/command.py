"""``callstream listen``."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console, RenderableType

from callstream.audio.formats import ByteOrder
from callstream.frames.reader import Over, ReadEvent
from callstream.frames.records import Disconnected, RecordEvent
from callstream_cli import event_loop, live_display
from callstream_cli.audio import TooLongError, UnreadableAudioError
from callstream_cli.listener import codecs, report
from callstream_cli.listener.behaviour import DROPPED, NONSENSE, Behaviour
from callstream_cli.listener.fork_state import Hearing
from callstream_cli.listener.server import Listener
from callstream_cli.listener.wav_files import store
from callstream_cli.reading.options import Personal
from callstream_cli.reading.tail_output import Shown, Teller, clock_time

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C."""

_FAULTS: Final = "What goes wrong"
_TALK: Final = "What is sent back"


class _End(Enum):
    DONE = 0
    TIMED_OUT = 1
    INTERRUPTED = INTERRUPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """What was asked for, but for the behaviour."""

    host: str
    port: int
    tls: bool
    forks: int | None
    timeout: float | None
    directory: Path | None
    as_json: bool
    events: bool
    shown: Shown


def listen(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 is any that is free.")] = 0,
    tls: Annotated[
        bool, typer.Option("--tls", help="wss://, with a certificate that nobody has signed.")
    ] = False,
    forks: Annotated[
        int | None, typer.Option(min=1, help="End when so many have come and gone.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.0, help="End after so many seconds at the latest.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="DIRECTORY", help="Write each fork there as a stereo WAV file."),
    ] = None,
    echo: Annotated[
        bool, typer.Option("--echo", help="The inbound audio.", rich_help_panel=_TALK)
    ] = False,
    play: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A recording, in the fork's own codec; of stereo the right channel.",
            rich_help_panel=_TALK,
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Times real time that --play is sent at; 0 is at once.",
            rich_help_panel=_TALK,
        ),
    ] = 1.0,
    mark: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A mark, behind the audio. May be given again.",
            rich_help_panel=_TALK,
        ),
    ] = None,
    clear_after: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="A clear; it ends --play too.",
            rich_help_panel=_TALK,
        ),
    ] = None,
    digits: Annotated[
        str,
        typer.Option(help="Keys to press; SignalWire's forks alone.", rich_help_panel=_TALK),
    ] = "",
    byte_order: Annotated[
        ByteOrder, typer.Option(help="Of L16: big-endian is RFC 3551's; carriers do not say.")
    ] = "big",
    refuse: Annotated[
        int | None,
        typer.Option(
            metavar="STATUS",
            help="Answer every handshake with this HTTP status.",
            rich_help_panel=_FAULTS,
        ),
    ] = None,
    silent: Annotated[
        bool,
        typer.Option("--silent", help="Never answer a handshake.", rich_help_panel=_FAULTS),
    ] = False,
    require_token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="CALLSTREAM_LISTEN_TOKEN",
            help="Refuse with HTTP 401 who does not bring it, as Authorization: Bearer or as "
            "x-telnyx-streaming-auth-token.",
            rich_help_panel=_FAULTS,
        ),
    ] = None,
    stall: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="Read nothing for so long after the start.",
            rich_help_panel=_FAULTS,
        ),
    ] = None,
    close_after: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="Close so long after the start.",
            rich_help_panel=_FAULTS,
        ),
    ] = None,
    code: Annotated[
        int,
        typer.Option(
            help=f"The code to close with; {DROPPED} drops the connection.",
            rich_help_panel=_FAULTS,
        ),
    ] = 1000,
    nonsense: Annotated[
        bool,
        typer.Option(
            "--nonsense", help="Send messages that nobody understands.", rich_help_panel=_FAULTS
        ),
    ] = False,
    events: Annotated[
        bool, typer.Option("--events", help="A line of JSON for every event, frames too.")
    ] = False,
    personal: Personal = False,
    audio: Annotated[
        bool, typer.Option("--audio", help="With --events: the audio too, as base64.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="At the end, a report of every fork as JSON.")
    ] = False,
) -> None:
    """Receive forks of calls, as a consumer would.

    Forks of any dialect are shown as they come. All seconds count from a fork's start. The command
    ends with Ctrl-C (status 130), or after --forks or --timeout; with status 1 if the time was over
    before all forks had come and gone.
    """
    errors = Console(stderr=True)
    try:
        behaviour = Behaviour(
            refuse=_known_status(refuse),
            silent=silent,
            require_token=require_token,
            echo=echo,
            play=codecs.load(play) if play else b"",
            speed=speed,
            byte_order=byte_order,
            marks=tuple(mark or ()),
            digits=_known_digits(digits),
            clear_after=clear_after,
            messages=NONSENSE if nonsense else (),
            stall=stall,
            close_after=close_after,
            close_code=_known_code(code),
        )
        wishes = _Wishes(
            host=host,
            port=port,
            tls=tls,
            forks=forks,
            timeout=timeout,
            directory=record,
            as_json=as_json,
            events=events,
            shown=Shown(personal=personal, audio=audio),
        )
        end = event_loop.run(_Listening(behaviour, wishes).run())
    except (UnreadableAudioError, OSError) as error:
        errors.print(f"callstream: {error}", style="red", highlight=False, markup=False)
        raise typer.Exit(1) from None
    if end is not _End.DONE:
        raise typer.Exit(end.value)


def _known_status(status: int | None) -> int | None:
    # A success would not be a refusal, and a status of the handshake's own would confuse it.
    if status is not None and (
        status < HTTPStatus.MULTIPLE_CHOICES or status not in set(HTTPStatus)
    ):
        raise typer.BadParameter(f"{status} is no HTTP status of a refusal", param_hint="--refuse")
    return status


def _known_code(code: int) -> int:
    # RFC 6455, 7.4: these may be sent; the others are reserved or mean that there was none.
    reserved = {1004, 1005, 1015}
    if (code not in range(1000, 1016) and code not in range(3000, 5000)) or code in reserved:
        raise typer.BadParameter(f"{code} is no code to close with", param_hint="--code")
    return code


def _known_digits(digits: str) -> str:
    if set(digits) - set("0123456789*#ABCDabcd"):
        raise typer.BadParameter("keys are 0-9, *, # and A-D", param_hint="--digits")
    return digits


@dataclass
class _Listening:
    """One run of the command."""

    behaviour: Behaviour
    wishes: _Wishes
    files: dict[int, list[Path]] = field(default_factory=dict)
    _teller: Teller = field(init=False)
    _console: Console = field(init=False)
    _storing: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._teller = Teller(self.wishes.shown)
        # What scripts read goes to standard output alone.
        self._console = Console(stderr=self.wishes.as_json or self.wishes.events)

    async def run(self) -> _End:
        """Listen until the end, and report."""
        wishes = self.wishes
        interrupted = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
        listener = Listener(
            self.behaviour,
            host=wishes.host,
            port=wishes.port,
            tls=wishes.tls,
            keep=wishes.directory is not None,
            watch=self._happened,
        )
        async with listener:
            self._say(f"listening at {listener.url}")
            async with self._shown(listener):
                end = await self._wait(listener, interrupted)
        await asyncio.gather(*self._storing)
        self._report(listener)
        return end

    async def _wait(self, listener: Listener, interrupted: asyncio.Event) -> _End:
        wanted = self.wishes.forks
        waiting = {
            asyncio.create_task(interrupted.wait()): _End.INTERRUPTED,
            asyncio.create_task(
                listener.until(lambda it: wanted is not None and it.ended >= wanted)
            ): _End.DONE,
        }
        done, _ = await asyncio.wait(
            waiting, timeout=self.wishes.timeout, return_when=asyncio.FIRST_COMPLETED
        )
        for task in waiting:
            task.cancel()
        ends = {waiting[task] for task in done}
        if _End.INTERRUPTED in ends:
            return _End.INTERRUPTED
        return _End.DONE if ends or wanted is None else _End.TIMED_OUT

    def _shown(self, listener: Listener) -> AbstractAsyncContextManager[None]:
        if not self._console.is_terminal or self.wishes.events:
            return nullcontext()  # a line for each thing that happens, as it happens

        def picture() -> RenderableType:
            hearings = [fork.hearing for fork in listener.forks]
            return report.picture(listener.url, hearings, len(listener.refused))

        return live_display.shown(self._console, picture, str)

    def _happened(self, hearing: Hearing, event: RecordEvent) -> None:
        is_last = isinstance(event, Disconnected)
        happened: Sequence[RecordEvent | Over] = (
            [event, Over("disconnected")] if is_last else [event]
        )
        now = round(time.time() * 1000)
        for each in happened:
            if self.wishes.events:
                line = report.event_as_dict(hearing, each, now, self.wishes.shown)
                typer.echo(json.dumps(line))
            elif not self._console.is_terminal:
                for text in self._teller.lines(ReadEvent(hearing.stream, each), now):
                    self._say(f"{clock_time(now)}  {text}")
        if is_last and self.wishes.directory is not None:
            self._storing.append(asyncio.create_task(self._store(hearing, self.wishes.directory)))

    async def _store(self, hearing: Hearing, directory: Path) -> None:
        try:
            self.files[hearing.number] = await asyncio.to_thread(
                store, directory, hearing, self.behaviour.byte_order
            )
        except (OSError, TooLongError) as error:
            Console(stderr=True).print(
                f"callstream: {error}", style="red", highlight=False, markup=False
            )

    def _report(self, listener: Listener) -> None:
        wishes = self.wishes
        for line in self._summary(listener):
            self._say(line)
        if not wishes.as_json:
            return
        forks = [
            report.as_dict(
                fork.hearing,
                self.files.get(fork.hearing.number, ()),
                personal=wishes.shown.personal,
            )
            for fork in listener.forks
        ]
        refused = [report.refusal_as_dict(refusal) for refusal in listener.refused]
        # Behind lines of JSON, it is one more of them.
        indent = None if wishes.events else 2
        typer.echo(json.dumps({"forks": forks, "refused": refused}, indent=indent))

    def _summary(self, listener: Listener) -> Iterator[str]:
        for fork in listener.forks:
            yield report.summary(fork.hearing, self.files.get(fork.hearing.number, ()))
        for refusal in listener.refused:
            yield report.refusal_summary(refusal)

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
        sys.stdout.flush()
