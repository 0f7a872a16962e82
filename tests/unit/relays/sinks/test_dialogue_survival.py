"""Dialogues whose runs die, whose turns fail, whose records and marks come late, twice or never.

The person says words, which are numbers, each of its own length. Each answer of the agent is a
sound of its own. So a word or an answer of which a part is missing or repeated shows.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from random import Random
from typing import Any, Final, NamedTuple, override

import pytest

from callstream.dialogues.virtual_agent import AgentFailed, Remedy, Reply
from callstream.errors import Unavailable
from callstream.frames.records import Record, RecordEvent
from callstream.relays.endings import Ending, Outcome
from callstream.relays.invocation import RunKind
from callstream.relays.run import RelayRun
from callstream.relays.sinks.dialogue import DialogueSink
from callstream.relays.timings import RelayTimings
from tests.relays import make_relay
from tests.unit.dialogues.scripted_agent import ScriptedAgent
from tests.unit.relays.scenes import CallSource, play_without_waiting, until
from tests.unit.relays.sinks.dialogue_scenes import Carrier, Scene, Table

REMEDIES: Final[tuple[Remedy, ...]] = ("repeat", "renew", "wait")
REPEATED_MS: Final = 1500
"""A run notes every second how much it has posted: so much is repeated if it dies."""
UNNOTED_MS: Final = 1200
"""So much more is repeated for each note that the table refused: the next try is so much later."""


class Answer(NamedTuple):
    """A part of the agent's answer in a turn."""

    turn: int
    text: str
    length_ms: int


class Mortal:
    """A service, for a run that may die: a dead run reaches it no more."""

    def __init__(self, service: object) -> None:
        self._service = service
        self.is_dead = False

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._service, name)
        if self.is_dead and callable(value):
            raise Unavailable("service", "Dead")
        return value


class CountingTable(Table):
    """A table that counts the notes that it refuses."""

    refused = 0

    @override
    def note(self, number: int, played_ms: int, *, is_done: bool) -> None:
        try:
            super().note(number, played_ms, is_done=is_done)
        except Unavailable:
            self.refused += 1
            raise


class ForgetfulCarrier(Carrier):
    """A carrier that returns some marks twice, and some never."""

    def __init__(self, scene: "Trouble") -> None:
        super().__init__(scene)
        self._random = scene.random

    @override
    def _return(self, name: str) -> None:
        for _ in range(self._random.choice([0, 1, 1, 1, 2])):
            super()._return(name)


