"""What is counted of one stream: for readers, and for `callstream.calls.counters`."""

from msgspec import Struct, field
from msgspec.structs import replace

from callstream.dialects.events import Media
from callstream.frames.records import RecordEvent, Rejected
from callstream.reordering.history import ReorderCounts


class StreamCounts(Struct):
    """The records of a stream, in messages unless a field says otherwise.

    Frames, bytes and `released` count the events that were handed on, each once. Once a stream has
    ended, all its records are `released`, `repeats`, `late` or `strays`.
    """

    released: int = 0
    frames: dict[str, int] = field(default_factory=dict)
    """By track."""
    audio_bytes: int = 0
    """In the stream's own codec, of all tracks."""
    gaps: int = 0
    """Runs of sequence numbers that were passed over."""
    skipped: int = 0
    """Sequence numbers that were passed over: lost, `late`, or of messages that were rejected."""
    repeats: int = 0
    """Those that had come before; dropped."""
    late: int = 0
    """Those whose number had been passed over, or that came after the end; dropped."""
    strays: int = 0
    """Those with a number that is neither behind nor ahead in any numbering; dropped."""
    restarts: int = 0
    """How often the carrier's numbering began anew."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Messages that could not be read, by reason; those that were handed on."""
    first_at: int | None = None
    """The earliest and the latest time of receipt of all records, in ms since 1970."""
    last_at: int | None = None

    def copy(self) -> "StreamCounts":
        """A copy."""
        return replace(self, frames={**self.frames}, rejected={**self.rejected})

    def with_those_of(self, buffer: ReorderCounts) -> "StreamCounts":
        """A copy with the counts of a buffer added."""
        counts = self.copy()
        for name in ("gaps", "skipped", "repeats", "late", "strays", "restarts"):
            setattr(counts, name, getattr(counts, name) + getattr(buffer, name))
        return counts

    def count_receipt(self, received_at: int) -> None:
        """Count the time of a message that came."""
        self.first_at = received_at if self.first_at is None else min(self.first_at, received_at)
        self.last_at = received_at if self.last_at is None else max(self.last_at, received_at)

    def count_released(self, event: RecordEvent) -> None:
        """Count an event that is handed on."""
        self.released += 1
        if isinstance(event, Media):
            self.frames[event.track] = self.frames.get(event.track, 0) + 1
            self.audio_bytes += len(event.audio)
        elif isinstance(event, Rejected):
            self.rejected[event.reason] = self.rejected.get(event.reason, 0) + 1
