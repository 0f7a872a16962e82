"""``callstream call``."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.dialects.events import Track
from callstream_cli import audio, close_codes, codecs, event_loop
from callstream_cli.acting import AsTenant, acting_as
from callstream_cli.carrier.heard import heard
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.placing import Fork, Forks, ids, place
from callstream_cli.carrier.plan import CallPlan, Fate, Faults
from callstream_cli.carrier.session import CallReport
from callstream_cli.carrier.staying import FORK_COMMANDS, TELNYX_DIALOGFLOW, ForkDialect, sequel
from callstream_cli.consoles import SafeConsole
from callstream_cli.formats import FORMAT_HELP, FormatError, call_format
from callstream_cli.gateway import GatewayError, Route, media_url
from callstream_cli.local.commands import local_stack
from callstream_cli.local.description import StackDescription
from callstream_cli.name_values import name_values
from callstream_cli.plain_output import print_error, print_json, print_line

if TYPE_CHECKING:
    from callstream.tenants.directory import Surface

INTERRUPTED = 130
"""The exit status after Ctrl-C."""

# After the caller's last word, the agent says goodbye.
_LAST_WORDS_S = 8.0
# The longest that the gateway takes.
_LONGEST_ID = 400
_Probability = typer.Option(min=0.0, max=1.0, help="Probability for each media message.")


def call(
    file: Annotated[
        Path | None,
        typer.Argument(
            help=f"{audio.FILES}. Stereo: caller left, agent right.",
            show_default="the demo's recording",
        ),
    ] = None,
    *,
    url: Annotated[
        str | None, typer.Option(help="A media URL; without it, the local stack is asked for one.")
    ] = None,
    carrier: Annotated[
        CarrierName, typer.Option(help="The carrier whose messages to send.")
    ] = "twilio",
    codec: Annotated[
        str,
        typer.Option(
            metavar="CODEC[@RATE]",
            help=f"The codec of the call: {FORMAT_HELP}. Twilio's calls have PCMU, SignalWire's "
            "PCMU and L16 up to 24000, Telnyx's all.",
        ),
    ] = "PCMU",
    byte_order: Annotated[
        ByteOrder, typer.Option(help="The byte order of L16: RFC 3551 has big.")
    ] = "big",
    route: Annotated[
        Route, typer.Option(help="The product for which the local stack is asked for a URL.")
    ] = "autotranscribe",
    tenant: AsTenant = None,
    call_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="The carrier's id of the call, instead of a made-up id. With the id of a call "
            "that runs, the call gets another stream.",
        ),
    ] = None,
    calls: Annotated[int, typer.Option(min=1, help="How many calls at once.")] = 1,
    speed: Annotated[
        float, typer.Option(min=0.0, help="Times real time; 0 is as fast as possible.")
    ] = 1.0,
    digits: Annotated[
        str, typer.Option(help="Keys that the caller presses; each comma is a pause of 2 s.")
    ] = "",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="A custom parameter of the start message; may be repeated."
        ),
    ] = None,
    shuffle: Annotated[
        int, typer.Option(min=0, help="Shuffle media messages within a window of so many.")
    ] = 0,
    shuffle_control: Annotated[
        bool, typer.Option("--shuffle-control", help="Shuffle connected, start and stop too.")
    ] = False,
    duplicate: Annotated[float, _Probability] = 0.0,
    drop: Annotated[float, _Probability] = 0.0,
    corrupt: Annotated[float, _Probability] = 0.0,
    loop: Annotated[
        bool,
        typer.Option("--loop", help="Repeat the recording until Ctrl-C, or for --hold seconds."),
    ] = False,
    hold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="Stay on the line so long after the recording, in silence, to hear answers.",
        ),
    ] = None,
    fork: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Fork the call to this WebSocket as soon as the call is known: a command of the "
            "tenant to the local stack.",
        ),
    ] = None,
    dialect: Annotated[
        ForkDialect,
        typer.Option(
            metavar="|".join(FORK_COMMANDS),
            help="The vendor whose command forks. The caller hears what is sent back, except from "
            "twilio, whose forks are one-way; twilio and signalwire want wss URLs.",
        ),
    ] = "telnyx",
    dialogflow: Annotated[
        bool,
        typer.Option(
            "--dialogflow",
            help="Let the tenant's virtual agent talk with the caller, by Telnyx's command. On the "
            "local stack it is that of callstream dialogflow, to whom the caller talks without a "
            "FILE.",
        ),
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what the caller hears as a WAV file: the audio that came back, at its "
            "place in the call.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Makes ids and faults repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Call the gateway as a carrier would.

    Plays a recording in real time, in the call's codec. Audio that the gateway sends back is
    "played" as carriers play it: a mark comes back when all audio before it has been played, and a
    clear empties the buffer.

    Prints the ids of each call when it begins, so that a running call can be forked. Ctrl-C hangs
    up a call that has --loop or --hold, and its report and --save's file follow.

    Ends with status 1 if a call could not be made, was cut short, or could not be forked.
    """
    # With --json, only the report goes to standard output.
    console = SafeConsole(stderr=as_json)
    faults = Faults(
        shuffle=shuffle,
        shuffle_control=shuffle_control,
        duplicate=duplicate,
        drop=drop,
        corrupt=corrupt,
    )
    format_ = _known_format(codec, carrier)
    _check_save(save, calls)
    _check_loop(speed, loop=loop)
    if dialogflow and dialect != "telnyx":
        raise typer.BadParameter("is a command of Telnyx's", param_hint="--dialogflow")
    _check_names(call_id, calls, tenant, asks=not url or fork is not None or dialogflow)
    try:
        if file is None:
            file = audio.DIALOGUE_RECORDING if dialogflow else audio.DEMO_RECORDING
            hold = _LAST_WORDS_S if dialogflow and hold is None else hold
        tracks = _tracks(audio.read(file), format_, byte_order)
        plan = CallPlan(
            tracks,
            faults,
            carrier=carrier,
            format=format_,
            digits=digits,
            parameters=_parameters(parameter or ()),
            seed=seed,
            sequel=sequel(tracks, format_, byte_order, loop=loop, hold=hold),
            call_id=call_id,
        )
        to = _command(fork, dialect, dialogflow=dialogflow)
        with _ways([url or None] * calls, route, to, tenant) as (urls, forks):
            placed = event_loop.run(place(console, urls, plan, speed, forks))
    except (audio.UnreadableAudioError, GatewayError) as error:
        print_error(error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    _show(placed.reports, as_json=as_json)
    if dialogflow and not placed.failed:
        for line in unanswered(placed.reports):
            print_error(line)
    if save is not None:
        _save(save, placed.reports[0], byte_order, console)
    if placed.interrupted:
        raise typer.Exit(INTERRUPTED)
    if placed.failed:
        raise typer.Exit(1)


def _show(reports: Sequence[CallReport], *, as_json: bool) -> None:
    if as_json:
        print_json([as_dict(report) for report in reports], indent=2)
    else:
        for report in reports:
            # A call that was not made has no summary.
            if report.messages:
                print_line(_summary(report))
    for report in reports:
        if report.error:
            print_error(report.error)


def _check_save(file: Path | None, calls: int) -> None:
    if file is None:
        return
    if calls > 1:
        raise typer.BadParameter("takes one call only", param_hint="--save")
    if file.exists():
        raise typer.BadParameter(f"{file} is there already", param_hint="--save")
    if not os.access(file.parent, os.W_OK):
        raise typer.BadParameter(f"no file can be made in {file.parent}", param_hint="--save")


def _check_loop(speed: float, *, loop: bool) -> None:
    if loop and not speed:
        raise typer.BadParameter("needs a speed above 0", param_hint="--loop")


def _check_names(call_id: str | None, calls: int, tenant: str | None, *, asks: bool) -> None:
    if call_id is not None and calls > 1:
        raise typer.BadParameter("takes one call only", param_hint="--call-id")
    if call_id is not None and not 0 < len(call_id) <= _LONGEST_ID:
        message = f"has 1 to {_LONGEST_ID} characters"
        raise typer.BadParameter(message, param_hint="--call-id")
    if tenant is not None and not asks:
        message = "means nothing with --url, without --fork and --dialogflow"
        raise typer.BadParameter(message, param_hint="--tenant")


def _save(file: Path, report: CallReport, byte_order: ByteOrder, console: SafeConsole) -> None:
    made = heard(report.playback, byte_order)
    parts = [f"{file}, {made.seconds:.2f} s of what the caller hears"]
    if made.undecodable:
        parts.append(f"{made.undecodable} messages cannot be decoded")
    try:
        file.write_bytes(made.wav())
    except OSError as error:
        print_error(f"{file}: {error.strerror}")
        raise typer.Exit(1) from None
    console.print_line("; ".join(parts))


def _known_format(codec: str, carrier: CarrierName) -> AudioFormat:
    try:
        return call_format(codec, carrier)
    except FormatError as error:
        raise typer.BadParameter(str(error), param_hint="--codec") from None


def _parameters(given: Sequence[str]) -> dict[str, str]:
    try:
        return name_values(given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _tracks(
    recording: audio.Recording, format_: AudioFormat, byte_order: ByteOrder
) -> Mapping[Track, Sequence[bytes]]:
    return {
        track: codecs.encoded(content, recording.format, format_, byte_order)
        for track, content in recording.tracks.items()
    }


def as_dict(report: CallReport) -> dict[str, Any]:
    """A report as JSON: times in seconds, audio as numbers of bytes."""
    return {
        "carrier": report.identity.carrier,
        **report.identity.named(),
        "messages": report.messages,
        "frames": {track: report.frames[track] for track in audio.TRACKS},
        "bytes": {track: len(report.audio(track)) for track in audio.TRACKS},
        **{fate.value: report.fates[fate] for fate in Fate},
        "behind_seconds": round(report.behind_seconds, 4),
        "seconds": round(report.seconds, 3),
        "received": {
            "bytes": len(report.playback.received),
            "marks": report.playback.marks,
            "clears": report.playback.clears,
            "digits": report.playback.digits,
            "unreadable": report.unreadable,
        },
        "close_code": report.close_code,
        "error": report.error,
    }


def unanswered(reports: Sequence[CallReport]) -> list[str]:
    """A hint for each call in which the agent has said nothing."""
    return [
        "the agent has said nothing: is callstream dialogflow running? If the dialogue failed, "
        f"callstream calls show {report.identity.call_id} has the reason"
        for report in reports
        if not report.playback.received
    ]


def _command(url: str | None, dialect: ForkDialect, *, dialogflow: bool) -> Fork | None:
    if dialogflow:
        return Fork(url or "", "telnyx", TELNYX_DIALOGFLOW, "the agent does not join")
    return None if url is None else Fork(url, dialect, FORK_COMMANDS[dialect])


@contextmanager
def _ways(
    urls: Sequence[str | None],
    route: Route,
    fork: Fork | None,
    tenant: str | None,
) -> Iterator[tuple[Sequence[str], Forks | None]]:
    """The URL of each call, and where the calls are forked to, as a tenant of the local stack."""
    given = [url for url in urls if url is not None]
    surfaces: list[Surface] = [] if given else ["asapp"]
    surfaces += [] if fork is None else [fork.dialect]
    if not surfaces:
        yield given, None
        return
    with acting_as(tenant, _stack(), surfaces) as stack:
        forks = None if fork is None else Forks(fork, stack)
        yield given or [media_url(stack, route) for _ in urls], forks


def _stack() -> StackDescription:
    stack = local_stack().describe()
    if stack is None:
        raise GatewayError(
            "the local stack is not running: start it (callstream up), or give --url"
        )
    return stack


def _summary(report: CallReport) -> str:
    frames = ", ".join(
        f"{report.frames[track]} {track} frames" for track in audio.TRACKS if report.frames[track]
    )
    faults = (Fate.DROPPED, Fate.DUPLICATE, Fate.CORRUPTED)
    parts = [
        f"{report.messages} messages in {report.seconds:.1f} s",
        frames or "no frames",
        *(f"{report.fates[fate]} {fate}" for fate in faults if report.fates[fate]),
        f"at most {report.behind_seconds * 1000:.0f} ms behind",
    ]
    if report.playback.received or report.playback.marks:
        played = (
            f"{len(report.playback.received)} bytes and {report.playback.marks} marks came back"
        )
        parts.append(played)
    if report.playback.digits:
        parts.append(f"keys {report.playback.digits} pressed into the call")
    if report.close_code is not None:
        parts.append(f"closed with {close_codes.in_words(report.close_code)}")
    return f"{ids(report)}  {'; '.join(parts)}"
