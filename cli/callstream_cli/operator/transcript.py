"""``callstream transcript``."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import typer

from callstream.console.transcripts import LineView, TranscriptReader
from callstream.console.views import CallView
from callstream.errors import Unavailable
from callstream_cli.deployment import outputs_of
from callstream_cli.operator.activity import activity_of, transcript_of
from callstream_cli.operator.calls import tenant_ids
from callstream_cli.operator.errors import OperatorError
from callstream_cli.operator.lookup import ID_HELP, LAST, find_call
from callstream_cli.operator.options import Stack
from callstream_cli.operator.output import show_json
from callstream_cli.operator.transcript_output import as_dict, as_text, as_vtt
from callstream_cli.operator.watching import INTERRUPTED
from callstream_cli.plain_output import print_document, print_line

Format = Literal["text", "json", "vtt"]

_POLL_SECONDS: Final = 1.0
# The last lines may come a moment after the call and its transcription have ended.
_SETTLED_SECONDS: Final = 3.0
# A transcription that has not ended so long after its call does not work.
_LAST_WORDS_SECONDS: Final = 90.0
# How long DynamoDB may refuse reads.
_PATIENCE_SECONDS: Final = 60.0


def transcript(
    call_id: Annotated[
        str,
        typer.Argument(
            metavar="CALL",
            help="The carrier's id for it. The id of a session is for the lines of all its legs. "
            f"{ID_HELP}",
        ),
    ],
    *,
    format_: Annotated[
        Format,
        typer.Option("--format", help="For people, one JSON document, or a WebVTT file."),
    ] = "text",
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Go on until the call has ended. Text comes line by line, the rest at the end.",
        ),
    ] = False,
    personal: Annotated[
        bool,
        typer.Option(
            "--personal", help="With JSON: the texts before redaction too, where they are kept."
        ),
    ] = False,
    tenant_id: Annotated[
        str | None,
        typer.Option("--tenant", metavar="TENANT", help="Whose; needed if it is deleted."),
    ] = None,
    stack: Stack = None,
) -> None:
    """Show what is said on a call, by speaker, as far as the call is transcribed.

    The lines of both tracks come in the order in which they begin; with --follow, as they are
    recognised. Times count from the beginning of the call.

    Ends with status 1 if nothing of the call is transcribed.
    """
    try:
        with outputs_of(stack) as outputs:
            activity = activity_of(outputs)
            tenants = tenant_ids(outputs) if tenant_id is None else [tenant_id]
            call = find_call(activity, call_id, tenants)
            of_session = not (call_id == LAST or call.call_id.startswith(call_id))
            reader = transcript_of(outputs, call, of_session=of_session)
            reading = Reading(reader, _shown(call, format_))
            reading.read(follow=follow)
            if not reading.lines:
                failure = reader.failure()
                why = "" if failure is None else f": the transcription failed, {failure}"
                raise OperatorError(f"nothing of the call {call.call_id} is transcribed{why}")
            if format_ == "json":
                call = find_call(activity, call.call_id, [call.tenant_id])
                show_json(as_dict(call, reading.lines, personal=personal))
            elif format_ == "vtt":
                print_document(as_vtt(reading.lines, call.started_at))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _shown(call: CallView, format_: Format) -> Callable[[LineView], object]:
    if format_ == "text":
        return lambda line: print_line(as_text(line, call.started_at))
    return lambda _: None


@dataclass(slots=True)
class Reading:
    """Reads a transcript, and shows each line as it comes. Times are in seconds."""

    reader: TranscriptReader
    show: Callable[[LineView], object]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    lines: list[LineView] = field(default_factory=list)
    """The lines so far, by the times at which they begin."""

    def read(self, *, follow: bool) -> None:
        """Read the lines; with `follow`, until the call has ended.

        Raises:
            Unavailable: the table has not answered; with `follow`, for a minute.
            OperatorError: the call has ended, and its transcription does not end.
        """
        over_at = ended_at = None
        answered_at = self.clock()
        while True:
            try:
                has_ended = follow and self.reader.has_ended()
                is_over = has_ended and self.reader.is_over()
                new = self.reader.new_lines()
            except Unavailable:
                if not follow or self.clock() - answered_at > _PATIENCE_SECONDS:
                    raise
                self.sleep(_POLL_SECONDS)
                continue
            answered_at = self.clock()
            for line in new:
                self.show(line)
            sys.stdout.flush()
            self.lines = sorted([*self.lines, *new], key=lambda line: line.at)
            # A call that goes on after all begins to wait anew.
            ended_at = (ended_at or answered_at) if has_ended else None
            over_at = (over_at or answered_at) if is_over else None
            if not follow or (over_at and answered_at - over_at >= _SETTLED_SECONDS):
                return
            if ended_at and answered_at - ended_at >= _LAST_WORDS_SECONDS:
                raise OperatorError(
                    "the call has ended, and its transcription has not: lines may be missing; "
                    "`callstream logs` may say why"
                )
            self.sleep(_POLL_SECONDS)
