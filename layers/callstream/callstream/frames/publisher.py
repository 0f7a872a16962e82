"""Makes a record of each carrier's message, and puts it on Kinesis, or else into the overflow."""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from callstream.dialects import DIALECTS, recognise
from callstream.dialects.one_pass import read_frame
from callstream.errors import Throttled, Unavailable, UnreadableMessage
from callstream.frames import records
from callstream.frames.records import Record, RecordEvent
from callstream.identity import StreamIdentity
from callstream.ports import RecordSink

PAUSE_SECONDS: Final = 5.0

_logger = logging.getLogger(__name__)


class ReceivedEvent(NamedTuple):
    """The event of a carrier's message, and its dialect; None if that was not recognised."""

    event: RecordEvent
    dialect: str | None = None


def read(body: str) -> ReceivedEvent:
    """Read a carrier's message; one that cannot be read becomes `Rejected`, never an exception."""
    dialect = None
    event: RecordEvent
    try:
        if frame := read_frame(body):
            dialect, event = frame
        else:
            dialect = recognise(body)
            event = DIALECTS[dialect].parse(body)
        records.check_size(event, body)
    except UnreadableMessage as error:
        return ReceivedEvent(records.rejected(body, error), dialect)
    return ReceivedEvent(event, dialect)


class Publisher:
    """Puts records on the frames stream; records that it refuses wait in the overflow.

    After a refusal in an outage, a stream's records go to the overflow at once for a while: such a
    refusal takes seconds, and in every second 50 more functions would wait at the same time. A
    throttled record goes alone: the frames stream answers, and takes most of the others.

    Args:
        frames: the frames stream.
        overflow: the queue in which refused records wait.
        clock: monotonic time in seconds.
    """

    def __init__(
        self, frames: RecordSink, overflow: RecordSink, clock: Callable[[], float]
    ) -> None:
        self._frames = frames
        self._overflow = overflow
        self._clock = clock
        self._paused_until: dict[str, float] = {}

    def publish(self, identity: StreamIdentity, received_at: int, received: ReceivedEvent) -> None:
        """Publish an event of a stream. Never raises: the carrier must not see an outage.

        Args:
            identity: the stream.
            received_at: when API Gateway received the message, in milliseconds since 1970.
            received: the event.
        """
        data = records.encode(
            Record(
                stream_id=identity.stream_id,
                tenant_id=identity.tenant_id,
                route=identity.route,
                dialect=received.dialect,
                received_at=received_at,
                event=received.event,
            )
        )
        if self._clock() < self._paused_until.get(identity.stream_id, 0):
            self._overflow_instead(identity, data, "paused")
            return
        try:
            self._frames.put(identity.stream_id, data)
        except Throttled as refused:
            self._overflow_instead(identity, data, refused.code)
        except Unavailable as refused:
            self._pause(identity.stream_id)
            self._overflow_instead(identity, data, refused.code)

    def _pause(self, stream_id: str) -> None:
        now = self._clock()
        running = {key: until for key, until in self._paused_until.items() if until > now}
        self._paused_until = running | {stream_id: now + PAUSE_SECONDS}

    def _overflow_instead(self, identity: StreamIdentity, data: bytes, refused: str) -> None:
        fields = {"stream_id": identity.stream_id, "frames": refused}
        try:
            self._overflow.put(identity.stream_id, data)
        except Unavailable as lost:
            _logger.exception(
                "record lost: neither the frames stream nor the overflow queue took it",
                extra=fields | {"overflow": lost.code},
            )
        else:
            _logger.warning("record sent to the overflow queue", extra=fields)
