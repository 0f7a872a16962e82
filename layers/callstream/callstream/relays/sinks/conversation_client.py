"""The client of a conversation, at its connection: gets answers and the lines of the transcript."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, override

from callstream.dialects.events import Track
from callstream.errors import Unavailable, Undeliverable
from callstream.ports import Connections
from callstream.relays.sinks.conversation import Conversation
from callstream.relays.sinks.transcript_lines import LineDelivery
from callstream.transcription.transcripts import KeptLine

_logger = logging.getLogger(__name__)

_PAUSES: Final = (0.5, 1.0, 2.0)
"""The pauses between tries to send an answer, in seconds."""


class Client:
    """One client.

    Args:
        connections: the clients' connections.
        connection_id: the client's connection.
    """

    def __init__(self, connections: Connections, connection_id: str) -> None:
        self._connections = connections
        self._connection_id = connection_id

    def post(self, text: str) -> None:
        """Send a message, unless the client is gone or can never get it; blocking.

        Raises:
            Unavailable: the client cannot be reached now.
        """
        try:
            self._connections.post(self._connection_id, text.encode())
        except Undeliverable as error:
            _logger.error("a message to the client is lost: %s", error)  # noqa: TRY400

    async def send(self, text: str) -> None:
        """Send a message, with some tries."""
        for pause in (*_PAUSES, None):
            try:
                await asyncio.to_thread(self.post, text)
            except Unavailable as error:
                _logger.warning("an answer is not sent yet: %s", error)
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                return
        _logger.error("an answer is lost")

    async def hang_up(self) -> None:
        """Close the connection. The sweep does it if that is not possible."""
        try:
            await asyncio.to_thread(self._connections.close, self._connection_id)
        except Unavailable as error:
            _logger.warning("the connection is not closed: %s", error)


class ConversationLines(LineDelivery):
    """Sends lines to where the lines of every relay go, and to the client.

    Args:
        beyond: where the lines of every relay go.
        conversation: writes the lines.
        client: gets the lines.
    """

    def __init__(
        self,
        beyond: LineDelivery,
        conversation: Conversation,
        client: Client,
    ) -> None:
        self._beyond = beyond
        self._conversation = conversation
        self._client = client

    @override
    def last(self, track: Track) -> KeptLine | None:
        return self._beyond.last(track)

    @override
    def after(self, track: Track, number: int) -> Sequence[KeptLine]:
        return self._beyond.after(track, number)

    @override
    def keep(self, kept: KeptLine) -> bool:
        return self._beyond.keep(kept)

    @override
    def send(self, kept: KeptLine, *, again: bool) -> None:
        # The client comes last, because the whole is repeated if a service does not answer.
        self._beyond.send(kept, again=again)
        text = self._conversation.line(kept.line)
        if text is not None:
            self._client.post(text)
            self._conversation.count_line()
