"""The interfaces that a run of a relay needs: its lease, its call's streams, a consumer."""

from collections.abc import Collection, Sequence
from enum import Enum
from typing import Final, Protocol

from callstream.calls.model import StartedStream
from callstream.errors import CallstreamError
from callstream.frames.records import Record

_NORMAL_CODES: Final = frozenset({1000, 1001, 1005})
"""Normal closure, going away, and a close frame without a code (RFC 6455, 7.4.1)."""


class DialFailed(CallstreamError):
    """The consumer cannot be reached; `reason` is one of a small set, and holds no part of its URL.

    One of `invalid_url`, `unknown_host`, `refused`, `timeout`, `tls`, `handshake`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConsumerGone(CallstreamError):
    """The consumer has closed; `code` is the WebSocket close code, None if there was none."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code

    @property
    def is_normal(self) -> bool:
        """Whether the consumer closed on purpose, and has not failed."""
        return self.code in _NORMAL_CODES


class Consumer(Protocol):
    """A connection to a consumer. `send` and `receive` raise `ConsumerGone`."""

    async def send(self, text: str) -> None:
        """Send a message; returns when the message is on its way, later if the consumer is slow."""

    async def receive(self) -> str | bytes:
        """Wait for the next message."""

    async def close(self, code: int) -> None:
        """Close the connection with a WebSocket close code; fine if the consumer is gone."""


class Dialler(Protocol):
    """Knows the address of one relay's consumer."""

    async def dial(self) -> Consumer:
        """Connect to the consumer. Raises `DialFailed`."""


class Feed(Protocol):
    """A connection that brings records as they come."""

    async def subscribe(self, stream_id: str) -> None:
        """Subscribe to a stream. Its records come as soon as this returns. Raises `Unavailable`."""

    async def receive(self) -> Sequence[Record]:
        """Wait for the next records. Raises `Unavailable` if the feed has ended."""

    def left_out(self) -> Collection[str]:
        """The streams of which records were left out since the last call."""

    async def close(self) -> None:
        """Close the connection."""


class Backlog(Protocol):
    """What was received of some streams since a moment, read a part at a time."""

    def read(self) -> Sequence[Record]:
        """The next part; blocking. It is empty if the records cannot be read now."""

    def has_covered(self, moment: float) -> bool:
        """Whether all has been read that was received before, in seconds since 1970."""

    def seconds_until_due(self) -> float:
        """After how many seconds the next part is to be read."""


class CallSource(Protocol):
    """The streams of a relay's call, and their records. Every method may raise `Unavailable`."""

    def open_streams(self) -> Sequence[StartedStream]:
        """The call's open streams, the oldest first; blocking."""

    def streams_since(self, moment: float) -> Sequence[StartedStream]:
        """The call's streams that were open then or are newer, the oldest first; blocking."""

    def backlog(self, stream_ids: Collection[str], moment: float) -> Backlog:
        """The records of these streams that were received since then."""

    async def open_feed(self) -> Feed:
        """Connect to where records come from."""


class LeaseStatus(Enum):
    """Whether a run owns its relay, by the Streams table."""

    OWNER = "owner"
    """The run owns the relay."""
    STOPPED = "stopped"
    """The relay is over, or must end now. No run may own it any more."""
    REPLACED = "replaced"
    """Another run owns the relay."""


class Lease(Protocol):
    """The ownership of a relay, as one run sees it; `callstream.relays.lease` draws its states.

    All methods are blocking, and may raise `Unavailable`.
    """

    def acquire(self, checkpoint: bytes) -> bool:
        """Become the relay's first owner, once the sink is open; False if the relay was stopped."""

    def status(self) -> LeaseStatus:
        """Whether this run still owns the relay."""

    def renew(self, checkpoint: bytes | None, dropped: int) -> None:
        """Write a heartbeat, the checkpoint unless it is None, and the number of dropped frames."""

    def finish(self, reason: str | None, dropped: int) -> None:
        """End the relay, as failed if there is a reason; only if no other run owns it."""

    def call_successor(self) -> None:
        """Start a run to which this one hands over."""

    def report_ready(self) -> None:
        """This run, a successor, gets all records: the run before may hand over."""

    def successor_is_ready(self) -> bool:
        """Whether a successor of this run has reported that it is ready."""

    def hand_over(self, checkpoint: bytes) -> bool:
        """Make the successor the owner; False if this run does not own the relay any more."""

    def accept_hand_over(self) -> bytes | None:
        """The checkpoint that the run before has handed over; None if it has not yet."""

    def call_rescue(self) -> None:
        """Start a run that takes over from this one."""

    def take_over(self) -> bytes | None:
        """Replace the run before as the owner.

        Returns:
            The last checkpoint. None if another run has taken over, if the relay is over, or if it
            fails now: after too many rescues in a row, the cause that kills the runs is permanent.
        """
