"""The client of Dialogflow, with a stand-in that speaks Google's gRPC."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, override

import grpc
import pytest

from callstream.adapters.google import participants, turn
from callstream.adapters.google.dialogflow import DialogflowAgent
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialogues.connections import AgentConnection
from callstream.dialogues.virtual_agent import (
    AgentFailed,
    Dialogue,
    DialogueEnd,
    DialogueTerms,
    Heard,
    Remedy,
    Reply,
    Sentiment,
    TurnEvent,
)
from callstream_cli.dialogflow.agent import Answer, Input
from callstream_cli.dialogflow.faults import Fault
from callstream_cli.dialogflow.watching import Nobody
from tests import tones
from tests.dialogflow import fake_dialogflow, scripted_dialogflow
from tests.unit.dialogues.agent_conformance import (
    AgentConformance,
    answer,
    begun,
    feed,
    replies,
    rest,
    run,
)

CX: Final = AgentConnection(
    key_version="1",
    tenant_id="acme",
    connection_id="1",
    project_id="calls-1",
    api="cx",
    location="europe-west1",
    conversation_profile_id="demo",
)
ES: Final = CX.model_copy(update={"api": "es", "conversation_profile_id": "demo-es"})
ES_WITHOUT_PROFILE: Final = ES.model_copy(
    update={"conversation_profile_id": None, "environment": "live"}
)
STATUSES: Final[Mapping[Remedy, grpc.StatusCode]] = {
    "repeat": grpc.StatusCode.UNAVAILABLE,
    "renew": grpc.StatusCode.OUT_OF_RANGE,
    "wait": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "none": grpc.StatusCode.PERMISSION_DENIED,
}


SPEECH: Final = tones.speech("address please")
KINDS: Final = pytest.mark.parametrize(
    "google", [CX, ES, ES_WITHOUT_PROFILE], ids=["cx", "es", "es-without-profile"], indirect=True
)


class Google(Nobody):
    """The stand-in, and a connection to it. It hears tones, or a script of sentences."""

    speech = SPEECH

    def __init__(
        self, connection: AgentConnection, script: Sequence[str] = (), **options: Any
    ) -> None:
        self.connection = connection
        self.inputs: list[Input] = []
        options["watcher"] = self
        self.fake = scripted_dialogflow(script, **options) if script else fake_dialogflow(**options)
        self.stream = (
            "StreamingAnalyzeContent"
            if connection.conversation_profile_id
            else "StreamingDetectIntent"
        )

    def agent(self) -> DialogflowAgent:
        return DialogflowAgent(self.connection, "{}", self.fake.address)

    def acted(self) -> int:
        return len(self.inputs)

    @override
    def answered(self, conversation: str, said: Input, answer: Answer) -> None:
        if answer.intent:
            self.inputs.append(said)

    def fail(self, remedy: Remedy) -> None:
        self.fail_stream(at="utterance", status=STATUSES[remedy])

    def fail_stream(self, **fault: Any) -> None:
        """Let the next turn fail."""
        self.fake.misbehave(Fault(method=self.stream, **fault))

    def ask(self, *turns: bytes, terms: DialogueTerms | None = None) -> list[TurnEvent]:
        """The events of turns with this audio, in a dialogue of their own."""

        async def act() -> list[TurnEvent]:
            async with begun(self, terms) as dialogue:
                return [event for audio in turns for event in await answer(dialogue, audio)]

        return run(act())


@pytest.fixture
def google(request: pytest.FixtureRequest) -> Iterator[Google]:
    google = Google(getattr(request, "param", CX))
    with google.fake:
        yield google


@KINDS
class TestDialogflow(AgentConformance):
    @pytest.fixture
    @staticmethod
    def subject(google: Google) -> Google:
        return google


REASONS: Final = {
    grpc.StatusCode.ABORTED: "aborted",
    grpc.StatusCode.DEADLINE_EXCEEDED: "no_answer",
    grpc.StatusCode.FAILED_PRECONDITION: "wrong_state",
    grpc.StatusCode.INTERNAL: "internal_failure",
    grpc.StatusCode.INVALID_ARGUMENT: "bad_request",
    grpc.StatusCode.NOT_FOUND: "not_found",
    grpc.StatusCode.OUT_OF_RANGE: "stream_over",
    grpc.StatusCode.PERMISSION_DENIED: "access_denied",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "quota_exceeded",
    grpc.StatusCode.UNAUTHENTICATED: "key_refused",
    grpc.StatusCode.UNAVAILABLE: "unavailable",
}


def test_eighty_streams_that_are_aborted_while_audio_is_sent_show_their_true_status(
    google: Google,
) -> None:
    statuses = [*REASONS] * 8

    async def failure(dialogue: Dialogue, status: grpc.StatusCode) -> str:
        google.fail_stream(at="audio", after_s=0.5, status=status)
        with pytest.raises(AgentFailed) as failed:
            # 10 s of audio: the stream ends while requests are being written.
            await answer(dialogue, tones.quiet(10_000), piece_ms=20)
        return failed.value.reason

    async def act() -> list[str]:
        async with begun(google) as dialogue:
            return [await failure(dialogue, status) for status in statuses]

    assert len(statuses) > 80
    assert run(act()) == [REASONS[status] for status in statuses]


@KINDS
def test_failure_after_the_last_reply_means_nothing(google: Google) -> None:
    google.fail_stream(at="end", status=grpc.StatusCode.INTERNAL)

    assert len(replies(google.ask(SPEECH))) == 1


@KINDS
def test_turn_to_which_google_does_not_reply_ends_without_a_failure(google: Google) -> None:
    google.fail_stream(reply="none")
    events = google.ask(SPEECH)

    assert not replies(events)
    assert isinstance(events[-1], Heard)


@KINDS
def test_reply_that_never_comes_is_waited_for_for_a_while(
    google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "_ANSWER_SECONDS", 0.2)
    google.fail_stream(reply="hang")
    with pytest.raises(AgentFailed) as failed:
        google.ask(SPEECH)

    assert (failed.value.reason, failed.value.remedy) == ("no_answer", "repeat")


def test_request_that_is_never_answered_has_a_deadline(
    google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(participants, "ANSWER_SECONDS", 0.2)
    google.fake.misbehave(Fault(method="AnalyzeContent", slow_s=60))

    async def act() -> None:
        async with begun(google) as dialogue:
            await dialogue.greet()

    with pytest.raises(AgentFailed) as failed:
        run(act())
    assert (failed.value.reason, failed.value.remedy) == ("no_answer", "repeat")


def test_partial_replies_without_an_end_fail_the_turn(google: Google) -> None:
    google.fail_stream(reply="endless")
    with pytest.raises(AgentFailed) as failed:
        google.ask(SPEECH, terms=DialogueTerms(partial_replies=True))

    assert (failed.value.reason, failed.value.remedy) == ("endless_reply", "none")


@pytest.mark.parametrize(
    "wanted", [PCMU_8K, AudioFormat("PCMA", 8000, 1), AudioFormat("L16", 8000, 1)]
)
@KINDS
def test_reply_is_in_the_format_of_the_call_without_a_header(
    google: Google, wanted: AudioFormat
) -> None:
    terms = DialogueTerms(reply_format=wanted)
    (usual,) = replies(google.ask(SPEECH, terms=terms))
    google.fail_stream(audio="wav")
    (with_header,) = replies(google.ask(SPEECH, terms=terms))

    assert len(usual.audio) > 8000
    assert len(usual.audio) % wanted.sample_bytes == 0
    assert with_header.audio == usual.audio


@KINDS
def test_reply_whose_header_names_another_format_is_not_played_as_noise(google: Google) -> None:
    google.fail_stream(audio="rate")
    with pytest.raises(AgentFailed) as failed:
        google.ask(SPEECH, terms=DialogueTerms(reply_format=AudioFormat("L16", 8000, 1)))

    assert (failed.value.reason, failed.value.remedy) == ("reply_format", "none")


def test_partial_replies_come_if_asked_for_and_are_uninterruptible() -> None:
    google = Google(CX, ["there is no water"] * 2)
    with google.fake:
        parts = replies(google.ask(SPEECH, terms=DialogueTerms(partial_replies=True)))
        (whole,) = replies(google.ask(SPEECH))

    assert [(part.is_partial, part.is_uninterruptible) for part in parts] == [
        (True, True),
        (False, False),
    ]
    assert (whole.is_partial, whole.is_uninterruptible) == (False, False)
    assert b"".join(part.audio for part in parts) == whole.audio


@pytest.mark.parametrize(
    ("connection", "intent"),
    [
        (CX, "/agents/00000000-0000-4000-8000-000000000000/intents/bill"),
        (ES, "bill"),
        (ES_WITHOUT_PROFILE, "bill"),
    ],
)
def test_reply_has_what_the_agent_has_understood_and_sentiment_if_asked_for(
    connection: AgentConnection, intent: str
) -> None:
    google = Google(connection, ["an awful bill"] * 2)
    with google.fake:
        (rated,) = replies(google.ask(SPEECH, terms=DialogueTerms(analyzes_sentiment=True)))
        (unrated,) = replies(google.ask(SPEECH))

    assert rated.intent is not None
    assert rated.intent.endswith(intent)
    assert rated.text.startswith("Please type your account number")
    assert rated.match_confidence == 1.0
    assert rated.sentiment == Sentiment(-0.8, 0.9)
    assert unrated.sentiment is None


@pytest.mark.parametrize(
    ("connection", "said", "end"),
    [
        (CX, "goodbye", DialogueEnd("end_interaction")),
        (
            CX,
            "a human",
            DialogueEnd("live_agent_handoff", {"reason": "the caller wants a person"}),
        ),
        (CX, "an emergency", DialogueEnd("transfer", destination="+15005550100")),
        (ES, "goodbye", DialogueEnd("end_interaction")),
        (ES, "a human", DialogueEnd("live_agent_handoff")),
        (ES_WITHOUT_PROFILE, "goodbye", DialogueEnd("end_interaction")),
        (ES_WITHOUT_PROFILE, "a human", DialogueEnd("live_agent_handoff")),
    ],
)
def test_reply_says_how_the_agent_ends_the_dialogue(
    connection: AgentConnection, said: str, end: DialogueEnd
) -> None:
    google = Google(connection, [said])
    with google.fake:
        (reply,) = replies(google.ask(SPEECH))

    assert reply.end == end
    assert reply.audio


@pytest.mark.parametrize(
    ("connection", "is_asked", "said"),
    [
        (CX, True, Input(digits="12#")),
        (CX, False, Input(text="12#")),
        (ES, True, Input(digits="12#")),
        (ES_WITHOUT_PROFILE, True, Input(text="12#")),
    ],
)
@pytest.mark.parametrize("is_resumed", [False, True])
def test_keys_go_as_keys_if_the_agent_has_asked_for_keys_and_as_text_otherwise(
    connection: AgentConnection, said: Input, *, is_asked: bool, is_resumed: bool
) -> None:
    google = Google(connection, ["my bill" if is_asked else "your hours"])

    async def act() -> None:
        async with begun(google) as dialogue:
            (reply,) = replies(await answer(dialogue, SPEECH))
            assert (reply.keys is not None) == (is_asked and connection is not ES_WITHOUT_PROFILE)
            successor = google.agent()
            resumed = await successor.resume(DialogueTerms(), dialogue.session)
            keys = await (resumed if is_resumed else dialogue).listen()
            keys.press("12#", are_wanted=reply.keys is not None)
            keys.finish()
            await rest(keys)
            await keys.close()
            await successor.close()

    with google.fake:
        run(act())
    assert google.inputs[-1] == said


@pytest.mark.parametrize("is_resumed", [False, True])
def test_greeting_that_is_repeated_after_a_failure_greets_once(
    google: Google, *, is_resumed: bool
) -> None:
    google.fake.misbehave(
        Fault(method="AnalyzeContent", at="end", status=grpc.StatusCode.UNAVAILABLE)
    )

    async def act() -> list[Reply]:
        async with begun(google) as dialogue:
            with pytest.raises(AgentFailed) as failed:
                await dialogue.greet()
            assert failed.value.remedy == "repeat"
            silence = await dialogue.report_silence()
            successor = google.agent()
            resumed = await successor.resume(DialogueTerms(), dialogue.session)
            greeting = await (resumed if is_resumed else dialogue).greet()
            await dialogue.report_silence()
            await successor.close()
            return [*greeting, *silence]

    greeting, silence = run(act())

    assert [said.event for said in google.inputs] == [
        "WELCOME",
        "sys.no-input-default",
        "sys.no-input-default",
    ]
    assert greeting.text.startswith("Hello")
    assert silence.text != greeting.text


def test_key_that_may_not_read_the_profile_may_still_talk(google: Google) -> None:
    google.fake.misbehave(
        Fault(method="GetConversationProfile", status=grpc.StatusCode.PERMISSION_DENIED)
    )

    assert len(replies(google.ask(SPEECH))) == 1
    (stream,) = google.fake.of("StreamingAnalyzeContent")
    assert stream.request.audio_config.language_code == "en-US"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "key_refused"),
        (grpc.StatusCode.NOT_FOUND, "not_found"),
        (grpc.StatusCode.UNAVAILABLE, "unavailable"),
    ],
)
@pytest.mark.parametrize(
    "method", ["GetConversationProfile", "CreateConversation", "CreateParticipant"]
)
def test_dialogue_that_google_refuses_does_not_begin(
    google: Google, method: str, status: grpc.StatusCode, reason: str
) -> None:
    google.fake.misbehave(Fault(method=method, status=status))
    with pytest.raises(AgentFailed) as failed:
        google.ask()

    assert failed.value.reason == reason
    assert len(google.fake.of(method)) == 1, "not by the library, which repeats for minutes"


@KINDS
def test_connection_to_another_location_than_the_agents_is_named_as_the_reason(
    google: Google,
) -> None:
    elsewhere = Google(google.connection, location="us-central1")
    with elsewhere.fake, pytest.raises(AgentFailed) as failed:
        elsewhere.ask(SPEECH)

    assert (failed.value.reason, failed.value.remedy) == ("wrong_location", "none")


def test_service_that_is_not_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    agent = DialogflowAgent(CX, "{}", f"127.0.0.1:{port}")
    with pytest.raises(AgentFailed) as failed:
        run(agent.begin(DialogueTerms(), "a-dialogue"))

    assert (failed.value.reason, failed.value.remedy) == ("unavailable", "repeat")


def test_agent_that_is_closed_gives_up_what_waits_for_an_answer(google: Google) -> None:
    google.fake.misbehave(Fault(method="CreateParticipant", slow_s=60))

    async def act() -> None:
        agent = google.agent()
        beginning = asyncio.create_task(agent.begin(DialogueTerms(), "a-dialogue"))
        is_asked = partial(google.fake.wait_for, lambda fake: bool(fake.of("CreateParticipant")))
        assert await asyncio.to_thread(is_asked)
        await agent.close()
        with pytest.raises(AgentFailed) as failed:
            await beginning
        assert failed.value.reason == "aborted"

    run(act())


def test_greeting_that_is_given_up_is_cancelled() -> None:
    google = Google(ES_WITHOUT_PROFILE)
    google.fail_stream(reply="hang")

    async def act() -> None:
        async with begun(google) as dialogue:
            greeting = asyncio.create_task(dialogue.greet())
            is_asked = partial(google.fake.wait_for, lambda fake: bool(fake.of(google.stream)))
            assert await asyncio.to_thread(is_asked)
            greeting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await greeting
            is_over = partial(google.fake.wait_for, lambda fake: bool(fake.calls[0].status))
            assert await asyncio.to_thread(is_over)

    with google.fake:
        run(act())
    assert google.fake.calls[0].status == "CANCELLED"


def test_dialogue_that_ends_completes_its_conversation(google: Google) -> None:
    async def act() -> str:
        async with begun(google) as dialogue:
            await dialogue.end()
            return dialogue.session

    session = run(act())

    (completed,) = google.fake.of("CompleteConversation")
    assert session.startswith(f"{completed.request.name}/participants/")


@KINDS
def test_turn_that_is_closed_is_cancelled_before_the_agent_acts_and_leaves_no_thread(
    google: Google,
) -> None:
    async def act() -> None:
        async with begun(google) as dialogue:
            for _ in range(10):
                listening = await dialogue.listen()
                await feed(listening, SPEECH.rstrip(b"\0"))
                await listening.close()
                assert await listening.receive() is None

    run(act())

    assert not [each for each in threading.enumerate() if each.name == "dialogflow-turn"]
    assert google.fake.wait_for(lambda fake: all(call.status for call in fake.of(google.stream)))
    streams = google.fake.of(google.stream)
    assert {(stream.status, stream.is_half_closed) for stream in streams} == {("CANCELLED", False)}
    assert not google.inputs
