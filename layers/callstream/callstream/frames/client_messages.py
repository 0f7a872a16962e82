"""Reads the messages of clients that stream their own audio, as `publisher.read` does carriers'."""

from callstream.dialects.clients import CLIENTS
from callstream.errors import UnreadableMessage
from callstream.frames import records
from callstream.frames.publisher import ReceivedEvent


def read_client(dialect: str, body: str, stream_id: str, session_id: str | None) -> ReceivedEvent:
    """Read a client's message; one that cannot be read becomes `Rejected`, never an exception.

    Args:
        dialect: one of `CLIENTS`.
        body: the message.
        stream_id: our id of the stream.
        session_id: the client's id of the conversation.
    """
    try:
        event = CLIENTS[dialect].parse(body, stream_id, session_id)
        records.check_size(event, body)
    except UnreadableMessage as error:
        return ReceivedEvent(records.rejected(body, error), dialect)
    return ReceivedEvent(event, dialect)
