"""``callstream listen``."""

from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from callstream.audio.formats import PCMU_8K, AudioFormat, ByteOrder
from callstream.audio.packetizer import MP3
from callstream_cli import event_loop
from callstream_cli.audio import FILES, Recording, UnreadableAudioError, read
from callstream_cli.consoles import SafeConsole
from callstream_cli.formats import FORMAT_HELP, FormatError, any_format
from callstream_cli.listener.behaviour import DROPPED, NONSENSE, Behaviour
from callstream_cli.listener.run import End, ListenRun, Options
from callstream_cli.reading.options import Personal
from callstream_cli.reading.tail_output import Shown

_answer: Final = partial(typer.Option, rich_help_panel="What is sent back")
_fault: Final = partial(typer.Option, rich_help_panel="What goes wrong")


def listen(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 stands for any free port.")] = 0,
    tls: Annotated[
        bool, typer.Option("--tls", help="Use wss://, with a self-signed certificate.")
    ] = False,
    forks: Annotated[
        int | None, typer.Option(min=1, help="End when so many forks have come and gone.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.0, help="End after so many seconds at the latest.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="DIRECTORY", help="Write each fork there as a stereo WAV file."),
    ] = None,
    echo: Annotated[bool, _answer("--echo", help="Send the inbound audio back.")] = False,
    play: Annotated[
        Path | None,
        _answer(
            metavar="FILE",
            help=f"Send a recording; of stereo the right channel. Takes {FILES}.",
        ),
    ] = None,
    mode: Annotated[
        Literal["rtp", "mp3"],
        _answer(help="mp3 sends --play as an MP3 file, in parts; rtp in pieces of 20 ms."),
    ] = "rtp",
    codec: Annotated[
        str | None,
        _answer(
            metavar="CODEC[@RATE]",
            help="The codec of the answers, with --mode rtp, where Telnyx's command names one; "
            f"by default the fork's own. {FORMAT_HELP}.",
        ),
    ] = None,
    speed: Annotated[
        float,
        _answer(min=0.0, help="Speed of --play, in times real time; 0 is at once."),
    ] = 1.0,
    mark: Annotated[
        list[str] | None,
        _answer(metavar="NAME", help="Send a mark behind the audio. May be repeated."),
    ] = None,
    clear_after: Annotated[
        float | None,
        _answer(
            min=0.0, metavar="SECONDS", help="Send a clear after so long; it also ends --play."
        ),
    ] = None,
    digits: Annotated[
        str,
        _answer(help="Press keys; only SignalWire's forks can."),
    ] = "",
    byte_order: Annotated[
        ByteOrder,
        typer.Option(help="The byte order of L16: RFC 3551 has big; carriers do not say."),
    ] = "big",
    refuse: Annotated[
        int | None,
        _fault(metavar="STATUS", help="Answer every handshake with this HTTP status."),
    ] = None,
    silent: Annotated[
        bool,
        _fault("--silent", help="Never answer a handshake."),
    ] = False,
    require_token: Annotated[
        str | None,
        _fault(
            metavar="TOKEN",
            envvar="CALLSTREAM_LISTEN_TOKEN",
            help="Refuse handshakes with HTTP 401 that bring this token neither as "
            "Authorization: Bearer nor as x-telnyx-streaming-auth-token.",
        ),
    ] = None,
    stall: Annotated[
        float | None,
        _fault(min=0.0, metavar="SECONDS", help="Read nothing for so long after the start."),
    ] = None,
    close_after: Annotated[
        float | None,
        _fault(min=0.0, metavar="SECONDS", help="Close so long after the start."),
    ] = None,
    code: Annotated[
        int,
        _fault(help=f"The code to close with; {DROPPED} drops the connection."),
    ] = 1000,
    nonsense: Annotated[
        bool,
        _fault("--nonsense", help="Send messages that no carrier understands."),
    ] = False,
    events: Annotated[
        bool, typer.Option("--events", help="Write a line of JSON for every event, frames too.")
    ] = False,
    personal: Personal = False,
    audio: Annotated[
        bool, typer.Option("--audio", help="With --events: write the audio too, as base64.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write a report of every fork as JSON at the end.")
    ] = False,
) -> None:
    """Receive forks of calls, as a consumer would.

    Forks of any dialect are shown as they come. All seconds count from a fork's start. The command
    ends with Ctrl-C (status 130), or after --forks or --timeout; with status 1 if the time was over
    before all forks had come and gone.
    """
    errors = SafeConsole(stderr=True)
    format_ = _answer_format(mode, codec, echo=echo)
    try:
        recording = read(play) if play else None
        behaviour = Behaviour(
            refuse=_known_status(refuse),
            silent=silent,
            require_token=require_token,
            echo=echo,
            play=_agents_side(recording) if recording else b"",
            play_format=recording.format if recording else PCMU_8K,
            answer_format=format_,
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
        options = Options(
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
        end = event_loop.run(ListenRun(behaviour, options).run())
    except (UnreadableAudioError, OSError) as error:
        errors.print_line(f"callstream: {error}", "red")
        raise typer.Exit(1) from None
    if end is not End.DONE:
        raise typer.Exit(end.value)


def _agents_side(recording: Recording) -> bytes:
    """The agent's track, which is the right channel of stereo."""
    tracks = recording.tracks
    return tracks["outbound"] if "outbound" in tracks else tracks["inbound"]


def _answer_format(mode: str, codec: str | None, *, echo: bool) -> AudioFormat | None:
    if mode == MP3:
        if codec or echo:
            raise typer.BadParameter("mp3 goes without --codec and --echo", param_hint="--mode")
        return AudioFormat(MP3, PCMU_8K.sample_rate, 1)
    try:
        return any_format(codec) if codec else None
    except FormatError as error:
        raise typer.BadParameter(str(error), param_hint="--codec") from None


def _known_status(status: int | None) -> int | None:
    # A success would not be a refusal, and a 1xx status would confuse the handshake.
    if status is not None and (
        status < HTTPStatus.MULTIPLE_CHOICES or status not in set(HTTPStatus)
    ):
        raise typer.BadParameter(
            f"{status} is not an HTTP status of a refusal", param_hint="--refuse"
        )
    return status


def _known_code(code: int) -> int:
    # RFC 6455, 7.4: these codes may be sent; the others are reserved, or stand for no code.
    reserved = {1004, 1005, 1015}
    if (code not in range(1000, 1016) and code not in range(3000, 5000)) or code in reserved:
        raise typer.BadParameter(f"{code} is not a code to close with", param_hint="--code")
    return code


def _known_digits(digits: str) -> str:
    if set(digits) - set("0123456789*#ABCDabcd"):
        raise typer.BadParameter("keys are 0-9, *, # and A-D", param_hint="--digits")
    return digits
