"""When the messages were received whose events a `FrameReader` gives."""

import math
from collections import deque
from typing import Final, Protocol

from callstream.adapters.aws.kinesis_reader import Arrival
from callstream.frames.reader import ArrivalSource, ReadEvent
from callstream.frames.records import Record

_STEP_MS: Final = 1000


class Source(ArrivalSource, Protocol):
    """What a Kinesis reader offers; `FrameStreamReader` is one."""

    def poll(self) -> list[Arrival]:
        """What has come since the last time. Raises `Unavailable`."""

    @property
    def caught_up(self) -> bool:
        """Whether everything that there was has been read."""


class Receipts:
    """A source that keeps in mind when each message was received, and gives a second at a time.

    Reading what was stored long ago, one poll brings minutes of a call; what a stream has lost is
    then told beside the frames between which it was.

    Args:
        source: where records come from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._waiting: deque[Arrival] = deque()
        # By the event's identity: a reader hands on the objects that it was given. As long as one
        # lives no other has its id, and one that has it later takes its place here, so events that
        # are never handed on take no room for ever.
        self._received_at: dict[int, int] = {}

    @property
    def caught_up(self) -> bool:
        """Whether everything that there was has been read and given."""
        return not self._waiting and self._source.caught_up

    def poll(self) -> list[Arrival]:
        """What comes next. Raises `Unavailable`."""
        if not self._waiting:
            self._waiting.extend(self._source.poll())
        given: list[Arrival] = []
        while self._waiting and self._waiting[0].arrived_at - self._first(given) < _STEP_MS:
            arrival = self._waiting.popleft()
            if isinstance(arrival.record, Record):
                self._received_at[id(arrival.record.event)] = arrival.record.received_at
            given.append(arrival)
        return given

    def seconds_behind(self, shard_id: str) -> float:
        """How long ago everything on a shard had been read; what waits here has not been."""
        return math.inf if self._waiting else self._source.seconds_behind(shard_id)

    def seconds_until_due(self) -> float:
        """How long until a poll would give something."""
        return 0.0 if self._waiting else self._source.seconds_until_due()

    def of(self, happening: ReadEvent) -> int:
        """When the message was received, in ms since 1970; of `over`, the latest of the stream."""
        stream, event = happening
        latest = stream.counts.last_at or stream.received_at
        return self._received_at.pop(id(event), latest)

    def _first(self, given: list[Arrival]) -> int:
        return (given or self._waiting)[0].arrived_at
