"""The lines of calls' transcripts, in the Streams table: what has been said, and is never changed.

| pk                   | sk                      | what                        |
|----------------------|-------------------------|-----------------------------|
| `CALL#<tenant>#<id>` | `LINE#<track>#<number>` | a line; number has 8 digits |

Lines have what leaves the transcription, and nothing that redaction removes. They are private:
never log them. A line is one value in JSON, because DynamoDB has no floating-point numbers.
"""

from typing import Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from callstream.calls.call_requests import call_key
from callstream.dialects.events import Track
from callstream.errors import ConditionFailed, UnreadableItem
from callstream.frames.records import Transcript, Word
from callstream.ports import Item, Table
from callstream.table_requests import set_request

_Timed = TypeVar("_Timed", Transcript, Word)
_DIGITS: Final = 8
_LAST: Final = 10**_DIGITS - 1


class KeptLine(Struct, frozen=True):
    """A line of a call's transcript. Its times count from the start of the call."""

    stream_id: str
    line: Transcript


def since(line: Transcript, beginning_ms: int) -> Transcript:
    """A line with times that count from a later beginning, as 0 if they are before it."""

    def counted(timed: _Timed) -> _Timed:
        start_ms, end_ms = (max(0, at - beginning_ms) for at in (timed.start_ms, timed.end_ms))
        return replace(timed, start_ms=start_ms, end_ms=end_ms)

    return replace(counted(line), words=tuple(map(counted, line.words)))


class TranscriptStore:
    """The transcripts of calls.

    Every method may raise `Unavailable`; those that read raise `UnreadableItem` if a line is of
    another version.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def keep(self, tenant_id: str, call_id: str, kept: KeptLine, expires_at: int) -> bool:
        """Keep a line, unless the call has a line of this track and number.

        Args:
            tenant_id: the tenant of the call.
            call_id: the carrier's id of the call.
            kept: the line.
            expires_at: when the table drops the line, in seconds since 1970; as the call.

        Returns:
            Whether the line was not there before.
        """
        key = _line_key(tenant_id, call_id, kept.line.track, kept.line.number)
        values = {"line": msgspec.json.encode(kept).decode(), "expires_at": expires_at}
        try:
            self._table.update(set_request(key, values, "attribute_not_exists(pk)"))
        except ConditionFailed:
            return False
        return True

    def last(self, tenant_id: str, call_id: str, track: Track) -> KeptLine | None:
        """The last line of a track; None if there is none. Reads no other line."""
        item = self._table.newest(call_key(tenant_id, call_id)["pk"], f"LINE#{track}#")
        return None if item is None else _read(item)

    def lines(self, tenant_id: str, call_id: str, track: Track, after: int = 0) -> list[KeptLine]:
        """The lines of a track whose numbers are above `after`, in order. Reads no other line."""
        first, last = (
            _line_key(tenant_id, call_id, track, number) for number in (after + 1, _LAST)
        )
        return [*map(_read, self._table.between(first["pk"], first["sk"], last["sk"]))]


def _line_key(tenant_id: str, call_id: str, track: Track, number: int) -> Item:
    return call_key(tenant_id, call_id) | {"sk": f"LINE#{track}#{number:0{_DIGITS}}"}


def _read(item: Item) -> KeptLine:
    try:
        return msgspec.json.decode(item["line"], type=KeptLine)
    except msgspec.ValidationError as error:
        raise UnreadableItem(KeptLine.__name__, str(error)) from None
