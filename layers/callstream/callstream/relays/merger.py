"""Merges the streams of a call into one: each stream in order, each track from one stream.

A call may have several streams at a time: a carrier that connects again has two for a moment, and
each may have tracks of its own. A track is taken from one stream until that stream has ended, or is
silent on the track. It can take minutes until a broken connection is noticed.

A stream waits for a missing message by a clock of its own: the times at which its records were
received. The stream's clock stops between two records, for at most 10 s, because the fan-out may be
late with all records, for example if it polls every second, or was killed and starts again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Self

from msgspec import Struct
from msgspec.structs import replace

from callstream.dialects.clients import CLIENTS
from callstream.dialects.events import Dtmf, Media, Stop, Track
from callstream.frames.records import (
    AnswerEvent,
    Cleared,
    Disconnected,
    Record,
    Returned,
    StreamEvent,
    Transcript,
)
from callstream.frames.stream_order import OrderedEvent, OrderedStream, StreamSnapshot

_SILENT: Final = 1.0
"""A track moves to another stream if that stream's latest frame is newer by so many seconds."""
# Two streams of a call report the same key within so many seconds.
_SAME_KEY: Final = 1.0
_ROUNDING: Final = 0.001
MOST_ENDED: Final = 50
"""Streams of the call that are remembered after their end; the oldest are forgotten."""
_STANDSTILL: Final = 10.0
"""The stream's clock stops between two records, for at most so many seconds."""


class MergedEvent(NamedTuple):
    """An event of one of the call's streams, and when it was received, in ms since 1970."""

    stream_id: str
    event: StreamEvent
    received_at: int


class Source(Struct):
    """The stream that a track is taken from, and the time of its latest frame, in seconds."""

    stream_id: str
    last_at: float


class _Stream:
    """One stream, and its clock: when its latest record was received, in seconds since 1970.

    The latest record was received at `_received_at` and came here at `_arrived_at`, by the
    consumer's clock.
    """

    def __init__(self, order: OrderedStream, received_at: int, now: float) -> None:
        self.order = order
        self._received_at = self._time = received_at / 1000
        self._arrived_at = now

    def push(self, record: Record, now: float) -> Sequence[OrderedEvent]:
        """Take a record. It may be a missing record, so the stream's clock goes on afterwards."""
        is_answered = record.dialect in CLIENTS
        events = self.order.push(record, self._time, is_answered=is_answered)
        self._received_at = self._time = max(self._time, record.received_at / 1000)
        self._arrived_at = now
        return events

    def expire(self, now: float) -> Sequence[OrderedEvent]:
        """The events that have waited for long enough."""
        silent = max(0.0, now - self._arrived_at - self._stands)
        self._time = max(self._time, self._received_at + silent)
        return self.order.expire(self._time)

    @property
    def received_at(self) -> float:
        """The stream's time when its last record came."""
        return self._received_at

    @property
    def deadline(self) -> float | None:
        """When `expire` has events even if no record comes."""
        deadline = self.order.deadline
        if deadline is None:
            return None
        return self._arrived_at + self._stands + max(0.0, deadline - self._received_at) + _ROUNDING

    @property
    def _stands(self) -> float:
        return 0.0 if self.order.settling else _STANDSTILL


class StreamMerger:
    """The streams of a call so far.

    `now` is in seconds of a clock that never goes back.
    """

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}
        self._whole: set[str] = set()
        self._sources: dict[Track, Source] = {}
        # The latest report of each key: its stream, and when it was received, in seconds.
        self._keys: dict[tuple[Track, str], tuple[str, float]] = {}

    @classmethod
    def resume(
        cls, streams: Mapping[str, StreamSnapshot], sources: Mapping[Track, Source], now: float
    ) -> Self:
        """Go on from a snapshot."""
        merger = cls()
        merger._streams = {
            each: _Stream(OrderedStream.resume(left), left.counts.last_at or 0, now)
            for each, left in streams.items()
        }
        merger._sources = {track: replace(source) for track, source in sources.items()}
        return merger

    def snapshot(self) -> tuple[dict[str, StreamSnapshot], dict[Track, Source]]:
        """Where the merger is, for `resume`."""
        streams = {each: stream.order.snapshot() for each, stream in self._streams.items()}
        return streams, {track: replace(source) for track, source in self._sources.items()}

    @property
    def over(self) -> bool:
        """Whether all streams have ended, and there was one."""
        streams = self._streams.values()
        return bool(streams) and all(stream.order.ended for stream in streams)

    @property
    def deadline(self) -> float | None:
        """When `take` has events even if no record comes."""
        times = (stream.deadline for stream in self._streams.values())
        return min((time for time in times if time is not None), default=None)

    def expect_whole(self, stream_ids: Iterable[str]) -> None:
        """Take these streams from number 1 on: all of their records will come.

        Any other stream is joined in the middle, and begins above the last number that came before
        (`callstream.reordering.joining`).
        """
        self._whole.update(stream_ids)

    def take(self, found: Sequence[Record], now: float) -> list[MergedEvent]:
        """Take records, and return the events whose turn it is."""
        events: list[MergedEvent] = []
        for record in found:
            if isinstance(record.event, AnswerEvent | Transcript):
                continue
            stream = self._streams.get(record.stream_id)
            if stream is None:
                joins = record.stream_id not in self._whole
                stream = _Stream(OrderedStream(joins=joins), record.received_at, now)
                self._streams[record.stream_id] = stream
            events += self._chosen(record.stream_id, stream.push(record, now))
        for stream_id, stream in self._streams.items():
            events += self._chosen(stream_id, stream.expire(now))
        self._forget_ended()
        return events

    def _forget_ended(self) -> None:
        """Keep a carrier that connects again and again from filling memory and checkpoints."""
        if len(self._streams) > MOST_ENDED:
            ended = [each for each, stream in self._streams.items() if stream.order.ended]
            for stream_id in ended[:-MOST_ENDED]:
                del self._streams[stream_id]
                self._whole.discard(stream_id)

    def _chosen(self, stream_id: str, events: Sequence[OrderedEvent]) -> list[MergedEvent]:
        chosen: list[MergedEvent] = []
        for each in events:
            match event := each.event:
                case Stop() | Disconnected():
                    # From now on the tracks may come from another stream.
                    self._sources = {
                        track: source
                        for track, source in self._sources.items()
                        if source.stream_id != stream_id
                    }
                    chosen.append(MergedEvent(stream_id, event, each.received_at))
                case Returned() | Cleared() | Transcript():
                    pass
                case Media() if not self._is_source(stream_id, event.track):
                    pass
                case Dtmf() if self._is_reported(stream_id, event, each.received_at / 1000):
                    pass
                case _:
                    chosen.append(MergedEvent(stream_id, event, each.received_at))
        return chosen

    def _is_reported(self, stream_id: str, key: Dtmf, at: float) -> bool:
        """Whether another stream has reported this key: several streams may report each key."""
        other, reported_at = self._keys.get((key.track, key.digit), (stream_id, at))
        if other != stream_id and abs(at - reported_at) < _SAME_KEY:
            return True
        self._keys = {
            known: report for known, report in self._keys.items() if at - report[1] < _SAME_KEY
        }
        self._keys[key.track, key.digit] = (stream_id, at)
        return False

    def _is_source(self, stream_id: str, track: Track) -> bool:
        now = self._streams[stream_id].received_at
        source = self._sources.setdefault(track, Source(stream_id, now))
        if source.stream_id != stream_id and now - source.last_at >= _SILENT:
            source.stream_id = stream_id
        if source.stream_id == stream_id:
            source.last_at = max(source.last_at, now)
        return source.stream_id == stream_id
