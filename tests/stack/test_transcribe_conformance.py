"""Amazon Transcribe's engine, behind its stand-in, does what every engine does. Needs no stack."""

import asyncio
from collections.abc import Iterator

import pytest
from botocore.session import get_session
from websockets.protocol import State

from callstream.adapters.aws.transcribe import TranscribeEngine, TranscribeSession
from callstream.transcription.engine import Engine, Session
from tests.transcribe_stand_in import StandIn
from tests.unit.transcription.engine_conformance import EngineConformance, Line, Subject


class Scripted:
    """The engine; its stand-in learns each line before it is spoken."""

    wrong_words = 0.0
    tolerance_ms = 300  # of silence that the recordings begin and end with

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        session = get_session()
        session.set_config_variable("region", "us-east-1")
        session.set_credentials("test", "test")
        self.engine: Engine = TranscribeEngine(session, stand_in.url)

    def expect(self, lines: list[Line]) -> None:
        self._stand_in.script = {
            number: iter([line.text for line in lines if line.channel == number])
            for number in (0, 1)
        }

    async def crash(self, session: Session) -> None:
        assert isinstance(session, TranscribeSession)
        # The stand-in may come to know of the session only now.
        while session._connection.state is State.OPEN:  # changed by another thread
            self._stand_in.cut()
            await asyncio.sleep(0.01)


class TestTranscribe(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls) -> Iterator[Subject]:
        with StandIn().running() as stand_in:
            yield Scripted(stand_in)
