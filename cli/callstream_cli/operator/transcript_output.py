"""How `callstream transcript` shows what is said: text, JSON, or WebVTT. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from callstream.console.transcripts import LineView
from callstream.console.views import CallView
from callstream_cli.plain_output import visible

_CLOCK_WIDTH: Final = len("1:00:00.0")
_SPEAKER_WIDTH: Final = len("outbound")
# A cue lasts at least so long: WebVTT wants its end behind its beginning.
_SHORTEST_CUE_MS: Final = 1


def as_text(line: LineView, began: datetime) -> str:
    """A line for people: when it begins, counted from the call's beginning; who speaks; the text.

    Args:
        line: the line.
        began: when the call began.
    """
    tenths = round(_offset(line, began) / 100)
    hours, minutes, seconds = tenths // 36000, tenths // 600 % 60, tenths % 600 / 10
    clock = f"{hours}:{minutes:02}:{seconds:04.1f}" if hours else f"{minutes:02}:{seconds:04.1f}"
    return f"{clock:>{_CLOCK_WIDTH}}  {line.speaker:<{_SPEAKER_WIDTH}}  {visible(line.text)}"


def as_dict(call: CallView, lines: Sequence[LineView], *, personal: bool) -> dict[str, Any]:
    """The document that JSON has; docs/reading.md describes it.

    Args:
        call: the call.
        lines: its lines.
        personal: whether the texts before redaction are there.
    """
    hidden = set() if personal else {"unredacted"}
    return {
        "call_id": call.call_id,
        "session_id": call.session_id,
        "tenant_id": call.tenant_id,
        "state": call.state,
        **call.model_dump(mode="json", include={"started_at", "ended_at"}),
        "lines": [line.model_dump(mode="json", exclude=hidden) for line in lines],
    }


def as_vtt(lines: Sequence[LineView], began: datetime) -> str:
    """A WebVTT file, with a voice for each speaker, as https://www.w3.org/TR/webvtt1/ has it.

    Args:
        lines: the lines, by the times at which they begin.
        began: when the call began: time 0 of the file.
    """
    return "\n\n".join(["WEBVTT", *(_cue(line, began) for line in lines)]) + "\n"


def _cue(line: LineView, began: datetime) -> str:
    begin = _offset(line, began)
    end = begin + max(line.end_ms - line.start_ms, _SHORTEST_CUE_MS)
    text = visible(line.text)
    for letter, escape in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(letter, escape)
    return f"{_stamp(begin)} --> {_stamp(end)}\n<v {visible(line.speaker.capitalize())}>{text}"


def _stamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def _offset(line: LineView, began: datetime) -> int:
    """When a line begins, in milliseconds since the call began."""
    return max(round((line.at - began).total_seconds() * 1000), 0)
