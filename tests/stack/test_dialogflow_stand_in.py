"""The stand-in for Dialogflow, with Google's own client, over gRPC on this machine."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import audioop
import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import dialogflow_v2 as dialogflow
from google.cloud.dialogflow_v2.services.conversation_profiles.transports import (
    ConversationProfilesGrpcTransport,
)
from google.cloud.dialogflow_v2.services.conversations.transports import (
    ConversationsGrpcTransport,
)
from google.cloud.dialogflow_v2.services.participants.transports import ParticipantsGrpcTransport
from google.cloud.dialogflow_v2.services.sessions.transports import SessionsGrpcTransport

from callstream.adapters.speech import moonshine
from callstream_cli import audio
from callstream_cli.dialogflow.faults import Fault
from callstream_cli.dialogflow.offline import OfflineEars
from callstream_cli.dialogflow.script import TEXTS, Speech
from callstream_cli.dialogflow.server import FakeDialogflow
from tests import tones
from tests.dialogflow import fake_dialogflow

PLACE = "projects/p/locations/global"
PROFILE = f"{PLACE}/conversationProfiles/demo"
SPOKEN = dialogflow.OutputAudioConfig(
    audio_encoding="OUTPUT_AUDIO_ENCODING_MULAW", sample_rate_hertz=8000
)
HEARD = dialogflow.InputAudioConfig(
    audio_encoding="AUDIO_ENCODING_MULAW",
    sample_rate_hertz=8000,
    language_code="en-US",
    single_utterance=True,
)
_PIECE = 800
_SECONDS = 20.0


class Client:
    """Google's client of one conversation."""

    def __init__(self, server: FakeDialogflow, *options: tuple[str, Any]) -> None:
        channel = grpc.insecure_channel(server.address, options=options)
        self.profiles = dialogflow.ConversationProfilesClient(
            transport=ConversationProfilesGrpcTransport(channel=channel)
        )
        self.conversations = dialogflow.ConversationsClient(
            transport=ConversationsGrpcTransport(channel=channel)
        )
        self.participants = dialogflow.ParticipantsClient(
            transport=ParticipantsGrpcTransport(channel=channel)
        )
        self.sessions = dialogflow.SessionsClient(transport=SessionsGrpcTransport(channel=channel))
        self.participant = ""

    def begin(self) -> str:
        conversation = self.conversations.create_conversation(
            parent=PLACE,
            conversation=dialogflow.Conversation(conversation_profile=PROFILE),
            timeout=_SECONDS,
        )
        self.participant = self.participants.create_participant(
            parent=conversation.name,
            participant=dialogflow.Participant(role="END_USER"),
            timeout=_SECONDS,
        ).name
        return str(conversation.name)

    def greet(self) -> Any:
        request = dialogflow.AnalyzeContentRequest(
            participant=self.participant,
            event_input={"name": "WELCOME", "language_code": "en-US"},
            reply_audio_config=SPOKEN,
        )
        return self.participants.analyze_content(request, timeout=_SECONDS, retry=None)

    def turn(self, mulaw: Iterable[bytes]) -> list[Any]:
        """Speak until the end of the utterance, and half-close then."""
        is_over = Event()

        def requests() -> Iterator[Any]:
            yield dialogflow.StreamingAnalyzeContentRequest(
                participant=self.participant, audio_config=HEARD, reply_audio_config=SPOKEN
            )
            for piece in mulaw:
                if is_over.is_set():
                    return
                yield dialogflow.StreamingAnalyzeContentRequest(input_audio=piece)

        responses = []
        for response in self.participants.streaming_analyze_content(requests(), timeout=_SECONDS):
            responses.append(response)
            if response.recognition_result.message_type.name == "END_OF_SINGLE_UTTERANCE":
                is_over.set()
        return responses


def spoken(text: str) -> list[bytes]:
    mulaw = audioop.lin2ulaw(tones.speech(text), 2)
    return [mulaw[at : at + _PIECE] for at in range(0, len(mulaw), _PIECE)]


def greet_in_session(client: Client) -> list[Any]:
    request = dialogflow.StreamingDetectIntentRequest(
        session="projects/p/agent/sessions/s1",
        query_input={"event": {"name": "WELCOME", "language_code": "en-US"}},
        output_audio_config=SPOKEN,
    )
    return list(client.sessions.streaming_detect_intent(iter([request]), timeout=_SECONDS))


