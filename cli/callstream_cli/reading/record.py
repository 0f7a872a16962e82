"""``callstream record``."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from callstream.audio.formats import ByteOrder
from callstream_cli import audio, formats
from callstream_cli.deployment import explained
from callstream_cli.operator.errors import BadValueError
from callstream_cli.operator.lookup import whole_id
from callstream_cli.operator.output import show_json
from callstream_cli.plain_output import print_line
from callstream_cli.reading import raw
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.lanes import TrackReport
from callstream_cli.reading.options import From, Json, Name, Stack
from callstream_cli.reading.recording import Clock, Story, collect
from callstream_cli.reading.source import INTERRUPTED, busy, frames_stream, position
from callstream_cli.reading.stereo import Stereo, combine

_STANDARD_OUTPUT: Final = Path("-")


def record(
    name: Name,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="By default CALL|STREAM.wav in the current directory."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the call has ended, or Ctrl-C.")
    ] = False,
    from_: From = "start",
    native: Annotated[
        bool, typer.Option("--native", help="Keep every byte, in mu-law or A-law, not 16-bit PCM.")
    ] = False,
    byte_order: Annotated[
        ByteOrder | None,
        typer.Option(help="Of L16; by default big, as RFC 3551 says. Carriers do not say."),
    ] = None,
    raw_directory: Annotated[
        Path | None,
        typer.Option(
            "--raw",
            metavar="DIRECTORY",
            help="Write each track's bytes as they came there instead, whatever the codec; "
            "without -o, --native and --byte-order.",
        ),
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Write a call as a stereo WAV file: inbound left, outbound right, silence for what is lost.

    Where the carrier sends no outbound track, what was sent back to the caller is on the right.

    Takes what Kinesis still keeps of the call, by default a day, in any codec that is known. A
    frame that cannot be decoded is silence, and is counted. Several streams of one call, also in
    different codecs, stand where their time puts them; if two have the same track at the same time,
    they are mixed.

    Ends with status 1 if there is nothing of the call.
    """
    with explained():
        _check(output, raw_directory, of_wav=bool(output or native or byte_order))
    with frames_stream(stack) as frames, busy(f"Looking for {name}"):
        where = position(from_, datetime.now(UTC))
        name = whole_id(frames.outputs, name)
        file = output or Path(f"{raw.file_name(name)}.wav")
        if raw_directory is None and file.exists() and not force:
            raise ConsumerError(f"{file} is there already; --force overwrites it")
        if raw_directory is None and not os.access(file.parent, os.W_OK):
            raise ConsumerError(f"no file can be made in {file.parent.absolute()}")
        clock = Clock(time.monotonic, time.sleep)
        collector = collect(lambda: frames.open(where), name, clock, follow=follow)
        stories = collector.stories()
        if not stories:
            raise ConsumerError(f"there is nothing of {name} on the stream (from {from_})")
        try:
            if raw_directory is None:
                stereo = combine(stories, native=native, byte_order=byte_order or "big")
                file.write_bytes(stereo.wav())
                report = as_dict(stereo, file)
                text = _summary(stereo, file)
            else:
                files = raw.write(raw_directory, stories, overwrite=force)
                report = {"files": list(map(str, files)), "streams": [*map(_figures, stories)]}
                text = [f"{file.absolute()}, {file.stat().st_size} bytes" for file in files]
        except audio.TooLongError as error:
            raise ConsumerError(str(error)) from None
        except OSError as error:
            raise ConsumerError(f"{error.filename}: {error.strerror}") from None
    if as_json:
        show_json(report)
    else:
        for line in (*text, *_warnings(stories)):
            print_line(line)
    if collector.interrupted:
        raise typer.Exit(INTERRUPTED)


def _check(file: Path | None, raw_directory: Path | None, *, of_wav: bool) -> None:
    """Refuse options that do not go together, before anything is read."""
    if raw_directory is not None:
        if of_wav:
            raise BadValueError("--raw goes without --output, --native and --byte-order")
    elif file == _STANDARD_OUTPUT:
        raise BadValueError("a WAV file cannot go to a pipe")
    elif file is not None and file.is_dir():
        raise BadValueError(f"{file} is a directory")


def as_dict(stereo: Stereo, file: Path) -> dict[str, Any]:
    """A recording as JSON has it."""
    return {
        "file": str(file),
        "seconds": round(stereo.seconds, 3),
        "encoding": stereo.encoding,
        "sample_rate": stereo.rate,
        "mixed": stereo.mixed,
        "streams": [
            {
                **_figures(placed.story),
                "codec": placed.format.encoding,
                "sample_rate": placed.format.sample_rate,
                "offset_ms": placed.offset_ms,
                "length_ms": placed.length_ms,
                "tracks": {
                    track: {
                        "frames": report.frames,
                        "lost_ms": report.lost_ms,
                        "misplaced": report.misplaced,
                        "undecodable": report.undecodable,
                        "answers": report.are_answers,
                    }
                    for track, report in placed.tracks.items()
                },
            }
            for placed in stereo.streams
        ],
    }


def _figures(story: Story) -> dict[str, Any]:
    return {
        "stream_id": story.stream_id,
        "call_id": story.start.call_id if story.start else None,
        "dialect": story.dialect,
        "frames": story.frames(),
        "missing": story.missing,
        "repeats": story.repeats,
        "rejected": story.rejected,
        "ended": story.ended,
    }


def _summary(stereo: Stereo, file: Path) -> Sequence[str]:
    # Whole, since by default the file is wherever the command was typed.
    lines = [f"{file.absolute()}, {stereo.seconds:.2f} s, {stereo.encoding} at {stereo.rate} Hz"]
    for placed in stereo.streams:
        tracks = [_of_track(track, report) for track, report in placed.tracks.items()]
        parts = [formats.title(placed.format), *(tracks or ["no audio"])]
        lines.append(f"{placed.story.stream_id}  {'; '.join(parts)}")
    if stereo.mixed:
        lines.append("Two streams have the same track at the same time: they are mixed.")
    return lines


def _of_track(track: str, report: TrackReport) -> str:
    if report.are_answers:
        parts = [f"{report.frames} pieces of answers right"]
    else:
        parts = [f"{track} {report.frames} frames of {'left' if track == 'inbound' else 'right'}"]
    if report.lost_ms:
        parts.append(f"{report.lost_ms} ms of silence for what is not there")
    if report.misplaced:
        parts.append(f"{report.misplaced} frames with timestamps that make no sense")
    if report.undecodable:
        parts.append(f"{report.undecodable} frames that cannot be decoded")
    return ", ".join(parts)


def _warnings(stories: Sequence[Story]) -> Sequence[str]:
    lines: list[str] = []
    for story in stories:
        if story.missing:
            lines.append(
                f"{story.stream_id}  {story.missing} messages are missing,"
                f" of which {story.rejected} could not be read"
            )
        if story.start is None:
            lines.append(f"{story.stream_id}  its beginning is not there")
        if not story.ended:
            lines.append(f"{story.stream_id}  it has not ended yet (--follow waits for that)")
    return lines
