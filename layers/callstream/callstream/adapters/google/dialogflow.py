"""The virtual agent of Dialogflow ES and CX."""

import asyncio

import grpc

from callstream.adapters.google import names
from callstream.adapters.google.channel import open_channel
from callstream.adapters.google.participants import ParticipantDialogue, ParticipantServices
from callstream.adapters.google.sessions import SessionDialogue
from callstream.dialogues.connections import AgentConnection
from callstream.dialogues.virtual_agent import Dialogue, DialogueTerms


class DialogflowAgent:
    """A tenant's agent of Dialogflow; see `callstream.dialogues.virtual_agent.VirtualAgent`.

    Args:
        connection: where Google has the agent.
        key_json: the key file of a service account, as stored. Secret: never log it.
        endpoint: `host:port` of a stand-in on the local stack, which is reached without TLS and
            without the key; None is Google.
    """

    def __init__(
        self, connection: AgentConnection, key_json: str, endpoint: str | None = None
    ) -> None:
        self._connection = connection
        self._key_json = key_json
        self._endpoint = endpoint
        self._profile = names.profile(connection)
        self._channel: grpc.Channel | None = None

    async def begin(self, terms: DialogueTerms, name: str) -> Dialogue:
        """Begin a dialogue. Raises `AgentFailed`.

        Without a profile, Google is asked nothing before the first turn.
        """
        channel = self._open()
        if self._profile is None:
            return SessionDialogue.begin(channel, self._connection, terms, name)
        services = ParticipantServices(channel, self._connection, self._profile)
        return await ParticipantDialogue.begin(services, terms)

    async def resume(self, terms: DialogueTerms, session: str) -> Dialogue:
        """Go on with a dialogue. Raises `AgentFailed`."""
        channel = self._open()
        if self._profile is None:
            return SessionDialogue(channel, self._connection, terms, session)
        services = ParticipantServices(channel, self._connection, self._profile)
        return ParticipantDialogue(services, terms, session)

    async def close(self) -> None:
        """Close the connection to Google; what still waits for an answer is cancelled."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await asyncio.to_thread(channel.close)

    def _open(self) -> grpc.Channel:
        if self._channel is None:
            host = names.host(self._connection)
            self._channel = open_channel(host, self._key_json, self._endpoint)
        return self._channel
