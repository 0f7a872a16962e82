"""Counts the records of each stream, for its item in the Streams table.

The counts are those of a consumer that reads the stream live: `OrderedStream` keeps them. A batch
of records costs one write for each of its streams, and no read while the counting goes on in one
place.

Each write names the last record that is counted, on condition that no other function has counted
since. So a batch that comes again, or to another function, is not counted twice.
"""

import logging
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from callstream.audio.formats import PCMU_8K
from callstream.calls.stream_requests import stream_key
from callstream.dialects.events import Dtmf, Error, Mark, Media, Start, Stop
from callstream.errors import ConditionFailed
from callstream.frames.records import (
    Cleared,
    Disconnected,
    GatewayEvent,
    Halted,
    Record,
    RecordEvent,
    Rejected,
    Returned,
    Transcript,
)
from callstream.frames.stream_counts import StreamCounts
from callstream.frames.stream_order import OrderedEvent, OrderedStream, StreamSnapshot
from callstream.ports import Item, Table
from callstream.reordering.held import Held
from callstream.table_requests import optimistically, set_request

_TRIES: Final = 3
_REMEMBERED_STREAMS: Final = 1000

_logger = logging.getLogger(__name__)


class Landed(Struct, frozen=True):
    """A record as it came to Kinesis, at so many seconds since 1970.

    `position` is Kinesis's own number: up to 128 bits as decimal text, ascending in a stream.
    """

    record: Record
    position: str
    arrived_at: float


class _State(Struct):
    """What has been counted of a stream, up to the record at `position`."""

    order: StreamSnapshot
    """With what waits, even after the end: stragglers may come before it in the next batch."""
    position: str = ""
    clock: float = 0.0
    """The latest time of arrival. Kinesis's are approximate, an `OrderedStream`'s never go back."""
    messages: int = 0


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_State)


class StreamCounters:
    """Counts the records of streams into the Streams table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        # As this process wrote them last; the next write fails if that is out of date.
        self._states: OrderedDict[str, _State] = OrderedDict()

    def count(self, stream_id: str, landed: Iterable[Landed]) -> None:
        """Count the records of one stream, in the order in which they came to Kinesis.

        Raises:
            Unavailable: none of them was counted; the caller may try again.
        """
        # What relays have posted is not of the carrier's messages, and is not counted.
        batch = [each for each in landed if not isinstance(each.record.event, GatewayEvent)]
        if not batch:
            return
        optimistically(lambda: self._count(stream_id, batch), _TRIES)

    def _count(self, stream_id: str, batch: list[Landed]) -> None:
        state = self._states.get(stream_id) or self._read(stream_id)
        if state is None:
            return  # the stream's item has expired
        new = [each for each in batch if _is_after(each.position, state.position)]
        if not new:
            return
        counted, counts = _counted(state, new)
        try:
            self._table.update(_build_update(stream_id, counted, counts, state.position))
        except ConditionFailed:
            self._states.pop(stream_id, None)  # another function has counted: read the item again
            raise
        self._states[stream_id] = counted
        self._states.move_to_end(stream_id)
        if len(self._states) > _REMEMBERED_STREAMS:
            self._states.popitem(last=False)

    def _read(self, stream_id: str) -> _State | None:
        item = self._table.get(stream_key(stream_id))
        if item is None:
            return None
        joins = "counter_state" in item
        if joins:
            try:
                return _decoder.decode(zlib.decompress(bytes(item["counter_state"])))
            except (zlib.error, msgspec.DecodeError):
                # Another version wrote it. An exception would hold up every stream of the shard.
                _logger.warning("counters begin anew", extra={"stream_id": stream_id})
        snapshot = OrderedStream(joins=joins).snapshot()
        return _State(snapshot, position=item.get("counted_to", ""))


def _is_after(position: str, other: str) -> bool:
    return not other or int(position) > int(other)


def _counted(state: _State, landed: Iterable[Landed]) -> tuple[_State, StreamCounts]:
    """The state after these records, and the counts. The old state still holds: it may be kept."""
    order = OrderedStream.resume(_with_events(state.order, _filled))
    position, clock, messages = state.position, state.clock, state.messages
    for each in landed:
        position, clock, messages = each.position, max(clock, each.arrived_at), messages + 1
        order.push(replace(each.record, event=_bare(each.record.event)), clock)
    snapshot = _with_events(order.snapshot(), _outline)
    if snapshot.end.disconnected is not None:
        order.flush()  # count what still waits, too: this may be the last call
    return _State(snapshot, position, clock, messages), order.counts


def _bare(event: RecordEvent) -> RecordEvent:
    """An event without what counting does not need, which may be private, and of any size."""
    match event:
        case Start():
            return Start(event.sequence, "", "", "", (), PCMU_8K)
        case Stop():
            return Stop(event.sequence)
        case Rejected():
            return Rejected(event.reason, "", event.size, event.head)
        case Disconnected() | Returned() | Cleared() | Halted() | Transcript():
            return event
        case _:
            return replace(event, extra="") if event.extra else event


def _with_events(
    snapshot: StreamSnapshot, change: Callable[[RecordEvent], RecordEvent]
) -> StreamSnapshot:
    """A snapshot with other events in the place of those that wait."""

    def changed(messages: list[Held[OrderedEvent]]) -> list[Held[OrderedEvent]]:
        return [
            replace(held, item=replace(held.item, event=change(held.item.event)))
            for held in messages
        ]

    buffer = snapshot.buffer
    return replace(
        snapshot,
        buffer=replace(
            buffer, waiting=changed(buffer.waiting), probation=changed(buffer.probation)
        ),
    )


def _outline(event: RecordEvent) -> RecordEvent:
    """As much of an event as its counting needs: of a frame, the size of its audio as 4 bytes."""
    match event:
        case Media():
            return Media(event.sequence, event.track, 0, 0, len(event.audio).to_bytes(4))
        case Dtmf() | Mark() | Error():
            return Mark(event.sequence, "")
        case _:
            return event


def _filled(event: RecordEvent) -> RecordEvent:
    """An event that counts as the one that `_outline` was given."""
    if isinstance(event, Media):
        return replace(event, audio=bytes(int.from_bytes(event.audio)))
    return event


def _build_update(stream_id: str, state: _State, counts: StreamCounts, before: str) -> Item:
    return set_request(
        stream_key(stream_id),
        {
            # DynamoDB charges by the KB, and the messages that wait have much in common.
            "counter_state": zlib.compress(_encoder.encode(state), level=1),
            "counted_to": state.position,
            "messages": state.messages,
            "frames": counts.frames,
            "audio_bytes": counts.audio_bytes,
            "gaps": counts.gaps,
            "skipped": counts.skipped,
            "repeats": counts.repeats,
            "late": counts.late,
            "strays": counts.strays,
            "restarts": counts.restarts,
            "rejected": counts.rejected,
            "first_seen_at": counts.first_at,
            "last_seen_at": counts.last_at,
        },
        "attribute_exists(pk) AND "
        + ("#counted_to = :before" if before else "attribute_not_exists(#counted_to)"),
        {"before": before} if before else None,
    )
