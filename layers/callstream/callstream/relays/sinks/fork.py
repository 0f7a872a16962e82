"""What one fork of a call says to its consumer, and what it understands. Pure: no socket, no clock.

A fork speaks the dialect of the surface that was asked for it, whatever the carrier's is. It has
numbers of its own: a sequence number for each numbered message from `start` on, a chunk number for
each frame of a track, and timestamps that begin with the fork.
"""

from collections.abc import Callable, Mapping
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
    ReturnEvent,
    ReturnMark,
    Start,
    Stop,
    Track,
    Tracks,
)
from callstream.errors import Inexpressible

TRACKS: Final[Mapping[Tracks, tuple[Track, ...]]] = {
    "inbound_track": ("inbound",),
    "outbound_track": ("outbound",),
    "both_tracks": ("inbound", "outbound"),
}


# Some never come back: a carrier's stream that is one-way has no words for marks.
_MOST_PENDING: Final = 10_000


class ForkedCall(Struct, frozen=True):
    """What a fork's `start` says of its call, in the words of the dialect's own vendor.

    A call without a session is one by itself, of the same id.
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


class ForkNumbers(Struct):
    """Where a fork's numbers are."""

    sequence: int = 0
    chunks: dict[Track, int] = field(default_factory=dict)
    """The last of each track."""
    began: dict[str, int] = field(default_factory=dict)
    """For each of the call's streams, the carrier's timestamp at which the fork's begin."""
    marks: int = 0
    """How many marks the consumer has set."""
    pending: set[str] = field(default_factory=set)
    """Which of them have not come back."""


class Fork:
    """One fork.

    Args:
        dialect: the one that its consumer understands.
        call: what it is of.
        convert: makes the fork's audio out of the call's.
        numbers: where a predecessor was.
        hears: the format of what its consumer sends back; by default that of the fork.
    """

    def __init__(
        self,
        dialect: str,
        call: ForkedCall,
        convert: Callable[[bytes], bytes] = bytes,
        numbers: ForkNumbers | None = None,
        hears: AudioFormat | None = None,
    ) -> None:
        self.stream_id = call.stream_id
        self.hears = hears or call.format
        self._dialect = DIALECTS[dialect]
        self._call = call
        self._convert = convert
        self._numbers = ForkNumbers() if numbers is None else numbers
        self._ended = False

    def numbers(self) -> ForkNumbers:
        """Where it is, for a successor."""
        return self._numbers

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
        return [self._say(self._dialect.PROTOCOL), self._say(start)]

    def take(self, stream_id: str, event: CarrierEvent, elapsed_ms: int) -> list[str]:
        """What to say about an event of one of the call's streams.

        Args:
            stream_id: the stream.
            event: the event, in its turn.
            elapsed_ms: how long this fork has been open, for the first frame of a stream.
        """
        match event:
            case Media() if event.track in self._call.tracks:
                numbers = self._numbers
                began = numbers.began.setdefault(stream_id, event.timestamp - elapsed_ms)
                numbers.chunks[event.track] = numbers.chunks.get(event.track, 0) + 1
                media = Media(
                    sequence=self._next(),
                    track=event.track,
                    chunk=numbers.chunks[event.track],
                    timestamp=max(0, event.timestamp - began),
                    audio=self._convert(event.audio),
                )
                return [self._say(media)]
            case Dtmf():
                return [self._say(replace(event, sequence=self._next(), extra=""))]
            case Mark(name=name):
                return self.give_back(name)
            case _:
                return []

    def close(self) -> list[str]:
        """The last message; nothing the second time."""
        if self._ended:
            return []
        self._ended = True
        stop = Stop(self._next(), self._call.call_id, self._call.account_id)
        return [self._say(stop)]

    def refuse(self, error: Error) -> list[str]:
        """Tell that something that was sent back could not be used, if the dialect can."""
        try:
            return [self._say(replace(error, sequence=None))]
        except Inexpressible:
            return []

    def hear(self, text: str | bytes) -> ReturnEvent:
        """Read what the consumer sends back. A mark gets a name that is this fork's alone.

        Raises:
            UnreadableMessage: it is not one of the dialect's messages.
        """
        event = self._dialect.parse_return(text)
        if isinstance(event, ReturnMark):
            return replace(event, name=self._own_name(event.name), extra="")
        return replace(event, extra="")

    def give_back(self, mark: str) -> list[str]:
        """Say that a mark has been reached, once, whoever tells; nothing if it is not this fork's.

        Args:
            mark: the name that it has outside.
        """
        owner, _, numbered = mark.partition("/")
        number, _, name = numbered.partition("/")
        pending = self._numbers.pending
        if owner != self.stream_id or number not in pending:
            return []
        pending.remove(number)
        # A number that nobody gets to see would be one that is missing.
        sequence = self._next() if self._dialect.NUMBERS_MARKS else None
        return [self._say(Mark(sequence, name))]

    def _own_name(self, name: str) -> str:
        """A name that no other fork's mark has, nor another mark of this one."""
        numbers = self._numbers
        numbers.marks += 1
        numbers.pending.add(str(numbers.marks))
        numbers.pending.discard(str(numbers.marks - _MOST_PENDING))
        return f"{self.stream_id}/{numbers.marks}/{name}"

    def _next(self) -> int:
        self._numbers.sequence += 1
        return self._numbers.sequence

    def _say(self, event: CarrierEvent) -> str:
        return self._dialect.render(event, self._call.stream_id)
