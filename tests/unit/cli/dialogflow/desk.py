"""The service without gRPC: requests in, responses or a status out."""

from collections.abc import Iterable, Iterator
from threading import Event
from typing import Any

import audioop
from google.cloud import dialogflow_v2 as dialogflow

from callstream_cli.dialogflow.agent import Agent, Answer, Input
from callstream_cli.dialogflow.conversations import PROFILES, Conversations
from callstream_cli.dialogflow.faults import CallFaults, Fault, Order
from callstream_cli.dialogflow.refused import Gone, Refused
from callstream_cli.dialogflow.service import Service
from callstream_cli.dialogflow.streams import Messages
from callstream_cli.dialogflow.watching import Nobody
from tests import tones
from tests.dialogflow import ToneEar

PLACE = "projects/p/locations/global"
MULAW = dialogflow.InputAudioConfig(
    audio_encoding="AUDIO_ENCODING_MULAW",
    sample_rate_hertz=8000,
    language_code="en-US",
    single_utterance=True,
)
SPOKEN = dialogflow.OutputAudioConfig(
    audio_encoding="OUTPUT_AUDIO_ENCODING_MULAW", sample_rate_hertz=8000
)
SESSION = f"{PLACE}/agent/environments/draft/users/-/sessions/s1"
_PIECE = 800


class Desk(Nobody):
    """A service that hears `tests.tones`, and what has come of the requests to it."""

    def __init__(self, *, patience_s: float = 5.0, hears: bool = True) -> None:
        self.answers: list[tuple[Input, Answer]] = []
        self.conversations = Conversations(PROFILES, self)
        self.service = Service(self.conversations, Agent(hears), lambda: ToneEar(tones.Ear()), self)
        self._patience_s = patience_s

    def answered(self, conversation: str, said: Input, answer: Answer) -> None:  # noqa: ARG002
        self.answers.append((said, answer))

    def participant(self, profile: str = "demo") -> str:
        """Begin a conversation; gives the caller's name."""
        request = dialogflow.CreateConversationRequest(
            parent=PLACE,
            conversation={"conversation_profile": f"{PLACE}/conversationProfiles/{profile}"},
        )
        conversation = self.conversations.create(request)
        caller = dialogflow.CreateParticipantRequest(
            parent=conversation.name, participant={"role": "END_USER"}
        )
        return str(self.conversations.create_participant(caller).name)

    def analyze(self, participant: str, *faults: Fault, **fields: Any) -> Any:
        """Send a request without a stream."""
        request = dialogflow.AnalyzeContentRequest(participant=participant, **fields)
        return self.service.analyze_content(
            request, CallFaults([Order(fault, None) for fault in faults])
        )

    def stream(self, messages: Iterable[Any], *faults: Fault) -> list[Any]:
        """Send a stream; gives all responses. `Refused` has them in its `__notes__`, as texts."""
        incoming = list(messages)
        is_session = isinstance(incoming[0], dialogflow.StreamingDetectIntentRequest)
        method = (
            self.service.streaming_detect_intent
            if is_session
            else self.service.streaming_analyze_content
        )
        queue = Messages(open_ended(incoming), self._patience_s, lambda _: None)
        responses = []
        try:
            for response in method(queue, CallFaults([Order(fault, None) for fault in faults])):
                responses.append(response)  # noqa: PERF402 - may end with an exception
        except Refused as refused:
            for each in responses:
                refused.add_note(kind(each))
            raise
        return responses

    def refusal(self, messages: Iterable[Any], *faults: Fault) -> tuple[str, list[str]]:
        """The status that a stream ends with, and the kinds of the responses before."""
        try:
            return "OK", [kind(each) for each in self.stream(messages, *faults)]
        except Refused as refused:
            return refused.code.name, getattr(refused, "__notes__", [])
        except Gone:
            return "CANCELLED", []


NEVER_CLOSED = object()
"""At the end of a stream's messages: the client does not half-close."""


def open_ended(messages: Iterable[Any]) -> Iterator[Any]:
    for message in messages:
        if message is NEVER_CLOSED:
            Event().wait()
        yield message


def kind(response: Any) -> str:
    """What a response brings, in a word."""
    result = response.recognition_result
    if result.message_type:
        final = " final" if result.is_final else ""
        return f"{result.message_type.name} {result.transcript}{final}".strip()
    if isinstance(response, dialogflow.StreamingDetectIntentResponse):
        return f"REPLY {response.query_result.intent.display_name}"
    reply = response.automated_agent_reply
    return f"{reply.automated_agent_reply_type.name} {response.reply_text}"


def first(participant: str, **fields: Any) -> dialogflow.StreamingAnalyzeContentRequest:
    """A participant's first message."""
    return dialogflow.StreamingAnalyzeContentRequest(
        participant=participant,
        **{"audio_config": MULAW, "reply_audio_config": SPOKEN, **fields},
    )


def first_of_session(**fields: Any) -> dialogflow.StreamingDetectIntentRequest:
    """A session's first message."""
    usual = {
        "session": SESSION,
        "query_input": {"audio_config": MULAW},
        "output_audio_config": SPOKEN,
    }
    return dialogflow.StreamingDetectIntentRequest(**{**usual, **fields})


def audio(text: str, message: type[Any] = dialogflow.StreamingAnalyzeContentRequest) -> list[Any]:
    """The messages of a sentence in the words of `tests.tones`."""
    mulaw = audioop.lin2ulaw(tones.speech(text), 2)
    return [message(input_audio=mulaw[at : at + _PIECE]) for at in range(0, len(mulaw), _PIECE)]


def silence(seconds: float) -> list[Any]:
    """Messages of silence, of half a second each."""
    piece = b"\xff" * 4000
    message = dialogflow.StreamingAnalyzeContentRequest(input_audio=piece)
    return [message] * round(seconds * 2)
