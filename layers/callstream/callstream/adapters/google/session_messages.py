"""The messages of a session: requests, and what responses say. Sends nothing."""

from dataclasses import dataclass

from google.cloud.dialogflow_v2.types import (
    QueryInput,
    QueryResult,
    StreamingDetectIntentRequest,
    StreamingDetectIntentResponse,
    TextInput,
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
from callstream.adapters.google.questions import event_input, input_audio, query_parameters
from callstream.adapters.google.reply_audio import audio_config, playable
from callstream.dialogues.virtual_agent import DialogueTerms, Reply, TurnEvent


@dataclass(slots=True)
class SessionMessages:
    """The messages of one turn, or of one event.

    Args:
        session: the session's name.
        terms: what the dialogue is to be like.
        language: that of the dialogue.
        event: what is reported instead of speech.
    """

    session: str
    terms: DialogueTerms
    language: str
    event: str | None = None
    is_answered: bool = False
    _result: QueryResult | None = None
    _audio: bytes = b""

    def first(self) -> StreamingDetectIntentRequest:
        """What opens the stream."""
        if self.event is None:
            query = QueryInput(audio_config=input_audio(self.language))
        else:
            query = QueryInput(event=event_input(self.event, self.language))
        return StreamingDetectIntentRequest(
            session=self.session,
            query_input=query,
            query_params=query_parameters(self.terms),
            output_audio_config=audio_config(self.terms.reply_format),
        )

    def audio(self, audio: bytes) -> StreamingDetectIntentRequest:
        """A piece of audio."""
        return StreamingDetectIntentRequest(input_audio=audio)

    def keys(self, digits: str, *, are_wanted: bool) -> StreamingDetectIntentRequest:
        """Keys, which sessions know as text only."""
        del are_wanted
        text = TextInput(text=digits, language_code=self.language)
        return StreamingDetectIntentRequest(query_input=QueryInput(text=text))

    def read(self, response: StreamingDetectIntentResponse) -> list[TurnEvent]:
        """What a response says. The reply's audio may come after its text."""
        events = recognised(response.recognition_result) if "recognition_result" in response else []
        if response.output_audio:
            self._audio = playable(
                response.output_audio, response.output_audio_config, self.terms.reply_format
            )
        if "query_result" in response:
            self._result = response.query_result
            self.is_answered = True
        return [*events, *(self.rest() if self._audio else [])]

    def rest(self) -> list[Reply]:
        """The reply, unless it has been given or there is none."""
        if self._result is None:
            return []
        result, self._result = self._result, None
        reply = Reply(
            self._audio,
            text=result.fulfillment_text or _text(result),
            intent=intent_of(result),
            event=self.event,
            match_confidence=rounded(result.intent_detection_confidence) or None,
            parameters=values(QueryResult.pb(result).parameters),
            sentiment=sentiment_of(result.sentiment_analysis_result)
            if self.terms.analyzes_sentiment
            else None,
            end=end_of((), result.intent),
        )
        return [] if is_empty(reply) else [reply]


def _text(result: QueryResult) -> str:
    return " ".join(text for message in result.fulfillment_messages for text in message.text.text)
