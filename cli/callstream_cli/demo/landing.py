"""The records of one call that land on Kinesis. Pure: arrivals are passed in."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from callstream.dialects.events import Media, Track
from callstream.frames.arrivals import Arrival
from callstream.frames.recording import StreamRecording
from callstream.frames.records import Record, Transcript


@dataclass(slots=True)
class Landing:
    """The records of one stream so far."""

    stream_id: str
    recording: StreamRecording = field(default_factory=StreamRecording)
    kinds: Counter[str] = field(default_factory=Counter)
    arrived_at: dict[int, int] = field(default_factory=dict)
    """When each frame came to Kinesis, by its sequence number; in milliseconds since 1970."""
    lines: dict[tuple[Track, int], tuple[Transcript, int]] = field(default_factory=dict)
    """Each line of the transcript, by its track and number, and when the line came to Kinesis."""
    in_gateway: list[int] = field(default_factory=list)
    """Milliseconds from API Gateway to Kinesis, for each frame."""

    def add(self, record: Record, arrived_at: int) -> None:
        """Take one record."""
        self.kinds[str(record.event.__struct_config__.tag)] += 1
        self.recording.add(record)
        if isinstance(record.event, Media):
            self.arrived_at.setdefault(record.event.sequence, arrived_at)
            self.in_gateway.append(arrived_at - record.received_at)
        elif isinstance(record.event, Transcript):
            place = record.event.track, record.event.number
            self.lines.setdefault(place, (record.event, arrived_at))

    @property
    def complete(self) -> bool:
        """Whether the carrier's `stop` has landed, and nothing before it is missing."""
        return self.recording.stop is not None and not self.recording.stats().missing

    def summary(self) -> str:
        """The carrier's records by kind, in words."""
        kinds = self.kinds.items()
        return ", ".join(f"{count} {kind}" for kind, count in kinds if kind != "transcript")

    def since_sending(self, sent_at: Mapping[int, float]) -> list[float]:
        """Milliseconds from the carrier to Kinesis, for each frame; `sent_at` is in seconds."""
        return [
            arrived_at - sent_at[sequence] * 1000
            for sequence, arrived_at in self.arrived_at.items()
            if sequence in sent_at
        ]


class Landings:
    """Sorts arrivals by stream. Only `start`, which may be late, has the carrier's own id."""

    def __init__(self) -> None:
        self.unreadable = 0
        """How many arrivals were not Callstream's records."""
        self._streams: dict[str, Landing] = {}

    def add(self, arrivals: Iterable[Arrival]) -> None:
        """Take arrivals."""
        for arrival in arrivals:
            match arrival.record:
                case Record(stream_id=stream_id) as record:
                    landing = self._streams.setdefault(stream_id, Landing(stream_id))
                    landing.add(record, arrival.arrived_at)
                case _:
                    self.unreadable += 1

    def of(self, carrier_stream_id: str) -> Landing | None:
        """The stream with the carrier's id, if its `start` has arrived."""
        for landing in self._streams.values():
            start = landing.recording.start
            if start is not None and start.carrier_stream_id == carrier_stream_id:
                return landing
        return None


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` percent of the values do not exceed; not of no values."""
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)]
