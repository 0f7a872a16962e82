"""The streams of a call in one, as a relay says them: each in order, each track from one stream.

A call may have several streams at a time: a carrier that connects again has two for a moment, and
each may have tracks of its own. A track is heard from one stream until that has ended.
"""

from collections.abc import Sequence
from typing import Self

from callstream.dialects.events import CarrierEvent, Media, Track
from callstream.ordering import StreamOrder, StreamSnapshot
from callstream.records import Disconnected, Record, RecordEvent, Rejected


class Mixing:
    """What was heard of a call's streams so far, and whose turn it is."""

    def __init__(self) -> None:
        self._orders: dict[str, StreamOrder] = {}
        self._sources: dict[Track, str] = {}

    @classmethod
    def resume(cls, streams: dict[str, StreamSnapshot], sources: dict[Track, str]) -> Self:
        """Go on where a predecessor stopped."""
        mixing = cls()
        mixing._orders = {each: StreamOrder.resume(left) for each, left in streams.items()}
        mixing._sources = {**sources}
        return mixing

    def snapshot(self) -> tuple[dict[str, StreamSnapshot], dict[Track, str]]:
        """Where it is, for `resume`."""
        streams = {each: order.snapshot() for each, order in self._orders.items()}
        return streams, {**self._sources}

    @property
    def over(self) -> bool:
        """Whether all streams that were heard of have ended."""
        return bool(self._orders) and all(order.ended for order in self._orders.values())

    @property
    def deadline(self) -> float | None:
        """When `take` has something to give even if nothing comes."""
        times = (order.deadline for order in self._orders.values())
        return min((time for time in times if time is not None), default=None)

    def take(self, found: Sequence[Record], now: float) -> list[tuple[str, CarrierEvent]]:
        """The events whose turn it is, with their streams."""
        events: list[tuple[str, CarrierEvent]] = []
        for record in found:
            order = self._orders.get(record.stream_id)
            if order is None:
                order = self._orders[record.stream_id] = StreamOrder(joins=True)
            events += self._of(record.stream_id, order.push(record, now))
        for stream_id, order in self._orders.items():
            events += self._of(stream_id, order.expire(now))
        return events

    def _of(self, stream_id: str, events: Sequence[RecordEvent]) -> list[tuple[str, CarrierEvent]]:
        chosen: list[tuple[str, CarrierEvent]] = []
        for event in events:
            match event:
                case Disconnected():
                    # Its tracks may come from another stream from now on.
                    self._sources = {
                        track: source
                        for track, source in self._sources.items()
                        if source != stream_id
                    }
                case Rejected():
                    pass
                case Media() if self._sources.setdefault(event.track, stream_id) != stream_id:
                    pass
                case _:
                    chosen.append((stream_id, event))
        return chosen
