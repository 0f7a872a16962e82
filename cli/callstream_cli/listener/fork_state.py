"""What is heard on one fork. Pure: messages and time are passed in.

A fork is what a gateway promises to deliver whole: in one dialect, in order, each message once,
without gaps in its numbers. So whatever is not so is counted as a fault.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from callstream.dialects import DIALECTS, recognise
from callstream.dialects.events import (
    CarrierEvent,
    Clear,
    Connected,
    Dtmf,
    Error,
    Mark,
    Media,
    ReturnDtmf,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
    Start,
    Stop,
    Track,
)
from callstream.errors import UnreadableMessage
from callstream.frames.reader import Stream
from callstream.frames.records import Disconnected, Record, RecordEvent, Rejected, rejected
from callstream.frames.stream_order import OrderedStream, StreamCounts
from callstream_cli.listener.behaviour import Handshake
from callstream_cli.reading.recording import Story

type HeardEvent = CarrierEvent | Rejected

ClosedBy = Literal["gateway", "listener"]

# What of the counts is a fault, and the words for it.
_FAULTS: Final = {
    "skipped": "missing",
    "repeats": "repeated",
    "late": "too late",
    "strays": "astray",
    "restarts": "restarts",
}


class Heard(NamedTuple):
    """One message: when it came (seconds since 1970), as it was, and what it says."""

    at: float
    text: str | bytes
    event: HeardEvent


@dataclass(slots=True)
class Said:
    """What was sent back."""

    frames: int = 0
    audio_bytes: int = 0
    marks: int = 0
    clears: int = 0
    digits: int = 0
    others: int = 0
    """Messages that were sent as they are."""
    unsaid: list[str] = field(default_factory=list)
    """What could not be said on this fork, and why."""

    def add(self, event: ReturnEvent | None) -> None:
        """Count one message; None is one that was sent as it is."""
        match event:
            case ReturnMedia(audio=audio):
                self.frames += 1
                self.audio_bytes += len(audio)
            case ReturnMark():
                self.marks += 1
            case Clear():
                self.clears += 1
            case ReturnDtmf():
                self.digits += 1
            case None:
                self.others += 1


@dataclass(slots=True)
class _Run:
    """Chunk numbers one after another."""

    last: int = 0
    missing: int = 0
    out_of_turn: int = 0

    def take(self, chunk: int) -> None:
        if chunk > self.last:
            self.missing += chunk - self.last - 1
            self.last = chunk
        else:
            self.out_of_turn += 1


@dataclass(slots=True)
class _Chunks:
    """Chunk numbers of all tracks. Vendors do not all say whether each track has its own."""

    together: _Run = field(default_factory=_Run)
    apart: dict[Track, _Run] = field(default_factory=dict)

    def take(self, media: Media) -> None:
        self.together.take(media.chunk)
        self.apart.setdefault(media.track, _Run()).take(media.chunk)

    def faults(self) -> tuple[int, int]:
        """Those missing and those out of turn, counted in the way that finds fewer."""
        apart = (
            sum(run.missing for run in self.apart.values()),
            sum(run.out_of_turn for run in self.apart.values()),
        )
        return min(apart, (self.together.missing, self.together.out_of_turn), key=sum)


class Hearing:
    """What is heard on one fork, and what was said to it.

    Args:
        number: of the fork, from 1.
        handshake: the request that opened it.
        at: when that was, in seconds since 1970.
        keep: whether all messages and their audio are kept, or only counted.
    """

    def __init__(
        self, number: int, handshake: Handshake, at: float = 0.0, *, keep: bool = True
    ) -> None:
        self.number = number
        self.handshake = handshake
        self.opened_at = at
        self.heard: list[Heard] = []
        """All messages as they came, if they are kept."""
        self.in_order: list[RecordEvent] = []
        """The events in the order of their numbers, each once, if they are kept. What comes after a
        missing message waits for that as `callstream.frames.stream_order` says."""
        self.messages = 0
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
        """Messages that have another dialect's shape than the fork's first one."""
        self.said = Said()
        self.disconnected: Disconnected | None = None
        """How the connection ended, once it has."""
        self.closed_by: ClosedBy | None = None
        self._keep = keep
        self._order = OrderedStream()
        self._behind = 0
        self._highest = 0
        self._chunks = _Chunks()
        self._now = at
        self._unnumbered_at = 0
        self.stream = Stream(self._record(Connected(protocol=None, version="")), self._order)
        """The fork as `callstream.frames.reader` has streams, for those who tell of it."""

    @property
    def dialect(self) -> str | None:
        """The dialect that it speaks; None until a message was recognised."""
        return self.stream.dialect

    @property
    def texts(self) -> list[str | bytes]:
        """The messages as they came, if they are kept."""
        return [heard.text for heard in self.heard]

    @property
    def events(self) -> list[HeardEvent]:
        """What they say, in the order in which they came, if they are kept."""
        return [heard.event for heard in self.heard]

    @property
    def counts(self) -> StreamCounts:
        """What has come, in the order of its numbers, as a copy."""
        return self._order.counts

    @property
    def seconds(self) -> float:
        """From the handshake to what happened last."""
        return self._now - self.opened_at

    @property
    def faults(self) -> dict[str, int]:
        """What is not as it should be: how often each, and nothing if all is well."""
        counts = self.counts
        chunks_missing, chunks_out_of_turn = self._chunks.faults()
        found = {
            **{word: getattr(counts, name) for name, word in _FAULTS.items()},
            # A repeat comes behind, too.
            "out of order": self._behind - counts.repeats,
            "chunks missing": chunks_missing,
            "chunks out of turn": chunks_out_of_turn,
            "unreadable": self.rejected.total(),
            "foreign": self.foreign,
            "errors": len(self.errors),
        }
        return {name: number for name, number in found.items() if number > 0}

    def audio(self, track: Track) -> bytes:
        """A track's audio in order, if it is kept."""
        return b"".join(
            event.audio
            for event in self.in_order
            if isinstance(event, Media) and event.track == track
        )

    def take(self, text: str | bytes, at: float) -> HeardEvent:
        """Hear a message that came at so many seconds since 1970, and return what it says."""
        self._now = max(self._now, at)
        self.messages += 1
        event = self._read(text)
        if self._keep:
            self.heard.append(Heard(at, text, event))
        self._note(event)
        self._put_in_order(event)
        return event

    def close(self, code: int, reason: str, by: ClosedBy, at: float) -> Disconnected:
        """The connection is gone."""
        self._now = max(self._now, at)
        self.disconnected = Disconnected(code, reason)
        self.closed_by = by
        self._put_in_order(self.disconnected)
        self._hand_on(self._order.flush())
        return self.disconnected

    def story(self) -> Story:
        """The fork as recordings are made of; it has events only if they are kept."""
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
            ended=self.disconnected is not None,
        )

    def _read(self, text: str | bytes) -> HeardEvent:
        if isinstance(text, bytes):
            return rejected(text, UnreadableMessage("not_as_documented", "a binary message"))
        try:
            dialect = recognise(text)
            event = DIALECTS[dialect].parse(text)
        except UnreadableMessage as error:
            return rejected(text.encode(errors="replace"), error)
        self.stream.dialect = self.stream.dialect or dialect
        self.foreign += dialect != self.dialect
        return event

    def _note(self, event: HeardEvent) -> None:
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
        self._hand_on(self._order.push(self._record(event), self._now))

    def _hand_on(self, events: list[RecordEvent]) -> None:
        if self._keep:
            self.in_order += events

    def _record(self, event: RecordEvent) -> Record:
        at = round(self._now * 1000)
        if getattr(event, "sequence", None) is None:
            # Two of the same millisecond that say the same would be taken for one.
            at = self._unnumbered_at = max(at, self._unnumbered_at + 1)
        return Record(f"fork-{self.number}", "", "", None, at, event)
