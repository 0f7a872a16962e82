"""What Kinesis still has of some streams, for a relay that has missed it."""

from collections.abc import Callable, Collection, Sequence
from typing import override

from callstream.adapters.aws.kinesis_reader import FrameStreamReader
from callstream.frames.records import Record
from callstream.relays.ports import Backlog


class KinesisBacklog(Backlog):
    """The records of some streams, as a reader brings them.

    Args:
        open_reader: makes the reader, with the first read; may raise `Unavailable`.
        stream_ids: the streams.
    """

    def __init__(
        self, open_reader: Callable[[], FrameStreamReader], stream_ids: Collection[str]
    ) -> None:
        self._open_reader = open_reader
        self._stream_ids = stream_ids
        self._reader: FrameStreamReader | None = None

    @override
    def read(self) -> Sequence[Record]:
        if self._reader is None:
            self._reader = self._open_reader()
        return [
            arrival.record
            for arrival in self._reader.poll()
            if arrival.partition_key in self._stream_ids and isinstance(arrival.record, Record)
        ]

    @override
    def has_covered(self, moment: float) -> bool:
        return self._reader is not None and self._reader.has_covered(moment)

    @override
    def seconds_until_due(self) -> float:
        return 0.0 if self._reader is None else self._reader.seconds_until_due()
