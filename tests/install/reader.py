"""Reads a call with the installed reader, and with nothing of this repository."""

import sys
from importlib.resources import files

from callstream import reading
from callstream.reading import Arrival, FrameReader, Media, Selection, StreamOver, decode_record

# A record as docs/records.md describes it, in MessagePack.
ENCODED = bytes.fromhex(sys.argv[1])


class Source:
    """Four records, out of order, once."""

    def __init__(self) -> None:
        first = decode_record(ENCODED)
        self.arrivals = [Arrival(self.numbered(first, n), "s1", "shard-0", 0) for n in (1, 4, 2, 3)]

    @staticmethod
    def numbered(record: reading.Record, number: int) -> reading.Record:
        media = Media(number, "inbound", number, number * 20, bytes([number]))
        start = record.event
        return reading.Record(
            record.stream_id,
            record.tenant_id,
            record.route,
            record.dialect,
            record.received_at + number,
            start if number == 1 else media,
        )

    def poll(self) -> list[Arrival]:
        given, self.arrivals = self.arrivals, []
        return given

    def seconds_behind(self, shard_id: str) -> float:
        assert shard_id == "shard-0"
        return 0.0

    def seconds_until_due(self) -> float:
        return 0.0


reader = FrameReader(Source(), lambda: 0.0, Selection(call_id="CA1"))
events = [event for _, event in reader.poll()]
assert [getattr(event, "sequence", None) for event in events] == [1, 2, 3, 4], events
assert isinstance(events[0], reading.Start)
assert StreamOver("quiet").why == "quiet"
assert files("callstream").joinpath("py.typed").is_file()
sys.stdout.write(" ".join(map(str, (files("callstream"), *sys.version_info[:2]))))