class Trouble(Scene):
    """A dialogue in which everything goes wrong that may."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  # a scene, not a secret
        self.answers: list[Answer] = []
        super().__init__(ScriptedAgent(answer=self.answer, thinks_s=self.random.uniform(0, 1)))
        self.carrier = ForgetfulCarrier(self)
        self.table: CountingTable = CountingTable()
        self.said: list[str] = []
        self.kills = 0
        self._mortals: list[Mortal] = []

    def answer(self, text: str) -> list[Reply]:
        """Answer in one or two parts, each a sound of its own."""
        replies: list[Reply] = []
        for is_partial in self.random.choice([[False], [False], [True, False]]):
            length_ms = self.random.randrange(200, 4000, 20)
            self.answers.append(Answer(len(self.agent.acted), text, length_ms))
            audio = bytes([len(self.answers)]) * (length_ms * 16)
            replies.append(Reply(audio, text, is_partial, is_uninterruptible=is_partial))
        return replies

    @override
    def run(
        self, kind: RunKind = RunKind.FIRST, seconds: float = 900
    ) -> asyncio.Task[Outcome | None]:
        relay = make_relay(
            sink="dialogflow", dialogue=self.dialogue, url=None, dialect=None, created_at=1_000_000
        )
        source, timings = CallSource(self), RelayTimings()
        self.feeds.append(source.feed)
        legs, table, lease = self._mortals = [*map(Mortal, (self.carrier, self.table, self.lease))]
        sink = DialogueSink(
            relay,
            self.make_agent,
            legs,
            keeper=table,
            reporter=table,
            call=table,
            is_first=kind is RunKind.FIRST,
            clock=self.clock,
            timings=timings,
            l16_byte_order="little",
        )
        self.sinks.append(sink)
        made = RelayRun(
            lease,
            source,
            sink,
            clock=self.clock,
            seconds=seconds,
            timings=timings,
        )
        return asyncio.create_task(made.run(kind))

    @override
    def bring(self, event: RecordEvent) -> None:
        now = round(self.clock() * 1000)
        self.records.append(record := Record("s1", "acme", "genagent", "twilio", now, event))
        loop, late = asyncio.get_running_loop(), self.random.choice([0, 0, 0.1, 0.4])
        for feed in self.feeds:
            for _ in range(self.random.choice([1, 1, 1, 2])):
                loop.call_later(self.random.uniform(0, late), feed.put, [record])

    async def kill(self, running: "asyncio.Task[Outcome | None]") -> None:
        """Let a run die: nothing that it still does has an effect."""
        for mortal in self._mortals:
            mortal.is_dead = True
        self.kills += 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def fail_turns(self) -> None:
        """Let some turns fail before or after their replies, and some other requests."""
        agent, random = self.agent, self.random

        agent.fails_after_reply = random.random() < 0.5
        # Three failures in a row end a dialogue.
        for _ in range(50):
            failed = [AgentFailed("broken", random.choice(REMEDIES)) for _ in range(2)]
            agent.failures += [*failed[: random.choice([0, 0, 1, 2])], None]
        agent.refusals["listen"] = [AgentFailed("busy", random.choice(REMEDIES))]

    async def speak(self) -> None:
        """Say a word, and a pause after which the utterance is over."""
        word = len(self.said) + 1
        length_ms = self.random.randrange(60, 1200, 20)
        self.said.append(f"{word}:{length_ms}")
        await self.say((word, length_ms), (0, self.random.randrange(600, 900, 20)))

    async def wait_for_answer(self) -> None:
        """Say nothing until the last word is answered, and the answer was heard."""
        for _ in range(600):
            await self.silence(0.5)
            if not self.said:
                return
            heard = {spoken.value: spoken.length_ms for spoken in self.carrier.spoken}
            last = self.answers[-1] if self.answers else Answer(0, "", 0)
            heard_ms = heard.get(len(self.answers), 0)
            is_answered = last.text == self.said[-1] and heard_ms >= last.length_ms
            if is_answered and self.carrier.is_quiet and not self.table.unfinished():
                return
        raise AssertionError(f"no answer to {self.said[-1:]}")

    async def end(self, running: "asyncio.Task[Outcome | None]") -> None:
        await self.hang_up()
        assert await running == Outcome(Ending.CALL)

    @property
    def answered(self) -> list[str]:
        """The words that the agent has acted on, in order, each once."""
        return [*dict.fromkeys(word for text in self.agent.acted for word in text.split())]

    def check_answers(self) -> None:
        """Each answer was played whole, if the turn was not repeated after it.

        They were played in their order, and each death has repeated the last moments at most, which
        may be of more than one answer.
        """
        heard = [(spoken.value, spoken.length_ms) for spoken in self.carrier.spoken]
        heard_ms = Counter[int]()
        for value, length_ms in heard:
            heard_ms[value] += length_ms
        last = {each.text: each.turn for each in self.answers}
        repeats = sum(1 for (one, _), (other, _) in pairwise(heard) if other < one)
        repeated_ms = 0
        for value, answer in enumerate(self.answers, 1):
            repeated_ms += max(0, heard_ms[value] - answer.length_ms)
            if answer.turn == last[answer.text]:
                assert heard_ms[value] >= answer.length_ms, (value, answer)
        assert repeats <= self.kills
        assert repeated_ms <= REPEATED_MS * self.kills + UNNOTED_MS * self.table.refused
        assert len(self.agent.acted) - len(last) <= self.kills


Act = Callable[[Trouble], Awaitable[None]]


def scene(seed: int, act: Act) -> None:
    async def acting() -> None:
        await act(Trouble(seed))

    play_without_waiting(acting)


@pytest.mark.parametrize("seed", [0, 1, 6])
def test_dialogue_answers_each_word_and_plays_each_answer_whatever_dies(seed: int) -> None:
    async def act(made: Trouble) -> None:
        random = made.random
        made.fail_turns()
        running = made.run()

        async def converse() -> None:
            for _ in range(8):
                await made.wait_for_answer()
                await made.speak()
            await made.wait_for_answer()

        talking = asyncio.create_task(converse())
        for _ in range(4):
            await asyncio.sleep(random.uniform(1, 12))
            made.table.fails = random.choice([0, 2])
            await made.kill(running)
            await asyncio.sleep(random.uniform(0, 15))
            running = made.run(RunKind.RESCUE)
        await talking
        await made.end(running)

        assert made.answered == made.said
        made.check_answers()
        assert all(kept.is_done for kept in made.table.replies.values())

    scene(seed, act)


@pytest.mark.parametrize("seed", range(2))
def test_dialogue_answers_each_word_of_a_person_who_does_not_wait(seed: int) -> None:
    async def act(made: Trouble) -> None:
        random = made.random
        made.fail_turns()
        running = made.run()

        async def talk() -> None:
            for _ in range(15):
                await made.speak()
                await made.silence(random.choice([0, 1, 8]))
            await made.silence(60)

        talking = asyncio.create_task(talk())
        for _ in range(3):
            await asyncio.sleep(random.uniform(3, 9))
            await made.kill(running)
            await asyncio.sleep(random.uniform(0, 6))
            running = made.run(RunKind.RESCUE)
        await talking
        await made.end(running)

        assert made.answered == made.said
        assert made.table.told[-1] == ("ended", "hangup")
        assert made.lease.dropped == 0

    scene(seed, act)


@pytest.mark.parametrize("seed", range(2))
def test_dialogue_plays_each_answer_whole_and_once_if_runs_hand_over(seed: int) -> None:
    async def act(made: Trouble) -> None:
        random = made.random
        made.fail_turns()

        async def converse() -> None:
            for _ in range(12):
                await made.speak()
                await made.wait_for_answer()

        running, talking = made.run(seconds=70), asyncio.create_task(converse())
        for _ in range(3):
            while not made.lease.successors:
                assert not running.done()
                await asyncio.sleep(0.1)
            await asyncio.sleep(random.uniform(0, 5))
            made.lease.handed_over = None
            successor = made.run(RunKind.SUCCESSOR, seconds=80)
            assert await running == Outcome(Ending.SUCCESSOR)
            made.lease.successors, made.lease.ready = 0, False
            running = successor
        await talking
        await made.end(running)

        assert made.agent.acted == made.said
        made.check_answers()

    scene(seed, act)


def test_agent_gets_the_audio_of_an_outage_at_twice_the_speed() -> None:
    async def act(made: Trouble) -> None:
        running = made.run()
        await made.silence(1)
        await made.kill(running)
        await made.silence(30)
        made.run(RunKind.RESCUE)
        talking = asyncio.create_task(made.silence(60))
        await until(lambda: len(made.agent.turns) > 1 and made.agent.turns[1].fed_ms)
        turn = made.agent.turns[1]
        assert turn.fed_ms == pytest.approx(6000, abs=500)
        await asyncio.sleep(8)
        assert turn.fed_ms == pytest.approx(6000 + 2 * 8000, abs=500)
        await talking
        assert made.sinks[-1].dropped == 0

    scene(0, act)
