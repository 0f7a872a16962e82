"""Dialogues by Google's service Participants: agents of ES and CX with a conversation profile."""

import asyncio
from uuid import NAMESPACE_URL, uuid4, uuid5

import grpc
from google.cloud.dialogflow_v2.services.conversation_profiles import ConversationProfilesClient
from google.cloud.dialogflow_v2.services.conversation_profiles.transports import (
    ConversationProfilesGrpcTransport,
)
from google.cloud.dialogflow_v2.services.conversations import ConversationsClient
from google.cloud.dialogflow_v2.services.conversations.transports import ConversationsGrpcTransport
from google.cloud.dialogflow_v2.services.participants import ParticipantsClient
from google.cloud.dialogflow_v2.services.participants.transports import ParticipantsGrpcTransport
from google.cloud.dialogflow_v2.types import (
    CompleteConversationRequest,
    Conversation,
    CreateConversationRequest,
    CreateParticipantRequest,
    GetConversationProfileRequest,
    Participant,
)

from callstream.adapters.google import names
from callstream.adapters.google.channel import ANSWER_SECONDS, ask, stream_opener
from callstream.adapters.google.participant_messages import ParticipantMessages, SpeechSettings
from callstream.adapters.google.questions import SILENCE_EVENTS, WELCOME
from callstream.adapters.google.turn import StreamTurn
from callstream.dialogues.connections import AgentConnection
from callstream.dialogues.virtual_agent import AgentFailed, DialogueTerms, Reply, Turn


class ParticipantServices:
    """The services that dialogues with a profile need, over one channel.

    Args:
        channel: leads to Google.
        connection: where the agent is.
        profile: the name of the connection's conversation profile.
    """

    def __init__(self, channel: grpc.Channel, connection: AgentConnection, profile: str) -> None:
        self.silence_event = SILENCE_EVENTS[connection.api]
        self._connection = connection
        self._profile = profile
        self._profiles = ConversationProfilesClient(
            transport=ConversationProfilesGrpcTransport(channel=channel)
        )
        self._conversations = ConversationsClient(
            transport=ConversationsGrpcTransport(channel=channel)
        )
        transport = ParticipantsGrpcTransport(channel=channel)
        self._participants = ParticipantsClient(transport=transport)
        self.analyze_content = self._participants.analyze_content
        self.open_stream = stream_opener(transport.streaming_analyze_content)

    async def speech_settings(self) -> SpeechSettings:
        """What the profile says about speech."""
        request = GetConversationProfileRequest(name=self._profile)
        try:
            return SpeechSettings.of(await ask(self._profiles.get_conversation_profile, request))
        except AgentFailed as failed:
            if failed.reason != "access_denied":
                raise
            # A key that may only talk is enough to talk.
            return SpeechSettings(self._connection.language)

    async def create_conversation(self) -> str:
        """Begin a conversation; returns its name."""
        wanted = Conversation(conversation_profile=self._profile)
        parent = names.parent(self._connection)
        request = CreateConversationRequest(parent=parent, conversation=wanted)
        return (await ask(self._conversations.create_conversation, request)).name

    async def create_participant(self, conversation: str) -> str:
        """Let the person take part in a conversation; returns the participant's name."""
        role = Participant.Role.END_USER
        request = CreateParticipantRequest(parent=conversation, participant=Participant(role=role))
        return (await ask(self._participants.create_participant, request)).name

    async def complete_conversation(self, name: str) -> None:
        """End a conversation."""
        request = CompleteConversationRequest(name=name)
        await ask(self._conversations.complete_conversation, request)


class ParticipantDialogue:
    """A dialogue; see `callstream.dialogues.virtual_agent.Dialogue`.

    Args:
        services: where the conversation is.
        terms: what the dialogue is to be like.
        session: the name of the participant.
        speech: what the profile says about speech; None is still to be asked.
    """

    def __init__(
        self,
        services: ParticipantServices,
        terms: DialogueTerms,
        session: str,
        speech: SpeechSettings | None = None,
    ) -> None:
        self._services = services
        self._terms = terms
        self._participant = session
        self._speech = speech
        # Until an event is answered, its request has the same id, however often it is sent; that of
        # the greeting also in another process.
        self._request_ids = {WELCOME: str(uuid5(NAMESPACE_URL, self._participant))}

    @classmethod
    async def begin(
        cls, services: ParticipantServices, terms: DialogueTerms
    ) -> "ParticipantDialogue":
        """Begin a dialogue. Raises `AgentFailed`."""
        speech, conversation = await asyncio.gather(
            services.speech_settings(), services.create_conversation()
        )
        participant = await services.create_participant(conversation)
        return cls(services, terms, participant, speech)

    @property
    def session(self) -> str:
        """The participant's name."""
        return self._participant

    async def greet(self) -> list[Reply]:
        """Let the agent begin."""
        return await self._report(WELCOME)

    async def report_silence(self) -> list[Reply]:
        """Say that the person has said nothing for a while."""
        return await self._report(self._services.silence_event)

    async def listen(self) -> Turn:
        """Begin a turn."""
        return StreamTurn(self._services.open_stream, await self._messages())

    async def end(self) -> None:
        """End the conversation."""
        await self._services.complete_conversation(names.conversation(self._participant))

    async def _messages(self) -> ParticipantMessages:
        if self._speech is None:
            self._speech = await self._services.speech_settings()
        return ParticipantMessages(self._participant, self._terms, self._speech)

    async def _report(self, event: str) -> list[Reply]:
        messages = await self._messages()
        id_ = self._request_ids.setdefault(event, str(uuid4()))
        request = messages.event(event, id_)
        response = await ask(self._services.analyze_content, request, ANSWER_SECONDS)
        del self._request_ids[event]
        return [*messages.replies(response), *messages.rest()]
