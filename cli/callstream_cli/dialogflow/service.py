"""The methods that talk with the agent, without gRPC: requests in, responses out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.cloud import dialogflow_v2 as dialogflow

from callstream_cli.dialogflow import requests
from callstream_cli.dialogflow.agent import Agent, Answer, Input
from callstream_cli.dialogflow.conversations import Conversations, Talk
from callstream_cli.dialogflow.faults import CallFaults
from callstream_cli.dialogflow.hearing import Ear
from callstream_cli.dialogflow.refused import invalid
from callstream_cli.dialogflow.replies import Exchange, Wishes
from callstream_cli.dialogflow.streams import Listening, Messages, Piece
from callstream_cli.dialogflow.watching import Watcher

_NOTHING: Final = Input()
_SILENCE: Final = Input(event="NO_SPEECH_RECOGNIZED")
_LONGEST_REQUEST_ID: Final = 36
# The pause between replies that have no end.
_ENDLESS_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Service:
    """The methods of Participants and Sessions that the agent answers.

    Args:
        conversations: what has begun.
        agent: answers.
        new_ear: makes an ear for a stream.
        watcher: learns of each input and its answer.
    """

    conversations: Conversations
    agent: Agent
    new_ear: Callable[[], Ear]
    watcher: Watcher

    def analyze_content(
        self, request: dialogflow.AnalyzeContentRequest, faults: CallFaults
    ) -> dialogflow.AnalyzeContentResponse:
        """Answer a text or an event of a participant."""
        talk = self.conversations.of_participant(request.participant)
        id_ = request.request_id
        if len(id_) > _LONGEST_REQUEST_ID or not id_.isascii():
            raise invalid(f"request_id has more than {_LONGEST_REQUEST_ID} ASCII characters")
        wishes = requests.wishes(request, request.reply_audio_config, faults)
        if "event_input" in request:
            said = requests.event_input(request.event_input)
        elif "text_input" in request:
            said = requests.text_input(request.text_input)
        else:
            raise invalid("neither text_input nor event_input is set; audio comes in streams")
        faults.reach("reply")
        if id_ not in talk.responses:
            response = self._exchange(talk, said, wishes).whole_reply()
            if not id_:
                return response
            talk.responses[id_] = response
        faults.reach("end")
        return talk.responses[id_]

    def streaming_analyze_content(
        self, messages: Messages, faults: CallFaults
    ) -> Iterator[dialogflow.StreamingAnalyzeContentResponse]:
        """Hear a participant, and answer."""
        first = messages.first()
        talk = self.conversations.of_participant(first.participant)
        yield from self._converse(requests.ParticipantStream(first, talk, faults), messages, faults)

    def streaming_detect_intent(
        self, messages: Messages, faults: CallFaults
    ) -> Iterator[dialogflow.StreamingDetectIntentResponse]:
        """Hear somebody in a session, and answer."""
        first = messages.first()
        talk = self.conversations.session(first.session)
        yield from self._converse(requests.SessionStream(first, talk, faults), messages, faults)

    def _converse(
        self, stream: requests.Stream, messages: Messages, faults: CallFaults
    ) -> Iterator[Any]:
        faults.reach("start")

        def pieces() -> Piece | None:
            message = messages.next()
            return None if message is None else stream.piece(message)

        said = stream.said or _NOTHING
        if stream.config is None:
            while (piece := pieces()) is not None:
                said = Input(text=piece.text or "", digits=piece.digits or "")
            if said == _NOTHING:
                raise invalid("after text_config, input_text must follow")
        else:
            listening = Listening(stream.config, stream.is_single_utterance, self.new_ear, faults)
            for result in listening.results(pieces):
                yield stream.recognised(result)
            said = listening.said
            if said == _NOTHING and stream.reports_silence:
                said = _SILENCE
        faults.reach("reply")
        if faults.reply == "hang":
            faults.wait(None)
        if faults.reply != "none":
            exchange = self._exchange(stream.talk, said, stream.wishes)
            while faults.reply == "endless":
                yield stream.partial_reply(exchange)
                faults.wait(_ENDLESS_S)
            yield from stream.replies(exchange)
        faults.reach("end")

    def _exchange(self, talk: Talk, said: Input, wishes: Wishes) -> Exchange:
        """Let the agent answer; from now on, it has acted."""
        is_assisted = talk.is_assisted
        given = Answer() if said == _NOTHING or is_assisted else self.agent.answer(said)
        talk.takes_keys = given.takes_keys
        if talk.profile_name and talk.profile.api == "es" and given.hands_off:
            # From now on, a human answers.
            talk.is_assisted = True
        self.watcher.answered(talk.name, said, given)
        return Exchange(talk, said, given, wishes, is_assisted=is_assisted)
