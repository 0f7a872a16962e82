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
        return ReceivedEvent(CLIENTS[dialect].parse(body, stream_id, session_id), dialect)
    except UnreadableMessage as error:
        # API Gateway's text may hold lone surrogates, which UTF-8 does not have.
        data = body.encode("utf-8", "surrogatepass")
        return ReceivedEvent(records.rejected(data, error), dialect)
