"""The rules of the two streaming methods' messages."""

from typing import Any, Protocol

from google.cloud import dialogflow_v2 as dialogflow

from callstream_cli.dialogflow import sound
from callstream_cli.dialogflow.agent import Input
from callstream_cli.dialogflow.conversations import Talk
from callstream_cli.dialogflow.faults import CallFaults
from callstream_cli.dialogflow.refused import invalid
from callstream_cli.dialogflow.replies import Exchange, Wishes
from callstream_cli.dialogflow.streams import Piece

_MOST_TEXT = 256
_DIGITS = dict(enumerate("1234567890ABCD*#", 1))


class Stream(Protocol):
    """What the first message of a streaming request says, and how the others are read.

    Made of the first message; raises `Refused` if that breaks a rule.
    """

    talk: Talk
    wishes: Wishes
    config: dialogflow.InputAudioConfig | None
    """How the audio is encoded; None if no audio follows."""
    is_single_utterance: bool
    said: Input | None
    """The input, if the first message has it already."""
    reports_silence: bool
    """Whether the agent is asked what to do if nothing is heard."""

    def piece(self, message: Any) -> Piece:  # noqa: ANN401 - as the method has it
        """Read a message after the first."""

    def recognised(self, result: dialogflow.StreamingRecognitionResult) -> Any:  # noqa: ANN401
        """What is recognised, as a response."""

    def replies(self, exchange: Exchange) -> list[Any]:
        """The replies as responses."""

    def partial_reply(self, exchange: Exchange) -> Any:  # noqa: ANN401
        """A reply that is not the last."""


class ParticipantStream:
    """A request of `StreamingAnalyzeContent`."""

    def __init__(
        self, first: dialogflow.StreamingAnalyzeContentRequest, talk: Talk, faults: CallFaults
    ) -> None:
        if _input_of(first):
            raise invalid("the first message must not have an input")
        if first.enable_extended_streaming:
            raise invalid("enable_extended_streaming is for conversations with human agents only")
        has_audio = "audio_config" in first
        if not has_audio and "text_config" not in first:
            raise invalid("the first message must have audio_config or text_config")
        self.talk = talk
        self.wishes = wishes(
            first,
            first.reply_audio_config,
            faults,
            partial=first.enable_partial_automated_agent_reply,
        )
        self.config = first.audio_config if has_audio else None
        self.is_single_utterance = first.audio_config.single_utterance
        self.said: Input | None = None
        self.reports_silence = not first.audio_config.disable_no_speech_recognized_event

    def piece(self, message: dialogflow.StreamingAnalyzeContentRequest) -> Piece:
        """Read a message after the first."""
        if message.participant or "audio_config" in message or "text_config" in message:
            raise invalid("only the first message may have participant and config")
        match _input_of(message):
            case "input_audio" if self.config:
                return Piece(audio=message.input_audio)
            case "input_text":
                return Piece(text=checked_text(message.input_text))
            case "input_dtmf":
                digits = _digits_of(message.input_dtmf)
                # The service ignores keys that the agent has not asked for.
                return Piece(digits=digits if self.talk.takes_keys else "")
            case _:
                raise invalid("a message after the first must have the input of its config")

    def recognised(
        self, result: dialogflow.StreamingRecognitionResult
    ) -> dialogflow.StreamingAnalyzeContentResponse:
        """What is recognised, as a response."""
        return dialogflow.StreamingAnalyzeContentResponse(recognition_result=result)

    def replies(self, exchange: Exchange) -> list[dialogflow.StreamingAnalyzeContentResponse]:
        """Partial replies, if there are any, and the final reply."""
        return exchange.participant_replies()

    def partial_reply(self, exchange: Exchange) -> dialogflow.StreamingAnalyzeContentResponse:
        """A reply that is not the last."""
        return exchange.partial_reply(exchange.answer.parts)


