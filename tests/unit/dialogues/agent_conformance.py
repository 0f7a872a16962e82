"""What every virtual agent does: the port's promises, as tests.

The tests of an agent inherit from `AgentConformance` and give a `subject`:

    class TestMyAgent(AgentConformance):
        @pytest.fixture
        @staticmethod
        def subject() -> Iterator[Subject]: ...
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import pytest

from callstream.dialogues.virtual_agent import (
    SAMPLE_RATE,
    AgentFailed,
    Dialogue,
    DialogueTerms,
    Heard,
    Remedy,
    Reply,
    SpeechBegan,
    Turn,
    TurnEvent,
    UtteranceEnded,
    VirtualAgent,
)

_PIECE_MS: Final = 100
# Longer than any agent takes, on a busy machine too.
_PATIENCE_S: Final = 60


class Subject(Protocol):
    """A service with an agent that greets, minds silence and answers everything.

    Attributes:
        speech: the audio of an utterance, with the pause after it.
    """

    speech: bytes

    def agent(self) -> VirtualAgent:
        """A client of the service, as a process has it."""

    def acted(self) -> int:
        """How many utterances and keys the agent has acted on."""

    def fail(self, remedy: Remedy) -> None:
        """Let the next turn fail where its utterance ends."""


@asynccontextmanager
async def begun(subject: Subject, terms: DialogueTerms | None = None) -> AsyncIterator[Dialogue]:
    """A dialogue that has begun."""
    agent = subject.agent()
    try:
        yield await agent.begin(terms or DialogueTerms(), "a-dialogue")
    finally:
        await agent.close()


async def feed(turn: Turn, audio: bytes, piece_ms: int = _PIECE_MS) -> None:
    """Feed a turn as fast as it takes the audio."""
    size = piece_ms * SAMPLE_RATE * 2 // 1000
    for at in range(0, len(audio), size):
        turn.feed(audio[at : at + size])
        await asyncio.sleep(0)


async def rest(turn: Turn) -> list[TurnEvent]:
    """All events until the turn is over; the audio ends with the utterance."""
    events = []
    while (event := await turn.receive()) is not None:
        events.append(event)
        if isinstance(event, UtteranceEnded):
            turn.finish()
    return events


async def answer(dialogue: Dialogue, audio: bytes, piece_ms: int = _PIECE_MS) -> list[TurnEvent]:
    """The events of a turn."""
    turn = await dialogue.listen()
    try:
        await feed(turn, audio, piece_ms)
        return await rest(turn)
    finally:
        await turn.close()


def replies(events: list[TurnEvent]) -> list[Reply]:
    """The replies among events."""
    return [event for event in events if isinstance(event, Reply)]


def finals(events: list[TurnEvent]) -> list[str]:
    """The final texts among events."""
    return [event.text for event in events if isinstance(event, Heard) and event.is_final]


def run[Result](act: Coroutine[Any, Any, Result]) -> Result:
    """Run ``act``, and fail if it hangs."""

    async def patiently() -> Result:
        async with asyncio.timeout(_PATIENCE_S):
            return await act

    return asyncio.run(patiently())


class AgentConformance:
    """What is asked of every agent."""

    def test_turn_hears_one_utterance_and_ends_with_the_reply_to_it(self, subject: Subject) -> None:
        async def act() -> list[TurnEvent]:
            async with begun(subject) as dialogue:
                return await answer(dialogue, subject.speech)

        events = run(act())
        kinds = [type(event) for event in events]

        assert kinds.index(SpeechBegan) < kinds.index(UtteranceEnded)
        assert kinds.count(UtteranceEnded) == 1
        assert len(finals(events)) == 1
        assert isinstance(events[-1], Reply)
        assert [reply.is_partial for reply in replies(events)] == [False]
        assert replies(events)[0].audio
        assert subject.acted() == 1

    def test_greeting_and_answer_to_silence_are_replies_of_their_own(
        self, subject: Subject
    ) -> None:
        async def act() -> tuple[list[Reply], list[Reply]]:
            async with begun(subject) as dialogue:
                return await dialogue.greet(), await dialogue.report_silence()

        greeting, silence = run(act())

        assert greeting[0].text != silence[0].text
        assert all(reply.audio and not reply.is_partial for reply in (*greeting, *silence))

    @pytest.mark.parametrize("piece_ms", [20, 1_000])
    def test_audio_of_any_size_of_pieces_is_understood_in_the_same_way(
        self, subject: Subject, piece_ms: int
    ) -> None:
        async def act() -> tuple[list[TurnEvent], list[TurnEvent]]:
            async with begun(subject) as dialogue:
                usual = await answer(dialogue, subject.speech)
                return usual, await answer(dialogue, subject.speech, piece_ms)

        usual, other = run(act())

        assert finals(other) == finals(usual)

    def test_turn_in_which_nobody_speaks_ends_without_a_reply(self, subject: Subject) -> None:
        async def act() -> list[TurnEvent]:
            async with begun(subject) as dialogue:
                turn = await dialogue.listen()
                await feed(turn, bytes(len(subject.speech)))
                turn.finish()
                events = await rest(turn)
                await turn.close()
                return events

        assert run(act()) == []
        assert subject.acted() == 0

    def test_audio_that_ends_in_an_utterance_is_answered_all_the_same(
        self, subject: Subject
    ) -> None:
        async def act() -> list[TurnEvent]:
            async with begun(subject) as dialogue:
                turn = await dialogue.listen()
                await feed(turn, subject.speech.rstrip(b"\0") + b"\0")
                turn.finish()
                events = await rest(turn)
                await turn.close()
                return events

        events = run(act())

        assert len(finals(events)) == len(replies(events)) == 1

    def test_keys_are_answered_without_speech(self, subject: Subject) -> None:
        async def act() -> list[TurnEvent]:
            async with begun(subject) as dialogue:
                turn = await dialogue.listen()
                turn.press("12#", are_wanted=False)
                turn.finish()
                events = await rest(turn)
                await turn.close()
                return events

        events = run(act())

        assert finals(events) == []
        assert len(replies(events)) == 1

    def test_turn_takes_nothing_once_it_is_finished(self, subject: Subject) -> None:
        async def act() -> list[TurnEvent]:
            async with begun(subject) as dialogue:
                turn = await dialogue.listen()
                turn.finish()
                await feed(turn, subject.speech)
                events = await rest(turn)
                await turn.close()
                return events

        assert run(act()) == []
        assert subject.acted() == 0

    @pytest.mark.parametrize("state", ["open", "fed", "speaking", "over", "closed"])
    def test_turn_can_be_closed_in_any_state_and_the_agent_acts_on_whole_utterances_alone(
        self, subject: Subject, state: str
    ) -> None:
        async def act() -> None:
            async with begun(subject) as dialogue:
                turn = await dialogue.listen()
                if state == "fed":
                    await feed(turn, bytes(len(subject.speech)))
                if state == "speaking":
                    await feed(turn, subject.speech.rstrip(b"\0"))
                    assert isinstance(await turn.receive(), SpeechBegan)
                if state == "over":
                    await feed(turn, subject.speech)
                    await rest(turn)
                await turn.close()
                if state == "closed":
                    await turn.close()
                # The next turn is not disturbed by what became of this one.
                assert len(replies(await answer(dialogue, subject.speech))) == 1

        run(act())

        assert subject.acted() == (2 if state == "over" else 1)

    def test_receive_may_be_cancelled_and_loses_no_event(self, subject: Subject) -> None:
        async def act() -> list[TurnEvent]:
            async with begun(subject) as dialogue:
                turn = await dialogue.listen()
                waiting = asyncio.create_task(turn.receive())
                await asyncio.sleep(0)
                waiting.cancel()
                await feed(turn, subject.speech)
                events = await rest(turn)
                await turn.close()
                return events

        events = run(act())

        assert isinstance(events[0], SpeechBegan)
        assert len(replies(events)) == 1

    def test_dialogue_goes_on_by_its_session_in_another_process(self, subject: Subject) -> None:
        async def act() -> list[TurnEvent]:
            async with begun(subject) as dialogue:
                await answer(dialogue, subject.speech)
                session = dialogue.session
            successor = subject.agent()
            try:
                resumed = await successor.resume(DialogueTerms(), session)
                assert resumed.session == session
                events = await answer(resumed, subject.speech)
                await resumed.end()
                return events
            finally:
                await successor.close()

        assert len(replies(run(act()))) == 1

    @pytest.mark.parametrize("remedy", ["repeat", "renew", "wait", "none"])
    def test_turn_that_fails_names_the_remedy_and_the_next_turn_works(
        self, subject: Subject, remedy: Remedy
    ) -> None:
        async def act() -> Remedy:
            async with begun(subject) as dialogue:
                subject.fail(remedy)
                with pytest.raises(AgentFailed) as failed:
                    await answer(dialogue, subject.speech)
                assert len(replies(await answer(dialogue, subject.speech))) == 1
                return failed.value.remedy

        assert run(act()) == remedy
        assert subject.acted() == 1
