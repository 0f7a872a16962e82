"""The agent in memory keeps the promises of the port, as the real one does."""

import pytest

from callstream.dialogues.virtual_agent import AgentFailed, Remedy, Reply
from tests.unit.dialogues.agent_conformance import AgentConformance
from tests.unit.dialogues.scripted_agent import PAUSE_MS, ScriptedAgent, tone
from tests.unit.transcription.scripted_engine import sound


class ScriptedSubject:
    """A service whose agent answers everything."""

    # No byte of the word is 0.
    speech = sound(0x0707, 500) + sound(0, PAUSE_MS + 100)

    def __init__(self) -> None:
        self.made = ScriptedAgent(
            greeting=[Reply(tone(1, 500), "welcome")], silence=[Reply(tone(2, 500), "hello?")]
        )

    def agent(self) -> ScriptedAgent:
        return self.made

    def acted(self) -> int:
        return len(self.made.acted)

    def fail(self, remedy: Remedy) -> None:
        self.made.failures.append(AgentFailed("fault", remedy))


class TestScriptedAgent(AgentConformance):
    @pytest.fixture
    @staticmethod
    def subject() -> ScriptedSubject:
        return ScriptedSubject()
