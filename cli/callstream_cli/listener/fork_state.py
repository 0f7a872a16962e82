"""The state of one fork, as the listener receives it. Pure: messages and time are passed in.

The gateway promises to deliver a fork whole: in one dialect, in order, each message once, without
gaps in the numbers. Every deviation is counted as a fault.
"""

from collections import Counter
from typing import Final, Literal, NamedTuple

from callstream.audio import packets
from callstream.dialects import DIALECTS, recognise
from callstream.dialects.events import (
    CarrierEvent,
    Connected,
    Dtmf,
    Error,
    Mark,
    Media,
    Start,
    Stop,
    Track,
)
from callstream.errors import UnreadableMessage
from callstream.frames.reader import Stream
from callstream.frames.records import (
    Disconnected,
    Record,
    RecordEvent,
    Rejected,
    rejected,
    stream_dialect,
)
from callstream.frames.stream_counts import StreamCounts
from callstream.frames.stream_order import OrderedEvent, OrderedStream
from callstream_cli.listener.behaviour import Handshake
from callstream_cli.listener.fork_counts import ChunkCounts, Sent
from callstream_cli.reading.recording import Story

type ReceivedEvent = CarrierEvent | Rejected

ClosedBy = Literal["gateway", "listener"]

# The counts that are faults, with the words for them.
_FAULTS: Final = {
    "skipped": "missing",
    "repeats": "repeated",
    "late": "too late",
    "strays": "astray",
    "restarts": "restarts",
}


class Received(NamedTuple):
    """One message: when it came (seconds since 1970), its text, and its event."""

    at: float
    text: str | bytes
    event: ReceivedEvent


