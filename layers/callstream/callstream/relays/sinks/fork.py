"""The protocol of a fork: the messages to and from its consumer. Pure: no socket, no clock.

A fork uses the dialect of the surface that got the command, even if the carrier uses another one.
It counts for itself: a sequence number for each numbered message from `start` on, a chunk number
for each frame of a track, and timestamps that begin with the fork.
"""

import logging
from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from callstream.audio.formats import AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    CarrierEvent,
    Dtmf,
    Error,
    Mark,
    Media,
    Refusal,
    ReturnEvent,
    ReturnMark,
    Start,
    Stop,
    Track,
    Tracks,
)
from callstream.relays.checkpoint import forget_oldest
from callstream.relays.sinks.fork_audio import ForkAudio, Payload
from callstream.relays.sinks.silence_fill import EvenAudio, Timeline

_logger = logging.getLogger(__name__)

TRACKS: Final[Mapping[Tracks, tuple[Track, ...]]] = {
    "inbound_track": ("inbound",),
    "outbound_track": ("outbound",),
    "both_tracks": ("inbound", "outbound"),
}

# Some marks never come back: a one-way stream of a carrier has no message for them.
_MOST_PENDING: Final = 10_000


class ForkedCall(Struct, frozen=True):
    """The facts about a call for a fork's first messages. Private, and with secrets: never log it.

    Without a `session_id`, the call's own id is sent as that of its session.
    """

    stream_id: str
    call_id: str
    account_id: str
    format: AudioFormat
    tracks: tuple[Track, ...]
    parameters: dict[str, str]
    session_id: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    client_state: str | None = None
    handshake_headers: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"ForkedCall({self.stream_id!r})"


class ForkCounters(Struct):
    """Where a fork's numbering is."""

    sequence: int = 0
    chunks: dict[Track, int] = field(default_factory=dict)
    """The last chunk number of each track."""
    began: dict[str, int] = field(default_factory=dict)
    """For each stream of the call, the carrier's timestamp at which the fork's timestamps begin."""
    marks: int = 0
    """How many marks the consumer has set."""
    timelines: dict[Track, Timeline] = field(default_factory=dict)
    """If the fork is even: where each track is."""
    pending: set[str] = field(default_factory=set)
    """The numbers of the marks that have not come back."""


def given_name(mark: str) -> str:
    """The consumer's own name of a mark that `ForkProtocol.receive` has renamed."""
    return mark.split("/", 2)[-1]


