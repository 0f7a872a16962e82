"""Dialogues by Google's service Sessions: agents of ES without a conversation profile."""

import grpc
from google.cloud.dialogflow_v2.services.sessions.transports import SessionsGrpcTransport

from callstream.adapters.google import names
from callstream.adapters.google.channel import stream_opener
from callstream.adapters.google.questions import SILENCE_EVENTS, WELCOME
from callstream.adapters.google.session_messages import SessionMessages
from callstream.adapters.google.turn import StreamTurn
from callstream.dialogues.connections import AgentConnection
from callstream.dialogues.virtual_agent import DialogueTerms, Reply, Turn


class SessionDialogue:
    """A dialogue; see `callstream.dialogues.virtual_agent.Dialogue`.

    Args:
        channel: leads to Google.
        connection: where the agent is.
        terms: what the dialogue is to be like.
        session: the name of the session, which the first request begins.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        connection: AgentConnection,
        terms: DialogueTerms,
        session: str,
    ) -> None:
        transport = SessionsGrpcTransport(channel=channel)
        self._open_stream = stream_opener(transport.streaming_detect_intent)
        self._connection = connection
        self._terms = terms
        self._session = session

    @classmethod
    def begin(
        cls, channel: grpc.Channel, connection: AgentConnection, terms: DialogueTerms, id_: str
    ) -> "SessionDialogue":
        """Begin a dialogue, of which Google learns by the first request."""
        return cls(channel, connection, terms, names.session(connection, id_))

    @property
    def session(self) -> str:
        """The session's name."""
        return self._session

    async def greet(self) -> list[Reply]:
        """Let the agent begin."""
        return await self._report(WELCOME)

    async def report_silence(self) -> list[Reply]:
        """Say that the person has said nothing for a while."""
        return await self._report(SILENCE_EVENTS[self._connection.api])

    async def listen(self) -> Turn:
        """Begin a turn."""
        return self._turn()

    async def end(self) -> None:
        """Do nothing: sessions end by themselves."""

    def _turn(self, event: str | None = None) -> Turn:
        messages = SessionMessages(self._session, self._terms, self._connection.language, event)
        return StreamTurn(self._open_stream, messages)

    async def _report(self, event: str) -> list[Reply]:
        turn = self._turn(event)
        try:
            turn.finish()
            replies = []
            while (said := await turn.receive()) is not None:
                replies += [said] if isinstance(said, Reply) else []
        finally:
            await turn.close()
        return replies
