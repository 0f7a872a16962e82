"""The agent's answers as Google's messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from google.cloud import dialogflow_v2 as dialogflow

from callstream_cli.dialogflow import agent, sound
from callstream_cli.dialogflow.agent import Answer, Input
from callstream_cli.dialogflow.conversations import AGENT, LANGUAGE, Talk
from callstream_cli.dialogflow.faults import WrongAudio
from callstream_cli.dialogflow.script import Speech

_REPLY: Final = dialogflow.AutomatedAgentReply.AutomatedAgentReplyType
_MAGNITUDE: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a client wants to be answered."""

    speech: dialogflow.OutputAudioConfig | None = None
    """Without it, nothing is spoken."""
    sentiment: bool = False
    partial: bool = False
    wrong: WrongAudio | None = None
    """What is wrong with the audio, by order."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One input, its answer, and how that is to be sent."""

    talk: Talk
    said: Input
    answer: Answer
    wishes: Wishes
    is_assisted: bool = False
    """Whether a human answers already."""

    def participant_replies(self) -> list[dialogflow.StreamingAnalyzeContentResponse]:
        """What `Participants` sends: partial replies, if there are any, and the final reply."""
        parts = self.answer.parts
        if not self.wishes.partial or self.talk.profile.api == "es":
            return [self._final(parts)]
        return [*(self.partial_reply([part]) for part in parts[:-1]), self._final(parts[-1:])]

    def partial_reply(self, parts: Sequence[Speech]) -> dialogflow.StreamingAnalyzeContentResponse:
        """A partial reply, which is not to be interrupted."""
        return self._response(parts, self._cx_reply(parts, is_final=False))

    def whole_reply(self) -> dialogflow.AnalyzeContentResponse:
        """What `Participants` answers to a request without a stream."""
        final = self._final(self.answer.parts)
        return dialogflow.AnalyzeContentResponse(
            reply_text=final.reply_text,
            reply_audio=final.reply_audio,
            automated_agent_reply=final.automated_agent_reply,
            message=final.message,
            dtmf_parameters=final.dtmf_parameters,
        )

    def session_reply(self) -> dialogflow.StreamingDetectIntentResponse:
        """What `Sessions` sends."""
        response = dialogflow.StreamingDetectIntentResponse(
            response_id=str(uuid4()), query_result=self._query_result()
        )
        if (speech := self._speech(self.answer.parts)) is not None:
            response.output_audio, response.output_audio_config = speech
        return response

    def _final(self, parts: Sequence[Speech]) -> dialogflow.StreamingAnalyzeContentResponse:
        if self.is_assisted:
            # Nobody answers but the human.
            return dialogflow.StreamingAnalyzeContentResponse(message=self._message())
        if self.talk.profile.api == "es":
            reply = dialogflow.AutomatedAgentReply(
                detect_intent_response=dialogflow.DetectIntentResponse(
                    response_id=str(uuid4()), query_result=self._query_result()
                ),
                automated_agent_reply_type=_REPLY.FINAL,
            )
        else:
            reply = self._cx_reply(parts, is_final=True)
        response = self._response(parts, reply)
        response.message = self._message()
        response.dtmf_parameters = dialogflow.DtmfParameters(
            accepts_dtmf_input=self.answer.takes_keys
        )
        return response

    def _response(
        self, parts: Sequence[Speech], reply: dialogflow.AutomatedAgentReply
    ) -> dialogflow.StreamingAnalyzeContentResponse:
        response = dialogflow.StreamingAnalyzeContentResponse(
            reply_text=_text(parts), automated_agent_reply=reply
        )
        if (speech := self._speech(parts)) is not None:
            audio, config = speech
            response.reply_audio = dialogflow.OutputAudio(audio=audio, config=config)
        return response

    def _cx_reply(
        self, parts: Sequence[Speech], *, is_final: bool
    ) -> dialogflow.AutomatedAgentReply:
        answer = self.answer
        messages = [_message(text=dialogflow.ResponseMessage.Text(text=[e.text])) for e in parts]
        if is_final and answer.end == "end_interaction":
            messages.append(_message(end_interaction=dialogflow.ResponseMessage.EndInteraction()))
        if is_final and answer.end == "live_agent_handoff":
            handoff = dialogflow.ResponseMessage.LiveAgentHandoff(metadata={**answer.handoff})
            messages.append(_message(live_agent_handoff=handoff))
        if is_final and answer.end == "transfer":
            transfer = dialogflow.ResponseMessage.TelephonyTransferCall(
                phone_number=answer.transfer_to
            )
            messages.append(_message(telephony_transfer_call=transfer))
        return dialogflow.AutomatedAgentReply(
            response_messages=messages,
            intent=self._intent_name(f"agents/{AGENT}"),
            event=self.said.event,
            match_confidence=answer.confidence,
            parameters={**answer.parameters},
            automated_agent_reply_type=_REPLY.FINAL if is_final else _REPLY.PARTIAL,
        )

    def _query_result(self) -> dialogflow.QueryResult:
        """The answer as ES has it, which knows no transfer: a human is asked for instead."""
        answer, said = self.answer, self.said
        result = dialogflow.QueryResult(
            query_text=said.text or said.digits or said.event,
            language_code=LANGUAGE,
            action=answer.intent,
            parameters={**answer.parameters},
            all_required_params_present=True,
            fulfillment_text=answer.text,
        )
        if answer.intent:
            result.intent = dialogflow.Intent(
                name=self._intent_name("agent"),
                display_name=answer.intent,
                is_fallback=answer.is_fallback,
                end_interaction=answer.end == "end_interaction",
                live_agent_handoff=answer.hands_off,
            )
            result.intent_detection_confidence = answer.confidence
        if self.wishes.sentiment:
            result.sentiment_analysis_result = _sentiment(said.text)
        return result

    def _message(self) -> dialogflow.Message:
        message = dialogflow.Message(
            content=self.said.text,
            language_code=LANGUAGE,
            participant_role=dialogflow.Participant.Role.END_USER,
        )
        if self.talk.profile.analyzes_sentiment:
            message.sentiment_analysis = _sentiment(self.said.text)
        return message

    def _intent_name(self, of_agent: str) -> str:
        intent = self.answer.intent
        return f"{self.talk.place.name}/{of_agent}/intents/{intent}" if intent else ""

    def _speech(self, parts: Sequence[Speech]) -> tuple[bytes, dialogflow.OutputAudioConfig] | None:
        if self.wishes.speech is None or not parts:
            return None
        mulaw = b"".join(part.audio for part in parts)
        return sound.synthesised(mulaw, self.wishes.speech, self.wishes.wrong)


def _text(parts: Sequence[Speech]) -> str:
    return " ".join(part.text for part in parts)


def _message(**content: object) -> dialogflow.ResponseMessage:
    return dialogflow.ResponseMessage(**content)


def _sentiment(text: str) -> dialogflow.SentimentAnalysisResult:
    score = agent.sentiment(text)
    magnitude = _MAGNITUDE if score else 0.0
    return dialogflow.SentimentAnalysisResult(
        query_text_sentiment=dialogflow.Sentiment(score=score, magnitude=magnitude)
    )