class ForkProtocol:
    """One fork.

    Call `open` first, then `take` for each event, and `close` at the end; `receive` at any time.

    Args:
        dialect: the dialect that the consumer understands.
        call: the call that is forked.
        audio: makes the fork's audio from the call's; by default they are the same.
        counters: where the run before was; None for the first run.
        return_format: the format of the return audio; by default the format of the fork.
        is_even: whether silence fills what the carrier leaves out.
    """

    def __init__(
        self,
        dialect: str,
        call: ForkedCall,
        audio: ForkAudio | None = None,
        counters: ForkCounters | None = None,
        return_format: AudioFormat | None = None,
        *,
        is_even: bool = False,
    ) -> None:
        self.stream_id = call.stream_id
        self.return_format = return_format or call.format
        self._dialect = DIALECTS[dialect]
        self._call = call
        self._audio = audio or ForkAudio(call.format)
        self.counters = ForkCounters() if counters is None else counters
        """Where the fork is, for the run that goes on after this one."""
        self._even = EvenAudio(self._audio, self.counters.timelines) if is_even else None
        self._ended = False

    @property
    def is_even(self) -> bool:
        """Whether `fill` must be called often."""
        return self._even is not None

    def open(self) -> list[str]:
        """The first messages."""
        call = self._call
        start = Start(
            sequence=self._next(),
            carrier_stream_id=call.stream_id,
            call_id=call.call_id,
            account_id=call.account_id,
            tracks=call.tracks,
            format=call.format,
            parameters=call.parameters,
            session_id=call.session_id or call.call_id,
            from_number=call.from_number,
            to_number=call.to_number,
            client_state=call.client_state,
        )
        greeting = self._dialect.greeting(call.handshake_headers)
        return [self._render(greeting), self._render(start)]

    def take(self, stream_id: str, event: CarrierEvent, elapsed_ms: int) -> list[str]:
        """The messages about an event of one of the call's streams.

        Args:
            stream_id: the stream's id.
            event: the event, in its turn.
            elapsed_ms: how long this fork has been open; counts for a stream's first frame.
        """
        match event:
            case Media() if event.track in self._call.tracks:
                began = self.counters.began.setdefault(stream_id, event.timestamp - elapsed_ms)
                forget_oldest(self.counters.began)
                at_ms = event.timestamp - began
                payloads = (
                    self._audio.take(stream_id, event.track, event.audio, at_ms)
                    if self._even is None
                    else self._even.take(stream_id, event.track, event.audio, at_ms, elapsed_ms)
                )
                return [self._media(event.track, payload) for payload in payloads]
            case Start():
                self._audio.add_stream(stream_id, event.format)
                return []
            case Dtmf():
                return [self._render(replace(event, sequence=self._next(), extra=""))]
            case Mark(name=name):
                return self.give_back(name)
            case _:
                return []

    def fill(self, elapsed_ms: int, *, is_busy: bool) -> list[str]:
        """The silence that is due in an even fork.

        Args:
            elapsed_ms: how long this fork has been open.
            is_busy: whether messages to the consumer wait.
        """
        due = self._even.fill(elapsed_ms, is_busy=is_busy) if self._even else ()
        return [self._media(track, payload) for track, payload in due]

    def flush(self, *, is_final: bool) -> list[str]:
        """The audio that waits for more to fill a payload. `is_final`: whether the fork ends."""
        payloads = self._audio.flush(is_final=is_final)
        return [self._media(track, payload) for track, payload in payloads]

    def close(self) -> list[str]:
        """The last message; none the second time."""
        if self._ended:
            return []
        self._ended = True
        if self._even and (self._even.late or self._even.jumps):
            _logger.warning(
                "frames came after their silence: %d; jumps of the carrier's clock: %d",
                self._even.late,
                self._even.jumps,
                extra={"relay_id": self.stream_id},
            )
        stop = Stop(self._next(), self._call.call_id, self._call.account_id)
        return [self._render(stop)]

    def refuse(self, refusal: Refusal, detail: str) -> list[str]:
        """The message that something sent back is refused; none if the dialect has no errors."""
        known = self._dialect.ERRORS.get(refusal)
        if known is None:
            return []
        code, title = known
        return [self._render(Error(None, code, title, detail))]

    def receive(self, text: str | bytes) -> ReturnEvent:
        """Read a message of the consumer's. A mark gets a name that no other fork's mark has.

        Raises:
            UnreadableMessage: the text is not one of the dialect's messages.
        """
        event = self._dialect.parse_return(text)
        if isinstance(event, ReturnMark):
            return replace(event, name=self._own_name(event.name), extra="")
        return replace(event, extra="")

    def withdraw(self) -> None:
        """The mark that `receive` has read last is refused: it takes no number."""
        counters = self.counters
        counters.pending.discard(str(counters.marks))
        counters.marks -= 1

    def give_back(self, mark: str) -> list[str]:
        """The message that a mark has been reached, once; none if the mark is not this fork's.

        Args:
            mark: the name that `receive` gave the mark.
        """
        owner, _, numbered = mark.partition("/")
        number, _, name = numbered.partition("/")
        pending = self.counters.pending
        if owner != self.stream_id or number not in pending:
            return []
        pending.remove(number)
        # A number that no message has would be missing at the consumer.
        sequence = self._next() if self._dialect.NUMBERS_MARKS else None
        return [self._render(Mark(sequence, name))]

    def _media(self, track: Track, payload: Payload) -> str:
        chunks = self.counters.chunks
        chunks[track] = chunks.get(track, 0) + 1
        at_ms = max(0, round(payload.at_ms))
        return self._render(Media(self._next(), track, chunks[track], at_ms, payload.audio))

    def _own_name(self, name: str) -> str:
        """A name that no other mark has, of this fork or another."""
        counters = self.counters
        counters.marks += 1
        counters.pending.add(str(counters.marks))
        counters.pending.discard(str(counters.marks - _MOST_PENDING))
        return f"{self.stream_id}/{counters.marks}/{name}"

    def _next(self) -> int:
        self.counters.sequence += 1
        return self.counters.sequence

    def _render(self, event: CarrierEvent) -> str:
        return self._dialect.render(event, self._call.stream_id)
