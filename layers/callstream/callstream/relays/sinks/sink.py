"""The interface of sinks: a relay takes the audio of its call to a sink."""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from callstream.calls.model import StartedStream
from callstream.frames.records import StreamEvent
from callstream.relays.endings import Ending, Outcome


class MarkFeed(Protocol):
    """Brings back the marks of a call's other legs."""

    async def subscribe_marks(self, stream_id: str) -> None:
        """Let the sink get the marks of another call's stream. Raises `Unavailable`."""


class CallFeed(MarkFeed, Protocol):
    """Brings the events of a call."""

    @property
    def is_reading(self) -> bool:
        """Whether missed events are being read: a pause of the events is no pause of the call."""


class Rest(Enum):
    """What a sink still has to do in a run that takes over a relay after a command has stopped it.

    The run before died, or handed over, before it could do so.
    """

    NOTHING = "nothing"
    LAST_MESSAGE = "last message"
    """`finish`, without `run`."""
    MISSED = "missed"
    """The missed events, and then all that a command asks for."""


class Sink(Protocol):
    """The sink of one run of a relay.

    The run calls the methods in this order:

    1. `connect`. If that raises, no other method is called.
    2. `open`.
    3. `run`, as a task that begins before the first `take`. Meanwhile `take` for each event;
       `is_settled`, `drained`, `snapshot` and `dropped` at any time since `open`.
    4. `flush`, while `run` and `take` go on; then `run` is cancelled, if it has not returned.
    5. `finish`, depending on how the run ends; a second time if a command comes then.
    6. `close`, in any case after `connect`, even if no other method was called.
    """

    rest: Rest = Rest.NOTHING

    async def connect(self) -> None:
        """Reach the other side of the sink. Raises `DialFailed`."""

    async def open(
        self, streams: Sequence[StartedStream], snapshot: bytes | None, feed: CallFeed
    ) -> None:
        """Get ready to take events; the other side must not notice yet.

        Args:
            streams: the call's streams, the oldest first; at least one.
            snapshot: where the sink of the run before was; None for the first run.
            feed: brings the events that `take` gets, and the marks of other legs if asked to.

        Raises:
            Unavailable: a table does not answer.
        """

    async def run(self) -> Outcome:
        """Send the taken events, and receive; returns when the other side ends or fails."""

    def take(self, stream_id: str, event: StreamEvent, received_at: int) -> None:
        """Take an event of one of the call's streams, in its turn; never waits.

        Marks may come of streams that were asked for by `subscribe_marks`, too. `Halted` may be of
        another relay of the call.

        Args:
            stream_id: the stream.
            event: its event.
            received_at: when API Gateway received the message, in milliseconds since 1970.
        """

    async def drained(self) -> None:
        """Wait until the sink can take more missed events."""

    def snapshot(self) -> bytes:
        """Where the sink is, for `open` of the next run."""

    def is_settled(self, snapshot: bytes) -> bool:
        """Whether all events are done that had been taken before this snapshot of this run.

        Only then may the next run go on from the snapshot.
        """

    @property
    def dropped(self) -> int:
        """How many frames this run had to drop, because the other side is slow."""

    async def flush(self, ending: Ending) -> None:
        """Do what must still be done while events come; takes a few seconds at most.

        Args:
            ending: how the run ends.
        """

    async def finish(self, *, is_final: bool) -> bool:
        """Send the messages that wait and, if the relay is over, the last message.

        Returns:
            Whether all of them have been sent.
        """

    async def close(self) -> None:
        """Close the connection to the other side."""
