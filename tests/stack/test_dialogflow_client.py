"""The client of Dialogflow, with a stand-in that speaks Google's gRPC and hears tones."""

from collections.abc import Iterator, Mapping
from typing import Final

import grpc
import pytest

from callstream.adapters.google.dialogflow import DialogflowAgent
from callstream.dialogues.connections import AgentConnection
from callstream.dialogues.virtual_agent import Remedy
from callstream_cli.dialogflow.agent import Answer, Input
from callstream_cli.dialogflow.faults import Fault
from tests import tones
from tests.dialogflow import fake_dialogflow
from tests.unit.dialogues.agent_conformance import AgentConformance

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


class Google:
    """The stand-in with a connection to it."""

    speech = tones.speech("address please")

    def __init__(self, connection: AgentConnection) -> None:
        self.connection = connection
        self.inputs: list[Input] = []
        self.fake = fake_dialogflow(notice=self._notice)
        self.stream = (
            "StreamingAnalyzeContent"
            if connection.conversation_profile_id
            else "StreamingDetectIntent"
        )

    def agent(self) -> DialogflowAgent:
        return DialogflowAgent(self.connection, "{}", self.fake.address)

    def answered(self) -> int:
        return len(self.inputs)

    def fail(self, remedy: Remedy) -> None:
        self.fake.misbehave(Fault(method=self.stream, at="utterance", status=STATUSES[remedy]))

    def _notice(self, _: str, said: Input, answer: Answer) -> None:
        if answer.intent:
            self.inputs.append(said)


@pytest.fixture
def google(request: pytest.FixtureRequest) -> Iterator[Google]:
    google = Google(getattr(request, "param", CX))
    with google.fake:
        yield google


@pytest.mark.parametrize(
    "google", [CX, ES, ES_WITHOUT_PROFILE], ids=["cx", "es", "es-without-profile"], indirect=True
)
class TestDialogflow(AgentConformance):
    @pytest.fixture
    @staticmethod
    def subject(google: Google) -> Google:
        return google
