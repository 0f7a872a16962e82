"""A virtual agent in memory, for which speech is numbers as for `ScriptedEngine`.

A sound of constant samples `7` is the word `7`, whose text has its length in ms: a word of which a
part is missing or repeated shows. An utterance ends after a pause.
"""

import asyncio
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from callstream.dialogues.virtual_agent import (
    AgentFailed,
    DialogueTerms,
    Heard,
    Reply,
    SpeechBegan,
    TurnEvent,
    UtteranceEnded,
)

MS: Final = 8
"""Samples of a millisecond."""
PAUSE_MS: Final = 300
"""An utterance ends after so much quiet."""


def tone(value: int, length_ms: int) -> bytes:
    """The audio of a reply in PCMU: bytes of one value."""
    return bytes([value]) * (length_ms * MS)


class ScriptedTurn:
    """One turn. `fails` is raised instead of the turn's reply, or after it."""

    longest_s = 55.0

    def __init__(self, agent: "ScriptedAgent") -> None:
        self._agent = agent
        self._events: asyncio.Queue[TurnEvent | AgentFailed | None] = asyncio.Queue()
        self._run = 0  # samples of the present word, or of silence
        self._value = 0
        self._words: list[str] = []
        self._digits = ""
        self._answering: asyncio.Task[None] | None = None
        self.is_finished = self.is_closed = False
        self.fed_ms = 0.0

    def feed(self, audio: bytes) -> None:
        assert not self.is_closed
        if self.is_finished:
            return
        for value, same in groupby(array("h", audio[: len(audio) & ~1])):
            if value != self._value:
                self._end_word()
                self._value, self._run = value, 0
                if value and not self._words:
                    self.give(SpeechBegan())
            length = len([*same])
            self._run += length
            self.fed_ms += length / MS
            if not value and self._words and self._run >= PAUSE_MS * MS:
                end_ms = self.fed_ms - self._run / MS
                self.give(Heard(" ".join(self._words), is_final=True, end_ms=round(end_ms)))
                self.give(UtteranceEnded())
                self._answer(" ".join(self._words))
                return
        if self.fed_ms >= self._agent.fails_after_ms:
            self.fail(AgentFailed("broken", "repeat"))

    def press(self, digits: str, *, are_wanted: bool) -> None:
        assert not self.is_closed
        self._agent.log.append(f"press {digits}{' as wanted' if are_wanted else ''}")
        self._digits += digits

    def finish(self) -> None:
        if self.is_finished:
            return
        self._end_word()
        words = " ".join(self._words)
        if words:
            self.give(Heard(words, is_final=True))
        if words or self._digits:
            self._answer(words + self._digits)
        else:
            self.is_finished = True
            self._events.put_nowait(None)

    async def receive(self) -> TurnEvent | None:
        event = await self._events.get()
        if isinstance(event, AgentFailed):
            raise event
        return event

    async def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._agent.open_turns -= 1
        if self._answering is not None:
            self._answering.cancel()

    def give(self, *events: TurnEvent) -> None:
        for event in events:
            self._events.put_nowait(event)

    def fail(self, failed: AgentFailed) -> None:
        self._events.put_nowait(failed)

    def end(self, *events: TurnEvent) -> None:
        """Give events, and end the turn."""
        self.is_finished = True
        self.give(*events)
        self._events.put_nowait(None)

    def _end_word(self) -> None:
        if self._value and self._run:
            self._words.append(f"{self._value}:{self._run // MS}")
        self._run = 0

    def _answer(self, text: str) -> None:
        self.is_finished = True
        self._answering = asyncio.create_task(self._reply(text))

    async def _reply(self, text: str) -> None:
        agent = self._agent
        await asyncio.sleep(agent.thinks_s)
        failed = agent.failures.pop(0) if agent.failures else None
        if failed is not None and not agent.fails_after_reply:
            self.fail(failed)
            return
        agent.acted.append(text)
        self.give(*agent.answer(text))
        if failed is not None:
            self.fail(failed)
        elif agent.ends_turns:
            self._events.put_nowait(None)


@dataclass
class ScriptedAgent:
    """The agent. `log` has what was asked of it, `acted` the utterances that it has answered.

    `failures` are of the next utterances, `refusals` of the next other requests, by their names.
    `next_turn` may change a turn when it begins.
    """

    answer: Callable[[str], Sequence[Reply]] = lambda text: [Reply(tone(1, 1000), text)]
    greeting: Sequence[Reply] = ()
    silence: Sequence[Reply] = ()
    thinks_s: float = 0.1
    failures: list[AgentFailed | None] = field(default_factory=list)
    fails_after_reply: bool = False
    fails_after_ms: float = float("inf")
    refusals: dict[str, list[AgentFailed]] = field(default_factory=dict)
    ends_turns: bool = True
    ends_s: float = 0.0
    reports_s: float = 0.0
    log: list[str] = field(default_factory=list)
    acted: list[str] = field(default_factory=list)
    turns: list[ScriptedTurn] = field(default_factory=list)
    terms: list[DialogueTerms] = field(default_factory=list)
    next_turn: Callable[[ScriptedTurn], object] = lambda _: None
    open_turns: int = 0
    ended: int = 0
    is_closed: bool = False

    def ask(self, name: str) -> None:
        self.log.append(name)
        if refusals := self.refusals.get(name):
            raise refusals.pop(0)

    async def begin(self, terms: DialogueTerms, name: str) -> "ScriptedDialogue":
        self.ask("begin")
        self.terms.append(terms)
        return ScriptedDialogue(self, f"session/{name}")

    async def resume(self, terms: DialogueTerms, session: str) -> "ScriptedDialogue":
        self.ask("resume")
        self.terms.append(terms)
        return ScriptedDialogue(self, session)

    async def close(self) -> None:
        self.is_closed = True


class ScriptedDialogue:
    """One dialogue, as one run sees it."""

    def __init__(self, agent: ScriptedAgent, session: str) -> None:
        self._agent = agent
        self.session = session

    async def greet(self) -> list[Reply]:
        self._agent.ask("greet")
        return [*self._agent.greeting]

    async def report_silence(self) -> list[Reply]:
        self._agent.ask("silence")
        await asyncio.sleep(self._agent.reports_s)
        return [*self._agent.silence]

    async def listen(self) -> ScriptedTurn:
        self._agent.ask("listen")
        assert not self._agent.open_turns, "one turn at a time"
        self._agent.open_turns += 1
        turn = ScriptedTurn(self._agent)
        self._agent.turns.append(turn)
        self._agent.next_turn(turn)
        return turn

    async def end(self) -> None:
        self._agent.ask("end")
        await asyncio.sleep(self._agent.ends_s)
        self._agent.ended += 1
