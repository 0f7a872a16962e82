"""``callstream call``."""

import asyncio
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.dialects.events import Track
from callstream_cli import audio, codecs, event_loop, live_display
from callstream_cli.carrier.heard import heard
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.plan import CallPlan, Carrier, Fate, Faults
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.formats import FORMAT_HELP, FormatError, call_format
from callstream_cli.gateway import GatewayError, Route, media_url
from callstream_cli.local.commands import local_stack
from callstream_cli.name_values import name_values

INTERRUPTED = 130
"""The exit status after Ctrl-C."""

_Probability = typer.Option(min=0.0, max=1.0, help="Probability for each media message.")


def call(
    file: Annotated[
        Path,
        typer.Argument(
            help=f"{audio.FILES}. Stereo: caller left, agent right.",
            show_default="the demo's recording",
        ),
    ] = audio.DEMO_RECORDING,
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
    calls: Annotated[int, typer.Option(min=1, help="How many calls at once.")] = 1,
    speed: Annotated[
        float, typer.Option(min=0.0, help="Times real time; 0 is as fast as possible.")
    ] = 1.0,
    digits: Annotated[str, typer.Option(help="Keys that the caller presses.")] = "",
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

    Ends with status 1 if a call could not be made, or was cut short.
    """
    # With --json, only the report goes to standard output.
    console = Console(stderr=as_json)
    faults = Faults(
        shuffle=shuffle,
        shuffle_control=shuffle_control,
        duplicate=duplicate,
        drop=drop,
        corrupt=corrupt,
    )
    format_ = _known_format(codec, carrier)
    _check_save(save, calls)
    try:
        plan = CallPlan(
            _tracks(audio.read(file), format_, byte_order),
            faults,
            carrier=carrier,
            format=format_,
            digits=digits,
            parameters=_parameters(parameter or ()),
            seed=seed,
        )
        urls = [url] * calls if url else _ask_for_urls(route, calls)
        reports = event_loop.run(_place(console, urls, plan, speed))
    except (audio.UnreadableAudioError, GatewayError) as error:
        typer.echo(f"callstream: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps([as_dict(report) for report in reports], indent=2))
    else:
        for report in reports:
            # A call that was not made has no summary.
            if report.messages:
                typer.echo(_summary(report))
    for report in reports:
        if report.error:
            typer.echo(f"callstream: {report.error}", err=True)
    if save is not None:
        _save(save, reports[0], byte_order, console)
    if any(report.error for report in reports):
        raise typer.Exit(1)


def _check_save(file: Path | None, calls: int) -> None:
    if file is None:
        return
    if calls > 1:
        raise typer.BadParameter("takes one call only", param_hint="--save")
    if file.exists():
        raise typer.BadParameter(f"{file} is there already", param_hint="--save")


def _save(file: Path, report: CallReport, byte_order: ByteOrder, console: Console) -> None:
    made = heard(report.playback, byte_order)
    parts = [f"{file}, {made.seconds:.2f} s of what the caller hears"]
    if made.undecodable:
        parts.append(f"{made.undecodable} messages cannot be decoded")
    try:
        file.write_bytes(made.wav())
    except OSError as error:
        typer.echo(f"callstream: {file}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    console.print("; ".join(parts), highlight=False, markup=False, soft_wrap=True)


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


def _ask_for_urls(route: Route, calls: int) -> list[str]:
    stack = local_stack().describe()
    if stack is None:
        raise GatewayError(
            "the local stack is not running: start it (callstream up), or give --url"
        )
    return [media_url(stack, route) for _ in range(calls)]


async def _place(
    console: Console, urls: Sequence[str], plan: CallPlan, speed: float
) -> list[CallReport]:
    plans = [
        # The calls of one run differ even if the run is repeatable.
        plan if plan.seed is None else dataclasses.replace(plan, seed=plan.seed + index)
        for index in range(len(urls))
    ]
    total = Carrier(plan).frame_count * len(urls)
    reports: list[CallReport] = []

    def done() -> int:
        return sum(report.fates.total() - report.fates[Fate.DUPLICATE] for report in reports)

    def line() -> str:
        return f"{done()} of {total} frames"

    def picture() -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(ProgressBar(total, done(), width=40), line())
        return grid

    async with live_display.shown(console, picture, line):
        return list(
            await asyncio.gather(
                *(
                    place_call(url, plan, speed=speed, watch=reports.append)
                    for url, plan in zip(urls, plans, strict=True)
                )
            )
        )


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
        parts.append(f"closed with {report.close_code}")
    who = report.identity
    return f"call {who.call_id}, stream {who.stream_id}  {'; '.join(parts)}"
