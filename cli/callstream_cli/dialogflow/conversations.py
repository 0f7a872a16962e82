"""What the service remembers: its profiles, conversations, participants and sessions."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from typing import Final, Literal

import grpc
from google.cloud import dialogflow_v2 as dialogflow

from callstream_cli.dialogflow import names
from callstream_cli.dialogflow.refused import Refused, invalid, missing
from callstream_cli.dialogflow.watching import Watcher

LANGUAGE: Final = "en-US"
AGENT: Final = "00000000-0000-4000-8000-000000000000"
"""The id of the agent, where it is one of CX."""
# Older conversations are forgotten, as a bound.
_MOST_CONVERSATIONS: Final = 1000

type Api = Literal["es", "cx"]
"""The two kinds of agents of Google's."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A conversation profile. It exists in every project and region: there are no accounts here."""

    api: Api = "cx"
    analyzes_sentiment: bool = True
    """Whether the profile has messages analysed."""


PROFILES: Final[Mapping[str, Profile]] = {
    "demo": Profile("cx"),
    "demo-es": Profile("es", analyzes_sentiment=False),
}
"""The profiles of a service that nobody has set up, by their ids."""


@dataclass(slots=True)
class Talk:
    """A conversation, or a session of an ES agent."""

    name: str
    place: names.Place
    profile: Profile
    profile_name: str = ""
    takes_keys: bool = False
    """Whether the last answer asked for keys."""
    is_completed: bool = False
    is_assisted: bool = False
    """Whether a human has taken over: the agent answers no more."""
    participants: dict[str, dialogflow.Participant] = field(default_factory=dict)
    responses: dict[str, dialogflow.AnalyzeContentResponse] = field(default_factory=dict)
    """The responses by the `request_id` of their requests."""

    def check_open(self) -> None:
        """Check that the conversation goes on.

        Raises:
            Refused: the conversation is completed.
        """
        if self.is_completed:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "the conversation is completed")


class Conversations:
    """All that has begun.

    Args:
        profiles: those that exist, by their ids.
        watcher: learns which begin and are completed.
    """

    def __init__(self, profiles: Mapping[str, Profile], watcher: Watcher) -> None:
        self._profiles = profiles
        self._watcher = watcher
        self._talks: OrderedDict[str, Talk] = OrderedDict()
        self._numbers = count(1)
        self._lock = Lock()

    def profile(self, name: str) -> dialogflow.ConversationProfile:
        """A profile, as Google describes it."""
        place, profile = self._profile(name)
        kind = f"agents/{AGENT}" if profile.api == "cx" else "agent"
        return dialogflow.ConversationProfile(
            name=name,
            display_name="Callstream's stand-in",
            automated_agent_config=dialogflow.AutomatedAgentConfig(agent=f"{place.name}/{kind}"),
            human_agent_assistant_config=dialogflow.HumanAgentAssistantConfig(
                message_analysis_config=dialogflow.HumanAgentAssistantConfig.MessageAnalysisConfig(
                    enable_sentiment_analysis=profile.analyzes_sentiment
                )
            ),
            language_code=LANGUAGE,
        )

    def create(self, request: dialogflow.CreateConversationRequest) -> dialogflow.Conversation:
        """Begin a conversation."""
        place = names.parent(request.parent)
        profile_name = request.conversation.conversation_profile
        if not profile_name:
            raise invalid("conversation.conversation_profile is not set")
        of_profile, profile = self._profile(profile_name)
        names.check_same(place, of_profile, "the conversation profile")
        id_ = request.conversation_id
        if id_:
            names.check_own_id(id_)
        name = f"{place.name}/conversations/{id_ or f'made-{next(self._numbers)}'}"
        with self._lock:
            if name in self._talks:
                raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"{name} exists already")
            self._add(Talk(name, place, profile, profile_name))
        return self._described(self._talks[name])

    def complete(self, request: dialogflow.CompleteConversationRequest) -> dialogflow.Conversation:
        """End a conversation."""
        talk = self.conversation(request.name)
        talk.is_completed = True
        self._watcher.completed(talk.name)
        return self._described(talk)

    def create_participant(
        self, request: dialogflow.CreateParticipantRequest
    ) -> dialogflow.Participant:
        """Let somebody take part in a conversation."""
        talk = self.conversation(request.parent)
        talk.check_open()
        if request.participant.role == dialogflow.Participant.Role.ROLE_UNSPECIFIED:
            raise invalid("participant.role is not set")
        made = dialogflow.Participant(request.participant)
        made.name = f"{talk.name}/participants/{next(self._numbers)}"
        talk.participants[made.name] = made
        return made

    def conversation(self, name: str) -> Talk:
        """A conversation that has begun."""
        names.conversation(name)
        talk = self._talks.get(name)
        if talk is None:
            raise missing(name)
        return talk

    def of_participant(self, name: str) -> Talk:
        """The conversation of a participant, which must be going on."""
        _, conversation = names.participant(name)
        talk = self.conversation(conversation)
        if name not in talk.participants:
            raise missing(name)
        talk.check_open()
        return talk

    def session(self, name: str) -> Talk:
        """A session: it begins with its first request."""
        place = names.session(name)
        with self._lock:
            if name not in self._talks:
                self._add(Talk(name, place, Profile("es", analyzes_sentiment=False)))
            return self._talks[name]

    def _add(self, talk: Talk) -> None:
        self._talks[talk.name] = talk
        self._watcher.began(talk.name)
        while len(self._talks) > _MOST_CONVERSATIONS:
            self._talks.popitem(last=False)

    def _profile(self, name: str) -> tuple[names.Place, Profile]:
        place, id_ = names.profile(name)
        if id_ not in self._profiles:
            raise missing(name)
        return place, self._profiles[id_]

    @staticmethod
    def _described(talk: Talk) -> dialogflow.Conversation:
        states = dialogflow.Conversation.LifecycleState
        stages = dialogflow.Conversation.ConversationStage
        return dialogflow.Conversation(
            name=talk.name,
            lifecycle_state=states.COMPLETED if talk.is_completed else states.IN_PROGRESS,
            conversation_profile=talk.profile_name,
            conversation_stage=(
                stages.HUMAN_ASSIST_STAGE if talk.is_assisted else stages.VIRTUAL_AGENT_STAGE
            ),
        )
