"""What Google answers, as far as its services have that in common."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.cloud.dialogflow_v2.types import (
    Intent,
    QueryResult,
    ResponseMessage,
    SentimentAnalysisResult,
    StreamingRecognitionResult,
)
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from callstream.dialogues.virtual_agent import (
    DialogueEnd,
    Heard,
    Reply,
    Sentiment,
    SpeechBegan,
    TurnEvent,
    UtteranceEnded,
)

_KINDS: Final = StreamingRecognitionResult.MessageType


def recognised(result: StreamingRecognitionResult) -> list[TurnEvent]:
    """What the recogniser says."""
    match result.message_type:
        case _KINDS.SPEECH_ACTIVITY_BEGIN:
            return [SpeechBegan()]
        case _KINDS.END_OF_SINGLE_UTTERANCE:
            return [UtteranceEnded()]
        case _KINDS.TRANSCRIPT if result.transcript:
            end = StreamingRecognitionResult.pb(result).speech_end_offset.ToMilliseconds()
            heard = Heard(
                result.transcript,
                is_final=result.is_final,
                confidence=rounded(result.confidence),
                end_ms=end or None,
            )
            return [heard]
        case _:
            return []


def end_of(messages: Iterable[ResponseMessage], intent: Intent) -> DialogueEnd | None:
    """Whether the agent is done. Of several ends, the one counts that asks for more.

    Args:
        messages: how agents of CX say so.
        intent: how agents of ES say so.
    """
    ends = [*map(_end_of_message, messages)]
    if intent.live_agent_handoff:
        ends.append(DialogueEnd("live_agent_handoff"))
    if intent.end_interaction:
        ends.append(DialogueEnd("end_interaction"))
    for kind in ("transfer", "live_agent_handoff", "end_interaction"):
        for end in ends:
            if end is not None and end.kind == kind:
                return end
    return None


def _end_of_message(message: ResponseMessage) -> DialogueEnd | None:
    if "telephony_transfer_call" in message:
        call = message.telephony_transfer_call
        return DialogueEnd("transfer", destination=call.phone_number or call.sip_uri or None)
    if "live_agent_handoff" in message:
        handoff = ResponseMessage.LiveAgentHandoff.pb(message.live_agent_handoff)
        return DialogueEnd("live_agent_handoff", values(handoff.metadata))
    return DialogueEnd("end_interaction") if "end_interaction" in message else None


def sentiment_of(*results: SentimentAnalysisResult) -> Sentiment | None:
    """How the person feels, from the first result that says so."""
    for result in results:
        if "query_text_sentiment" in result:
            found = result.query_text_sentiment
            return Sentiment(score=rounded(found.score), magnitude=rounded(found.magnitude))
    return None


def intent_of(result: QueryResult) -> str | None:
    """The intent's name: that of the agent's author, if Google gives that."""
    return result.intent.display_name or result.intent.name or None


def values(struct: Struct) -> Mapping[str, Any]:
    """The values of a protobuf struct."""
    return MessageToDict(struct)


def rounded(number: float) -> float:
    """A number of 32 bits without the digits that 64 bits add."""
    return round(number, 6)


def is_empty(reply: Reply) -> bool:
    """Whether a reply says nothing: the agent has no answer."""
    return not (reply.audio or reply.text or reply.intent or reply.end or reply.keys)
