"""From a carrier's message to a record on Kinesis, whatever the message and Kinesis do."""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from callstream.dialects import DIALECTS, recognise
from callstream.errors import Unavailable, UnreadableMessage
from callstream.frames import records
from callstream.frames.records import Record, RecordEvent
from callstream.identity import StreamIdentity
from callstream.ports import RecordSink

PAUSE_SECONDS: Final = 5.0

_logger = logging.getLogger(__name__)


class Heard(NamedTuple):
    """What a carrier said, and in which dialect; None if that cannot be told."""

    event: RecordEvent
    dialect: str | None = None


def read(body: str) -> Heard:
    """Read a carrier's message; one that cannot be read becomes `Rejected`, never an exception."""
    dialect = None
    try:
        dialect = recognise(body)
        return Heard(DIALECTS[dialect].parse(body), dialect)
    except UnreadableMessage as error:
        # API Gateway's text may hold lone surrogates, which UTF-8 does not have.
        return Heard(records.rejected(body.encode("utf-8", "surrogatepass"), error), dialect)


class Publisher:
    """Puts records on the frames stream; what that refuses waits in the overflow.

    After a refusal a stream's records go to the overflow at once for a while: to be refused takes
    seconds, and every second is 50 more functions that wait at the same time.

    Args:
        frames: where records belong.
        overflow: where they wait otherwise.
        clock: monotonic time in seconds.
    """

    def __init__(
        self, frames: RecordSink, overflow: RecordSink, clock: Callable[[], float]
    ) -> None:
        self._frames = frames
        self._overflow = overflow
        self._clock = clock
        self._paused_until: dict[str, float] = {}

    def publish(self, identity: StreamIdentity, received_at: int, heard: Heard) -> None:
        """Publish what was heard on a stream. Never raises: the carrier must not see an outage."""
        data = records.encode(
            Record(
                stream_id=identity.stream_id,
                tenant_id=identity.tenant_id,
                route=identity.route,
                dialect=heard.dialect,
                received_at=received_at,
                event=heard.event,
            )
        )
        if self._clock() < self._paused_until.get(identity.stream_id, 0):
            self._overflow_instead(identity, data, "paused")
            return
        try:
            self._frames.put(identity.stream_id, data)
        except Unavailable as refused:
            self._pause(identity.stream_id)
            self._overflow_instead(identity, data, refused.code)

    def _pause(self, stream_id: str) -> None:
        now = self._clock()
        running = {key: until for key, until in self._paused_until.items() if until > now}
        self._paused_until = running | {stream_id: now + PAUSE_SECONDS}

    def _overflow_instead(self, identity: StreamIdentity, data: bytes, refused: str) -> None:
        told = {"stream_id": identity.stream_id, "frames": refused}
        try:
            self._overflow.put(identity.stream_id, data)
        except Unavailable as lost:
            _logger.exception(
                "record lost: neither the frames stream nor the overflow queue took it",
                extra=told | {"overflow": lost.code},
            )
        else:
            _logger.warning("record sent to the overflow queue", extra=told)
