"""Collects what is kept of the streams of one name. Pure: arrivals and time are passed in."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from callstream.dialects.events import Media, Start, Stop, Track
from callstream.errors import Unavailable
from callstream.frames.arrivals import Arrival
from callstream.frames.reader import is_of
from callstream.frames.recording import StreamRecording
from callstream.frames.records import Disconnected, Record, RecordEvent

# So many records of a stream are kept until its `start` shows whether the stream is wanted. If a
# stream with more records turns out to be wanted, everything is read once more.
_UNDECIDED: Final = 500
# A stream that has ended counts as whole after so long without another record.
_SETTLED_SECONDS: Final = 3.0
PATIENCE_SECONDS: Final = 60.0
"""How long Kinesis may refuse reads. It does so when too much is read in too little time."""
_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Story:
    """What happened on one stream, in order, each once."""

    stream_id: str
    tenant_id: str
    dialect: str | None
    events: Sequence[RecordEvent]
    start: Start | None
    started_at: int
    """When `start`, or what came first, was received, in milliseconds since 1970."""
    missing: int
    """Sequence numbers that have not come, of messages that were lost or rejected."""
    repeats: int
    rejected: int
    audio_began_at: int
    """When the audio began on the clock of `started_at`, as its frames show."""
    answers: Sequence[Record]
    """What relays have posted to the carrier, in order."""
    ended_at: int | None
    """When its carrier said stop or hung up, in milliseconds since 1970."""
    ended: bool
    """Whether its carrier has said stop or hung up."""

    def frames(self) -> dict[Track, int]:
        """How many frames there are of each track."""
        return dict(Counter(event.track for event in self.events if isinstance(event, Media)))


def story_of(recording: StreamRecording) -> Story:
    """What happened on a recorded stream, of which there must be a record."""
    stats = recording.stats()
    return Story(
        stream_id=recording.stream_id,
        tenant_id=recording.tenant_id,
        dialect=recording.dialect,
        events=recording.events(),
        start=recording.start,
        started_at=recording.started_at,
        missing=stats.missing,
        repeats=stats.repeats,
        rejected=stats.rejected,
        audio_began_at=recording.audio_began_at if recording.start else recording.started_at,
        answers=recording.answers,
        ended_at=recording.ended_at,
        ended=recording.has_ended,
    )


class Collector:
    """Collects the streams of one name: a stream's id, or what the carrier calls it or its call.

    Args:
        name: the name.
        known: ids of streams that are known to be of this name.
    """

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.recordings: dict[str, StreamRecording] = {}
        self.incomplete = False
        """Whether records that were not kept turned out to be wanted."""
        self.interrupted = False
        """Whether Ctrl-C ended the reading."""
        self._known = set(known)
        self._undecided: dict[str, list[Record]] = {}
        self._passed_over: set[str] = set()

    def add(self, arrival: Arrival) -> bool:
        """Take a record. Returns whether it belongs to a stream that is known to be wanted."""
        record = arrival.record
        if not isinstance(record, Record):
            return False
        stream_id = record.stream_id
        if stream_id in self.recordings:
            self.recordings[stream_id].add(record)
            return True
        waiting = self._undecided.get(stream_id, [])
        if stream_id in self._known or self._is_of_name(record):
            recording = self.recordings[stream_id] = StreamRecording()
            for kept in (*waiting, record):
                recording.add(kept)
            self.incomplete = self.incomplete or stream_id in self._passed_over
            self._undecided.pop(stream_id, None)
            return True
        decided = isinstance(record.event, Start | Disconnected)
        if decided or len(waiting) >= _UNDECIDED:
            self._passed_over.add(stream_id)
            self._undecided.pop(stream_id, None)
        elif stream_id not in self._passed_over:
            self._undecided.setdefault(stream_id, []).append(record)
        return False

    def stories(self) -> list[Story]:
        """What was collected, the first stream first."""
        stories = [story_of(recording) for recording in self.recordings.values()]
        return sorted(stories, key=lambda story: story.started_at)

    def _is_of_name(self, record: Record) -> bool:
        if record.stream_id == self.name:
            return True
        match record.event:
            case Start() as start:
                return is_of(start, self.name)
            case Stop(call_id=call_id):
                return call_id == self.name
            case _:
                return False


class Kept(Protocol):
    """What is kept on a stream; `FrameStreamReader` is one."""

    @property
    def caught_up(self) -> bool:
        """Whether everything up to now has been read."""

    def poll(self) -> Sequence[Arrival]:
        """The next of it. Raises `Unavailable`."""

    def seconds_until_due(self) -> float:
        """How long until a poll would read something."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time in seconds, and how to wait."""

    now: Callable[[], float]
    sleep: Callable[[float], object]


def collect(open_: Callable[[], Kept], name: str, clock: Clock, *, follow: bool) -> Collector:
    """Read what is kept of the streams of a name; with `follow` on until they have ended.

    With `follow`, KeyboardInterrupt ends the reading, not the command.

    Raises:
        Unavailable: Kinesis has not answered for a minute.
    """
    collector = Collector(name)
    _read(open_(), collector, clock, follow=follow)
    while collector.incomplete and not collector.interrupted:
        known = list(collector.recordings)
        collector = Collector(name, known)
        _read(open_(), collector, clock, follow=follow)
    return collector


def _read(kept: Kept, collector: Collector, clock: Clock, *, follow: bool) -> None:
    heard_at = answered_at = clock.now()
    try:
        while True:
            try:
                arrivals = kept.poll()
            except Unavailable:
                if clock.now() - answered_at > PATIENCE_SECONDS:
                    raise
                clock.sleep(_RETRY_SECONDS)
                continue
            answered_at = clock.now()
            if sum(collector.add(arrival) for arrival in arrivals):
                heard_at = answered_at
            ended = all(recording.has_ended for recording in collector.recordings.values())
            settled = clock.now() - heard_at >= _SETTLED_SECONDS
            if kept.caught_up and (not follow or (collector.recordings and ended and settled)):
                return
            clock.sleep(kept.seconds_until_due())
    except KeyboardInterrupt:
        if not follow:
            raise
        collector.interrupted = True