class SessionStream:
    """A request of `StreamingDetectIntent`."""

    reports_silence = False

    def __init__(
        self, first: dialogflow.StreamingDetectIntentRequest, talk: Talk, faults: CallFaults
    ) -> None:
        if first.input_audio:
            raise invalid("the first message must not have input_audio")
        query = first.query_input
        self.talk = talk
        self.wishes = wishes(first, first.output_audio_config, faults)
        self.config = query.audio_config if "audio_config" in query else None
        self.is_single_utterance = query.audio_config.single_utterance or first.single_utterance
        self.said: Input | None = None
        if "event" in query:
            self.said = event_input(query.event)
        elif "text" in query:
            self.said = text_input(query.text)
        elif self.config is None:
            raise invalid("query_input has neither audio_config nor text nor event")

    def piece(self, message: dialogflow.StreamingDetectIntentRequest) -> Piece:
        """Read a message after the first."""
        if message.session or "audio_config" in message.query_input:
            raise invalid("only the first message may have session and audio_config")
        if self.config is None:
            raise invalid("nothing may follow a text or an event")
        if "text" in message.query_input:
            return Piece(text=checked_text(message.query_input.text.text))
        if not message.input_audio:
            raise invalid("a message after the first must have input_audio")
        return Piece(audio=message.input_audio)

    def recognised(
        self, result: dialogflow.StreamingRecognitionResult
    ) -> dialogflow.StreamingDetectIntentResponse:
        """What is recognised, as a response."""
        return dialogflow.StreamingDetectIntentResponse(recognition_result=result)

    def replies(self, exchange: Exchange) -> list[dialogflow.StreamingDetectIntentResponse]:
        """The reply."""
        return [exchange.session_reply()]

    def partial_reply(self, exchange: Exchange) -> dialogflow.StreamingDetectIntentResponse:
        """A reply that is not the last; the method knows none."""
        return exchange.session_reply()


def wishes(
    request: Any,  # noqa: ANN401 - three kinds
    speech: dialogflow.OutputAudioConfig,
    faults: CallFaults,
    *,
    partial: bool = False,
) -> Wishes:
    """How a request wants to be answered.

    Raises:
        Refused: it cannot be.
    """
    # Without an encoding, the message was not sent.
    is_spoken = bool(speech.audio_encoding.value)
    if is_spoken:
        sound.check_output(speech)
    sentiment = request.query_params.sentiment_analysis_request_config
    return Wishes(
        speech=speech if is_spoken else None,
        sentiment=sentiment.analyze_query_text_sentiment,
        partial=partial,
        wrong=faults.audio,
    )


def event_input(event: dialogflow.EventInput) -> Input:
    """Read an event.

    Raises:
        Refused: the event is not complete.
    """
    if not event.name or not event.language_code:
        raise invalid("the event's name or language_code is not set")
    return Input(event=event.name)


def text_input(text: dialogflow.TextInput) -> Input:
    """Read a text.

    Raises:
        Refused: the text is not complete, or too long.
    """
    if not text.language_code:
        raise invalid("the text's language_code is not set")
    return Input(text=checked_text(text.text))


def checked_text(text: str) -> str:
    """A text that a client sends.

    Raises:
        Refused: the text is empty, or too long.
    """
    if not 0 < len(text.encode()) <= _MOST_TEXT:
        raise invalid(f"the input text is empty, or has more than {_MOST_TEXT} bytes")
    return text


def _input_of(message: dialogflow.StreamingAnalyzeContentRequest) -> str | None:
    kinds = ("input_audio", "input_text", "input_dtmf", "suggestion_input")
    return next((kind for kind in kinds if kind in message), None)


def _digits_of(events: dialogflow.TelephonyDtmfEvents) -> str:
    if not all(event.value in _DIGITS for event in events.dtmf_events):
        raise invalid("input_dtmf has a key that is not specified")
    return "".join(_DIGITS[event.value] for event in events.dtmf_events)
