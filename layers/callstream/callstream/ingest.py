"""From a carrier's message to a record on Kinesis, whatever the message and Kinesis do."""

import logging
from typing import Final

from callstream import records
from callstream.dialects import DIALECTS
from callstream.errors import Unavailable, UnreadableMessage
from callstream.identity import StreamIdentity
from callstream.ports import RecordSink
from callstream.records import Record, RecordEvent

DIALECT: Final = "twilio"

_logger = logging.getLogger(__name__)
_parse = DIALECTS[DIALECT].parse


def read(body: str) -> RecordEvent:
    """Read a carrier's message; one that cannot be read becomes `Rejected`, never an exception."""
    try:
        return _parse(body)
    except UnreadableMessage as error:
        # API Gateway's text may hold lone surrogates, which UTF-8 does not have.
        return records.rejected(body.encode("utf-8", "surrogatepass"), error)


class Publisher:
    """Puts records on the frames stream; what that refuses waits in the overflow."""

    def __init__(self, frames: RecordSink, overflow: RecordSink) -> None:
        self._frames = frames
        self._overflow = overflow

    def publish(self, identity: StreamIdentity, received_at: int, event: RecordEvent) -> None:
        """Publish one event of a stream. An outage never raises: the carrier must not see it."""
        data = records.encode(
            Record(
                stream_id=identity.stream_id,
                tenant_id=identity.tenant_id,
                route=identity.route,
                dialect=DIALECT,
                received_at=received_at,
                event=event,
            )
        )
        try:
            self._frames.put(identity.stream_id, data)
        except Unavailable as refused:
            self._overflow_instead(identity, data, refused)

    def _overflow_instead(
        self, identity: StreamIdentity, data: bytes, refused: Unavailable
    ) -> None:
        told = {"stream_id": identity.stream_id, "frames": refused.code}
        try:
            self._overflow.put(identity.stream_id, data)
        except Unavailable as lost:
            _logger.exception(
                "record lost: neither the frames stream nor the overflow queue took it",
                extra=told | {"overflow": lost.code},
            )
        else:
            _logger.warning("record sent to the overflow queue", extra=told)
