"""What has come of each stream, counted from its records, for its item in the Streams table.

The counts are those of a consumer that reads through the same buffer. A batch of records costs one
write for each of its streams, and no read while the counting goes on in one place.

Each write says up to which record it has counted, on condition that nobody else has counted since.
So a batch that comes again, or comes to another function, is not counted twice.
"""

import logging
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct, field

from callstream.calls.streams import stream_key
from callstream.dialects.events import Media
from callstream.errors import ConditionFailed, Unavailable
from callstream.frames.records import Disconnected, Record, Rejected
from callstream.frames.stream_order import SAME_MS
from callstream.ports import Item, Table
from callstream.reordering.buffer import ReorderBuffer, Snapshot, Window

WINDOW: Final = Window()
_ATTEMPTS: Final = 3
_REMEMBERED_STREAMS: Final = 1000
# Messages that could not be read are few: a repeat of one of the last so many is recognised.
_REMEMBERED_REJECTED: Final = 16

_logger = logging.getLogger(__name__)


class Landed(Struct, frozen=True):
    """A record as it came to Kinesis, at so many seconds since 1970.

    `position` is Kinesis's own number: up to 128 bits as decimal text, ascending in a stream.
    """

    record: Record
    position: str
    arrived_at: float


class _Seen(Struct, frozen=True, eq=False, array_like=True):
    """What the buffer keeps of a message: enough to know a repeat."""

    received_at: int
    track: str | None = None
    size: int = 0

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Seen)
            and (self.track, self.size) == (other.track, other.size)
            and abs(self.received_at - other.received_at) <= SAME_MS
        )

    __hash__ = None  # type: ignore[assignment]  # being close to one another is not transitive

    def sent_at(self) -> float:
        return self.received_at / 1000


class _State(Struct):
    """What has been counted of a stream, up to the record at `position`.

    Once its socket is gone, what comes later than a window after that is late, whatever its number.
    """

    buffer: Snapshot[_Seen]
    """What waits is in it even after the end: stragglers may come before it in the next batch."""
    position: str = ""
    clock: float = 0.0
    """The latest time of arrival. Kinesis's are approximate, the buffer's must never go back."""
    ends_at: float | None = None
    messages: int = 0
    frames: dict[str, int] = field(default_factory=dict)
    audio_bytes: int = 0
    after_end: int = 0
    repeats: int = 0
    """Of messages that could not be read, which have no number."""
    rejected: dict[str, int] = field(default_factory=dict)
    rejected_before: list[tuple[int, int]] = field(default_factory=list)
    """The last of them: when each was received, and a checksum of what is kept of it."""
    first_at: int | None = None
    last_at: int | None = None


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_State)


