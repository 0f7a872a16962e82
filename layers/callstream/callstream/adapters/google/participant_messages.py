"""The messages of a participant: requests, and what responses say. Sends nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from google.cloud.dialogflow_v2.types import (
    AnalyzeContentRequest,
    AnalyzeContentResponse,
    AutomatedAgentReply,
    ConversationProfile,
    ResponseMessage,
    StreamingAnalyzeContentRequest,
    StreamingAnalyzeContentResponse,
    SynthesizeSpeechConfig,
    TelephonyDtmf,
    TelephonyDtmfEvents,
)

from callstream.adapters.google.answers import (
    end_of,
    intent_of,
    is_empty,
    recognised,
    rounded,
    sentiment_of,
    values,
)
from callstream.adapters.google.questions import (
    event_input,
    input_audio,
    query_parameters,
)
from callstream.adapters.google.reply_audio import audio_config, playable
from callstream.dialogues.virtual_agent import (
    AgentFailed,
    DialogueEnd,
    DialogueTerms,
    KeysWanted,
    Reply,
    Sentiment,
    TurnEvent,
)

_LANGUAGE: Final = "en-US"  # of profiles that name none
_PARTIAL: Final = AutomatedAgentReply.AutomatedAgentReplyType.PARTIAL
# Google promises at most four.
_MOST_REPLIES: Final = 10
_KEYS: Final[Mapping[str, int]] = {
    "0": TelephonyDtmf.DTMF_ZERO,
    **{str(digit): digit for digit in range(1, 10)},
    "A": TelephonyDtmf.DTMF_A,
    "B": TelephonyDtmf.DTMF_B,
    "C": TelephonyDtmf.DTMF_C,
    "D": TelephonyDtmf.DTMF_D,
    "*": TelephonyDtmf.DTMF_STAR,
    "#": TelephonyDtmf.DTMF_POUND,
}
# Google says only that keys are taken. More are no number that a person knows.
_WANTED: Final = KeysWanted(most=64, finish="#")


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """What a conversation profile says about speech."""

    language: str
    voice: SynthesizeSpeechConfig | None = None

    @classmethod
    def of(cls, profile: ConversationProfile) -> "SpeechSettings":
        """The settings of a profile."""
        voice = profile.tts_config if "tts_config" in profile else None
        return cls(profile.language_code or _LANGUAGE, voice)


class ParticipantMessages:
    """The messages of one turn, or of one event.

    Args:
        participant: the name of the participant that the person is.
        terms: what the dialogue is to be like.
        speech: what the profile says about speech.
    """

    def __init__(
        self,
        participant: str,
        terms: DialogueTerms,
        speech: SpeechSettings,
    ) -> None:
        self.is_answered = False
        self._participant = participant
        self._terms = terms
        self._speech = speech
        self._reply_audio = audio_config(terms.reply_format, speech.voice)
        self._replies = 0
        self._sentiment: Sentiment | None = None
        self._end: DialogueEnd | None = None
        self._event: str | None = None

    def first(self) -> StreamingAnalyzeContentRequest:
        """What opens the stream of a turn."""
        return StreamingAnalyzeContentRequest(
            participant=self._participant,
            audio_config=input_audio(self._speech.language),
            reply_audio_config=self._reply_audio,
            query_params=query_parameters(self._terms),
            enable_partial_automated_agent_reply=self._terms.partial_replies,
        )

    def audio(self, audio: bytes) -> StreamingAnalyzeContentRequest:
        """A piece of audio."""
        return StreamingAnalyzeContentRequest(input_audio=audio)

    def keys(self, digits: str, *, are_wanted: bool) -> StreamingAnalyzeContentRequest:
        """Keys; as text if the agent takes no keys, since Google would ignore them."""
        if not are_wanted:
            return StreamingAnalyzeContentRequest(input_text=digits)
        events = [_KEYS[digit] for digit in digits if digit in _KEYS]
        return StreamingAnalyzeContentRequest(input_dtmf=TelephonyDtmfEvents(dtmf_events=events))

    def event(self, name: str, request_id: str) -> AnalyzeContentRequest:
        """An event of the call; a request that is repeated with its id has one effect."""
        self._event = name
        return AnalyzeContentRequest(
            participant=self._participant,
            event_input=event_input(name, self._speech.language),
            reply_audio_config=self._reply_audio,
            query_params=query_parameters(self._terms),
            request_id=request_id,
        )

    def read(self, response: StreamingAnalyzeContentResponse) -> list[TurnEvent]:
        """What a response of a turn says."""
        events = recognised(response.recognition_result) if "recognition_result" in response else []
        return [*events, *self.replies(response)]

    def replies(
        self, response: StreamingAnalyzeContentResponse | AnalyzeContentResponse
    ) -> list[Reply]:
        """The reply in a response, if there is one.

        Raises:
            AgentFailed: the audio is in the wrong format, or replies do not end.
        """
        if "message" in response:
            found = sentiment_of(response.message.sentiment_analysis)
            self._sentiment = found or self._sentiment
        if not (
            "automated_agent_reply" in response or "reply_audio" in response or response.reply_text
        ):
            return []
        self._replies += 1
        if self._replies > _MOST_REPLIES:
            raise AgentFailed("endless_reply")
        reply = self._reply(response)
        if not reply.is_partial:
            self.is_answered = True
        return [] if is_empty(reply) else [reply]

    def rest(self) -> list[Reply]:
        """What a partial reply has said about the end, if no other reply has followed."""
        end, self._end = self._end, None
        return [] if end is None else [Reply(b"", end=end)]

    def _reply(self, response: StreamingAnalyzeContentResponse | AnalyzeContentResponse) -> Reply:
        answer = response.automated_agent_reply
        detected = answer.detect_intent_response.query_result
        is_partial = answer.automated_agent_reply_type == _PARTIAL
        end = end_of(answer.response_messages, detected.intent) or self._end
        # The last reply ends the dialogue.
        self._end, end = (end, None) if is_partial else (None, end)
        speech = response.reply_audio
        confidence = answer.match_confidence or detected.intent_detection_confidence
        takes_keys = response.dtmf_parameters.accepts_dtmf_input
        # Agents of ES have their parameters in the query's result, those of CX do not.
        parameters = values(AutomatedAgentReply.pb(answer).parameters) or values(
            AutomatedAgentReply.pb(answer).detect_intent_response.query_result.parameters
        )
        return Reply(
            playable(speech.audio, speech.config, self._terms.reply_format),
            text=response.reply_text or _text(answer.response_messages),
            is_partial=is_partial,
            is_uninterruptible=is_partial and not answer.allow_cancellation,
            intent=intent_of(detected) or answer.intent or None,
            event=answer.event or self._event,
            match_confidence=rounded(confidence) or None,
            parameters=parameters,
            sentiment=sentiment_of(detected.sentiment_analysis_result) or self._sentiment
            if self._terms.analyzes_sentiment
            else None,
            keys=_WANTED if takes_keys else None,
            end=end,
        )


def _text(messages: Iterable[ResponseMessage]) -> str:
    return " ".join(text for message in messages for text in message.text.text)
