"""Turn-taking: who speaks when, in a dialogue between the person on the phone and an agent.

The agent greets, and then listens: a turn is open as soon as a reply begins to play, so that the
person can interrupt. What the person says while the agent thinks waits for the next turn. A turn
that fails is repeated with the same audio, unless the agent has replied in it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import Enum
from typing import Final

from callstream.dialogues.virtual_agent import (
    AgentFailed,
    Dialogue,
    Heard,
    Reply,
    SpeechBegan,
    TurnEvent,
    UtteranceEnded,
)
from callstream.relays.sinks.dialogue_audio import WaitingAudio
from callstream.relays.sinks.dialogue_keys import PressedKeys
from callstream.relays.sinks.dialogue_recovery import Recovery
from callstream.relays.sinks.dialogue_replies import Place
from callstream.relays.sinks.dialogue_turn import OpenTurn
from callstream.relays.sinks.dialogue_voice import AgentVoice

NO_INPUT_SECONDS: Final = 10.0
"""The agent learns that the person says nothing, after so many seconds in which nothing plays."""
ANSWER_SECONDS: Final = 40.0
"""An agent that says nothing for so many seconds after an utterance has failed."""
_AFTER_ANSWER: Final = 0.5
"""A turn has so many seconds to be over after its last reply. Then it is closed."""
_STEADY_SECONDS: Final = 10.0
"""A turn in which nothing was said, and that worked for so many seconds, is a success."""
_HASTY_SECONDS: Final = 1.0
"""A turn in which nothing was said lasts so many seconds."""
_SHORT_PAUSE: Final = 1.0
"""After a longer pause between turns, the person has the whole time again to say something."""
_TICK: Final = 0.05


class _Verdict(Enum):
    """Why a turn is closed by us."""

    ANSWERED = "answered"
    SILENT = "silent"
    FULL = "full"
    STUCK = "stuck"
    LEFT = "left"


class TurnTaking:
    """The turns of one run of a relay.

    Args:
        relay_id: the relay.
        dialogue: the agent's side.
        audio: what the person says.
        keys: what the person presses.
        voice: what the agent says.
        clock: time in seconds.
        is_greeted: whether the agent has greeted the person, in a run before.
    """

    # Its 18 methods are the steps of turns, which share who is speaking.

    def __init__(
        self,
        relay_id: str,
        dialogue: Dialogue,
        *,
        audio: WaitingAudio,
        keys: PressedKeys,
        voice: AgentVoice,
        clock: Callable[[], float],
        is_greeted: bool,
    ) -> None:
        self.is_greeted = is_greeted
        self._dialogue = dialogue
        self._audio = audio
        self._keys = keys
        self._voice = voice
        self._clock = clock
        self._recovery = Recovery(relay_id)
        self._turn: OpenTurn | None = None
        self._changed = asyncio.Event()
        self._between = asyncio.Event()
        self._between.set()
        self._heard_at = clock()
        # Since when the agent listens, with no more than short pauses, and until when.
        self._listens_since = self._listened_at = clock()
        # Where the reply that plays has begun, in the call's time.
        self._spoke_from_ms = 0
        self._minds_silence = True
        self._is_leaving = self._is_over = False

    # --- For the sink ---

    async def run(self) -> None:
        """Take turns until the agent ends the dialogue, and has said its last words.

        Raises:
            AgentFailed: nothing helps.
        """
        if not self.is_greeted:
            await self._ask(self._dialogue.greet)
            self.is_greeted = True
        while not (self._voice.has_ended or self._is_leaving):
            await self._take_turn()
        if not self._is_leaving:
            await self._voice.played()

    def notice(self) -> None:
        """Notice audio that has come."""
        self._changed.set()

    def notice_key(self) -> None:
        """Notice a key that has come."""
        self._notice_person()
        self._voice.interrupt()
        self._changed.set()

    async def leave(self, *, is_final: bool) -> None:
        """Begin no turn any more, and wait until the present turn or request is over.

        Args:
            is_final: whether the call is over: then an utterance that has begun is over, too.
                Otherwise the next run hears an utterance again that is not complete.
        """
        self._is_leaving, self._is_over = True, is_final
        self._changed.set()
        await self._between.wait()

    @property
    def done(self) -> Place:
        """The place up to which nothing needs to be done again."""
        done, turn = self._voice.done, self._turn
        if turn is None or turn.is_heard or self._voice.is_keeping:
            return done
        return done._replace(until_ms=max(done.until_ms, turn.quiet_until_ms))

    # --- A turn ---

    async def _take_turn(self) -> None:
        self._between.clear()
        try:
            begun = await self._recovery.persist(self._dialogue.listen)
            turn = self._turn = OpenTurn(begun, self._voice.done.until_ms, self._clock())
            if turn.began_at - self._listened_at > _SHORT_PAUSE:
                self._listens_since = turn.began_at
            try:
                verdict, failed = await self._hold(turn)
            except asyncio.CancelledError:
                if self._is_over:
                    self._commit(turn)  # no turn repeats what was heard
                raise
            self._settle(turn, verdict)
        finally:
            if self._turn is not None:
                self._listened_at = self._turn.finished_at or self._clock()
            self._turn = None
            self._between.set()
        if failed is not None and (turn.answered_at is None or self._is_hasty(turn)):
            try:
                await self._recovery.pause(failed)
            except AgentFailed:
                self._commit(turn)  # no turn repeats what was heard
                raise
        if verdict is _Verdict.SILENT and not self._is_leaving:
            self._minds_silence = bool(await self._ask(self._dialogue.report_silence))

    async def _hold(self, turn: OpenTurn) -> tuple[_Verdict | None, AgentFailed | None]:
        """Let the agent hear and answer; returns why we have closed the turn, or why it failed."""
        receiving = asyncio.create_task(self._receive(turn))
        receiving.add_done_callback(lambda _: self._changed.set())
        verdict: _Verdict | None = None
        try:
            while not receiving.done() and (verdict := self._judge(turn)) is None:
                self._feed(turn)
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_TICK):
                        await self._changed.wait()
            if receiving.done():
                receiving.result()
                has_effect = turn.is_heard or turn.has_replied or turn.is_finished
                verdict = _Verdict.ANSWERED if has_effect else None
        except AgentFailed as failed:
            return None, failed
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
            await turn.turn.close()
        if verdict is _Verdict.STUCK:
            return verdict, AgentFailed("no_answer", "repeat")
        return verdict, AgentFailed("turn_ended", "renew") if self._is_hasty(turn) else None

    def _is_hasty(self, turn: OpenTurn) -> bool:
        """Whether the agent has ended a turn at once, and answered nothing, or nobody.

        Otherwise such an agent would be asked for ever, as fast as it answers.
        """
        lasted = self._clock() - turn.began_at
        return not (turn.is_heard or self._is_leaving) and lasted < _HASTY_SECONDS

    def _judge(self, turn: OpenTurn) -> _Verdict | None:
        """Whether a turn is over, although its stream is not."""
        now = self._clock()
        if turn.answered_at is not None and now - turn.answered_at >= _AFTER_ANSWER:
            return _Verdict.ANSWERED
        if turn.is_finished:
            return _Verdict.STUCK if now - turn.latest_at >= ANSWER_SECONDS else None
        is_silent = not turn.is_heard and self._keys.is_empty
        if self._is_leaving:
            return _Verdict.LEFT if is_silent or not self._is_over else None
        if is_silent and turn.is_full:
            return _Verdict.FULL
        if is_silent and self._minds_silence and not self._voice.is_speaking:
            since = max(self._heard_at, self._voice.silent_since, self._listens_since)
            return _Verdict.SILENT if now - since >= NO_INPUT_SECONDS else None
        return None

    def _feed(self, turn: OpenTurn) -> None:
        now = self._clock()
        if turn.is_finished:
            return
        if (keys := self._keys.take(now, is_final=self._is_over)) is not None:
            turn.press(keys, now)
            return
        if self._is_over:
            self._audio.complete()
        while not turn.is_full and (turn.has_time(now) or self._is_over):
            if (piece := self._audio.take()) is None:
                break
            turn.feed(piece, now)
        if self._is_over or (turn.is_full and turn.is_heard):
            turn.finish(now)

    async def _receive(self, turn: OpenTurn) -> None:
        """Take the events of a turn until it is over. Raises `AgentFailed`."""
        while (event := await turn.turn.receive()) is not None:
            turn.latest_at = self._clock()
            self._take(turn, event)
            self._changed.set()

    def _take(self, turn: OpenTurn, event: TurnEvent) -> None:
        match event:
            case Heard(text=""):
                pass
            case SpeechBegan() | Heard():
                turn.hear(event)
                self._notice_person()
                # What the person said while the agent thought is no interruption.
                is_after = turn.heard_until_ms(event, self._clock()) > self._spoke_from_ms
                if is_after and not turn.has_replied:
                    self._voice.interrupt()
            case UtteranceEnded():
                turn.finish(self._clock())
            case Reply():
                turn.has_replied = True
                turn.finish(self._clock())  # what follows belongs to the next turn
                turn.news.append(event)
                self._say(event)
                if not event.is_partial:
                    turn.answered_at = self._clock()
                    self._commit(turn)

    def _settle(self, turn: OpenTurn, verdict: _Verdict | None) -> None:
        """Keep what came of a turn that is over, or let the next turn repeat it."""
        if verdict is _Verdict.ANSWERED or turn.has_replied:
            if not turn.has_replied:
                # Nothing is said, but the turn is over: no run may repeat it.
                self._voice.say(Reply(b"", keys=self._keys.wanted), is_played=False)
            self._commit(turn)
            if not self._is_hasty(turn):
                self._recovery.succeed()
            return
        if not turn.is_heard and self._clock() - turn.began_at >= _STEADY_SECONDS:
            self._recovery.succeed()
        self._audio.give_back(turn.take_back())
        if turn.keys is not None:
            self._keys.give_back(turn.keys)

    def _commit(self, turn: OpenTurn) -> None:
        """Report what came of a turn, and keep its replies."""
        self._audio.give_back(turn.take_rest())
        keys_until = 0 if turn.keys is None else turn.keys.until
        self._voice.conclude(turn.news, Place(turn.end_ms, keys_until))
        turn.news.clear()

    # --- Between turns ---

    async def _ask(self, request: Callable[[], Awaitable[Sequence[Reply]]]) -> Sequence[Reply]:
        """Ask the agent for something to say, and say that; returns the replies."""
        self._between.clear()
        try:
            replies = await self._recovery.persist(request)
            self._recovery.succeed()
            for reply in replies:
                self._say(reply)
            self._voice.conclude(replies, self.done)
        finally:
            self._between.set()
        return replies

    def _say(self, reply: Reply) -> None:
        self._keys.wanted = reply.keys
        if not self._voice.is_speaking:
            self._spoke_from_ms = self._audio.end_ms
        self._voice.say(reply, is_played=not self._is_over)

    def _notice_person(self) -> None:
        self._heard_at, self._minds_silence = self._clock(), True