def test_googles_client_has_a_dialogue() -> None:
    with fake_dialogflow() as server:
        client = Client(server)
        conversation = client.begin()
        profile = client.profiles.get_conversation_profile(name=PROFILE, timeout=_SECONDS)

        greeting = client.greet()
        *_, final = client.turn(spoken("bill"))
        completed = client.conversations.complete_conversation(name=conversation, timeout=_SECONDS)

        assert profile.language_code == "en-US"
        assert greeting.reply_audio.audio == Speech("welcome").audio
        assert final.reply_text == TEXTS["bill"]
        assert completed.lifecycle_state.name == "COMPLETED"
        assert [(call.method, call.status) for call in server.calls] == [
            ("CreateConversation", "OK"),
            ("CreateParticipant", "OK"),
            ("GetConversationProfile", "OK"),
            ("AnalyzeContent", "OK"),
            ("StreamingAnalyzeContent", "OK"),
            ("CompleteConversation", "OK"),
        ]
        [stream] = server.of("StreamingAnalyzeContent")
        assert stream.is_half_closed
        assert stream.request.reply_audio_config == SPOKEN
        sent = b"".join(spoken("bill"))
        assert bytes(stream.audio) == sent[: len(stream.audio)]


def test_a_session_of_an_es_agent_needs_no_profile() -> None:
    with fake_dialogflow() as server:
        [reply] = greet_in_session(Client(server))

        assert reply.output_audio == Speech("welcome").audio


def test_a_client_that_gives_up_lets_the_agent_do_nothing() -> None:
    with fake_dialogflow() as server:
        client = Client(server)
        client.begin()
        is_over = Event()

        def requests() -> Iterator[Any]:
            yield dialogflow.StreamingAnalyzeContentRequest(
                participant=client.participant, audio_config=HEARD
            )
            for piece in spoken("goodbye"):
                yield dialogflow.StreamingAnalyzeContentRequest(input_audio=piece)
            is_over.wait()

        # The generated types name only what all streams are.
        participants: Any = client.participants
        stream = participants.streaming_analyze_content(requests(), timeout=_SECONDS)
        next(iter(stream))
        stream.cancel()

        assert server.wait_for(lambda now: now.calls[-1].status == "CANCELLED")
        is_over.set()
        assert not any(each.automated_agent_reply for each in server.calls[-1].responses)


@pytest.mark.parametrize("status", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "OUT_OF_RANGE"])
def test_a_client_learns_the_status_that_was_ordered(status: str) -> None:
    with fake_dialogflow() as server:
        client = Client(server)
        client.begin()
        method = "StreamingAnalyzeContent"
        server.misbehave(Fault(method=method, at="audio", status=grpc.StatusCode[status]))

        with pytest.raises(GoogleAPICallError) as caught:
            client.turn(spoken("bill"))

        assert caught.value.grpc_status_code is grpc.StatusCode[status]
        # The next stream is not struck.
        assert client.turn(spoken("bill"))[-1].reply_text == TEXTS["bill"]


def test_a_stop_ends_what_hangs() -> None:
    with ThreadPoolExecutor(1) as threads:
        with fake_dialogflow() as server:
            client = Client(server)
            client.begin()
            server.misbehave(Fault(reply="hang"))
            # Google's client waits for the first response.
            turn = threads.submit(client.turn, [])
            # Not `calls[-1]`: that may still be the call before, which is half-closed, too.
            assert server.wait_for(
                lambda now: any(call.is_half_closed for call in now.of("StreamingAnalyzeContent"))
            )
        with pytest.raises(GoogleAPICallError, match=r"499|503"):
            turn.result()


def test_a_clients_authority_says_which_region_it_calls() -> None:
    with fake_dialogflow() as server:
        elsewhere = "europe-west1-dialogflow.googleapis.com"
        client = Client(server, ("grpc.default_authority", elsewhere))
        with pytest.raises(GoogleAPICallError, match="europe-west1"):
            client.begin()
        with pytest.raises(GoogleAPICallError, match="europe-west1"):
            greet_in_session(client)
        Client(server, ("grpc.default_authority", "dialogflow.googleapis.com")).begin()


def test_a_taken_port_is_refused() -> None:
    with fake_dialogflow() as server, pytest.raises(OSError, match="Address already in use"):
        fake_dialogflow(port=server.port)


@pytest.mark.skipif(
    not (moonshine.is_supported() and moonshine.find()), reason="no offline engine here"
)
def test_the_offline_engine_hears_the_caller() -> None:
    [caller] = audio.load(audio.DIALOGUE_RECORDING).values()
    pieces = iter([caller[at : at + _PIECE] for at in range(0, len(caller), _PIECE)])
    with OfflineEars() as ears, FakeDialogflow(ears.new) as server:
        client = Client(server)
        client.begin()

        *_, final = client.turn(pieces)

        assert final.reply_text.startswith(TEXTS["looking"])