class Tally:
    """Counts the records of streams into the Streams table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        # As this process wrote it last; whether that still holds, the next write finds out.
        self._states: OrderedDict[str, _State] = OrderedDict()

    def count(self, stream_id: str, landed: Iterable[Landed]) -> None:
        """Count the records of one stream, in the order in which they came to Kinesis.

        Raises:
            Unavailable: nothing of it was counted; it may be tried again.
        """
        batch = list(landed)
        for _ in range(_ATTEMPTS):
            state = self._states.get(stream_id) or self._read(stream_id)
            if state is None:
                return  # the stream's item has expired: nobody will ask
            before = state.position
            new = [each for each in batch if _is_after(each.position, before)]
            if not new:
                return
            state = _counted(state, new)
            try:
                self._table.update(_build_update(stream_id, state, before))
            except ConditionFailed:
                self._states.pop(stream_id, None)
                continue  # somebody else has counted: look again
            self._remember(stream_id, state)
            return
        raise Unavailable("dynamodb", "Contended")

    def _read(self, stream_id: str) -> _State | None:
        item = self._table.get(stream_key(stream_id))
        if item is None:
            return None
        if "tally" in item:
            try:
                return _decoder.decode(zlib.decompress(bytes(item["tally"])))
            except (zlib.error, msgspec.DecodeError):
                # Another version's. To fail would hold up every stream of the shard.
                _logger.warning("tally begins anew", extra={"stream_id": stream_id})
        begins = ReorderBuffer[_Seen](WINDOW, first=None if "tally" in item else 1)
        return _State(begins.snapshot(), position=item.get("tallied_to", ""))

    def _remember(self, stream_id: str, state: _State) -> None:
        self._states[stream_id] = state
        self._states.move_to_end(stream_id)
        if len(self._states) > _REMEMBERED_STREAMS:
            self._states.popitem(last=False)


def _is_after(position: str, other: str) -> bool:
    return not other or int(position) > int(other)


def _counted(state: _State, landed: Iterable[Landed]) -> _State:
    # A copy: should the write fail, the state that was remembered still holds.
    state = _copy(state)
    buffer = _resume(state)
    for each in landed:
        at, event = each.record.received_at, each.record.event
        state.messages += 1
        state.position = each.position
        state.clock = max(state.clock, each.arrived_at)
        state.first_at = at if state.first_at is None else min(state.first_at, at)
        state.last_at = at if state.last_at is None else max(state.last_at, at)
        sequence: int | None = getattr(event, "sequence", None)
        if isinstance(event, Rejected):
            _count_rejected(state, at, event)
        elif isinstance(event, Disconnected):
            if state.ends_at is None:
                state.ends_at = state.clock + WINDOW.seconds
        elif sequence is not None:
            seen = _Seen(at)
            if isinstance(event, Media):
                seen = _Seen(at, event.track, len(event.audio))
            _count_numbered(state, buffer, sequence, seen)
    state.buffer = buffer.snapshot()
    return state


def _copy(state: _State) -> _State:
    return _decoder.decode(_encoder.encode(state))


def _resume(state: _State) -> ReorderBuffer[_Seen]:
    return ReorderBuffer.resume(WINDOW, state.buffer, sent_at=_Seen.sent_at)


def _totals(state: _State) -> _State:
    """What is told: after the end also what still waits, since nobody may call again."""
    if state.ends_at is None:
        return state
    state = _copy(state)
    buffer = _resume(state)
    _count_released(state, buffer.flush())
    state.buffer.counts = buffer.counts
    return state


def _count_rejected(state: _State, at: int, event: Rejected) -> None:
    # To the millisecond: a carrier may well say the same nonsense twice.
    known = (at, zlib.crc32(_encoder.encode(event)))
    if known in state.rejected_before:
        state.repeats += 1
        return
    state.rejected_before = [*state.rejected_before, known][-_REMEMBERED_REJECTED:]
    state.rejected[event.reason] = state.rejected.get(event.reason, 0) + 1


def _count_numbered(
    state: _State, buffer: ReorderBuffer[_Seen], sequence: int, seen: _Seen
) -> None:
    if state.ends_at is None or state.clock < state.ends_at:
        _count_released(state, buffer.push(sequence, seen, state.clock))
        return
    # What waits was in time, and what comes now is not. Three of the past must not pass for a
    # carrier whose numbers begin anew, so each is counted before the next one comes.
    _count_released(state, buffer.flush())
    if buffer.expects(sequence):
        state.after_end += 1
    else:
        _count_released(state, buffer.push(sequence, seen, state.clock) + buffer.flush())


def _count_released(state: _State, released: Iterable[_Seen]) -> None:
    for seen in released:
        if seen.track is not None:
            state.frames[seen.track] = state.frames.get(seen.track, 0) + 1
            state.audio_bytes += seen.size


def _build_update(stream_id: str, state: _State, before: str) -> Item:
    # DynamoDB charges by the KB, and what is kept of messages has much in common.
    tally = zlib.compress(_encoder.encode(state), level=1)
    state = _totals(state)
    counts = state.buffer.counts
    values: Mapping[str, object] = {
        "tally": tally,
        "tallied_to": state.position,
        "messages": state.messages,
        "frames": state.frames,
        "audio_bytes": state.audio_bytes,
        "gaps": counts.gaps,
        "skipped": counts.skipped,
        "repeats": counts.repeats + state.repeats,
        "late": counts.late + state.after_end,
        "strays": counts.strays,
        "restarts": counts.restarts,
        "rejected": state.rejected,
        "first_seen_at": state.first_at,
        "last_seen_at": state.last_at,
    }
    nobody_else = "tallied_to = :before" if before else "attribute_not_exists(tallied_to)"
    condition: Item = {":before": before} if before else {}
    return {
        "Key": stream_key(stream_id),
        "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in values),
        "ConditionExpression": f"attribute_exists(pk) AND {nobody_else}",
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}
        | condition,
    }