class ForkState:
    """What was received and sent on one fork.

    Args:
        number: of the fork, from 1.
        handshake: the request that opened the fork.
        at: when the fork was opened, in seconds since 1970.
        keep: whether all messages and their audio are kept, or only counted.
    """

    def __init__(
        self, number: int, handshake: Handshake, at: float = 0.0, *, keep: bool = True
    ) -> None:
        self.number = number
        self.handshake = handshake
        self.opened_at = at
        self.received: list[Received] = []
        """All messages as they came, if they are kept."""
        self.in_order: list[RecordEvent] = []
        """The events in the order of their numbers, each once, if they are kept. Events behind a
        gap wait for the missing message as `callstream.frames.stream_order` says."""
        self.messages = 0
        self.audio_seconds = 0.0
        """The duration of the audio of all tracks together; of an unknown codec 0."""
        self.start: Start | None = None
        self.stop: Stop | None = None
        self.marks: list[str] = []
        """The names of the marks that came back."""
        self.digits = ""
        """The keys that were pressed in the call."""
        self.errors: list[Error] = []
        self.rejected: Counter[str] = Counter()
        """Messages that could not be read, by reason."""
        self.foreign = 0
        """Messages in another dialect than the fork's first message."""
        self.undecodable = 0
        """Frames that could not be decoded: to echo them, or when the fork was recorded."""
        self.sent = Sent()
        self.disconnected: Disconnected | None = None
        """How the connection ended; None while it is open."""
        self.closed_by: ClosedBy | None = None
        self._keep = keep
        self._order = OrderedStream()
        self._behind = 0
        self._highest = 0
        self._chunks = ChunkCounts()
        self._now = at
        self._unnumbered_at = 0
        self.stream = Stream(self._record(Connected(protocol=None, version="")), self._order)
        """The fork as a stream of `callstream.frames.reader`, for the output."""

    @property
    def dialect(self) -> str | None:
        """The fork's dialect; None until a message was recognised."""
        return self.stream.dialect

    @property
    def texts(self) -> list[str | bytes]:
        """The messages as they came, if they are kept."""
        return [heard.text for heard in self.received]

    @property
    def events(self) -> list[ReceivedEvent]:
        """The events of the messages in the order in which they came, if they are kept."""
        return [heard.event for heard in self.received]

    @property
    def counts(self) -> StreamCounts:
        """Counts of the events in the order of their numbers, as a copy."""
        return self._order.counts

    @property
    def seconds(self) -> float:
        """The time from the handshake to the latest event."""
        return self._now - self.opened_at

    @property
    def faults(self) -> dict[str, int]:
        """How often each kind of fault occurred; empty if there were none."""
        counts = self.counts
        chunks_missing, chunks_out_of_turn = self._chunks.faults()
        found = {
            **{word: getattr(counts, name) for name, word in _FAULTS.items()},
            # A repeat is also behind the highest number.
            "out of order": self._behind - counts.repeats,
            "chunks missing": chunks_missing,
            "chunks out of turn": chunks_out_of_turn,
            "unreadable": self.rejected.total(),
            "foreign": self.foreign,
            "errors": len(self.errors),
            "undecodable": self.undecodable,
        }
        return {name: number for name, number in found.items() if number > 0}

    def audio(self, track: Track) -> bytes:
        """A track's audio in order, if it is kept."""
        return b"".join(
            event.audio
            for event in self.in_order
            if isinstance(event, Media) and event.track == track
        )

    def take(self, text: str | bytes, at: float) -> ReceivedEvent:
        """Take a message that came `at` seconds since 1970; return its event."""
        self._now = max(self._now, at)
        self.messages += 1
        event = self._read(text)
        if self._keep:
            self.received.append(Received(at, text, event))
        self._note(event)
        self._put_in_order(event)
        return event

    def close(self, code: int, reason: str, by: ClosedBy, at: float) -> Disconnected:
        """Note the end of the connection, `at` seconds since 1970; return the event of it."""
        self._now = max(self._now, at)
        self.disconnected = Disconnected(code, reason)
        self.closed_by = by
        self._put_in_order(self.disconnected)
        self._append(self._order.flush())
        return self.disconnected

    def story(self) -> Story:
        """The fork as a recording is made from; without events if they are not kept."""
        counts = self.counts
        return Story(
            stream_id=self.stream.stream_id,
            tenant_id="",
            dialect=self.dialect,
            events=self.in_order,
            start=self.start,
            started_at=round(self.opened_at * 1000),
            missing=counts.skipped - counts.late,
            repeats=counts.repeats,
            rejected=self.rejected.total(),
            audio_began_at=round(self.opened_at * 1000),
            answers=(),
            ended_at=None,
            ended=self.disconnected is not None,
        )

    def _read(self, text: str | bytes) -> ReceivedEvent:
        if isinstance(text, bytes):
            return rejected(text, UnreadableMessage("not_as_documented", "a binary message"))
        try:
            dialect = recognise(text)
            event = DIALECTS[dialect].parse(text)
        except UnreadableMessage as error:
            return rejected(text, error)
        self.stream.dialect = stream_dialect(self.dialect, dialect, event)
        self.foreign += dialect != self.dialect
        return event

    def _note(self, event: ReceivedEvent) -> None:
        match event:
            case Media() as media:
                self._chunks.take(media)
            case Start() if self.start is None:
                self.start = self.stream.start = event
            case Stop():
                self.stop = event
            case Mark(name=name):
                self.marks.append(name)
            case Dtmf(digit=digit):
                self.digits += digit
            case Error():
                self.errors.append(event)
            case Rejected(reason=reason):
                self.rejected[reason] += 1
        number: int | None = getattr(event, "sequence", None)
        if number is not None:
            self._behind += number <= self._highest
            self._highest = max(self._highest, number)

    def _put_in_order(self, event: RecordEvent) -> None:
        self._append(self._order.push(self._record(event), self._now))

    def _append(self, ordered: list[OrderedEvent]) -> None:
        events = [each.event for each in ordered]
        if self.start is not None:
            self.audio_seconds += sum(
                packets.seconds(event.audio, self.start.format)
                for event in events
                if isinstance(event, Media)
            )
        if self._keep:
            self.in_order += events

    def _record(self, event: RecordEvent) -> Record:
        at = round(self._now * 1000)
        if getattr(event, "sequence", None) is None:
            # Equal events of the same millisecond would be taken for repeats.
            at = self._unnumbered_at = max(at, self._unnumbered_at + 1)
        return Record(f"fork-{self.number}", "", "", None, at, event)
