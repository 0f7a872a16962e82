"""The sink of a dialogue: an agent hears the person on the phone, and its replies are played.

A run that dies, or hands over, loses no turn. The next run goes on from a checkpoint whose audio
the agent has got in turns that are over, hears what came since, and plays the kept replies on. A
turn that was not over is repeated: the agent has not acted on it, unless the run dies while the
agent's reply is on its way.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, Never, Protocol, override

from callstream.audio.formats import ByteOrder
from callstream.calls.model import StartedStream
from callstream.dialects.events import Dtmf, Mark, Media, Start, Stop
from callstream.dialogues.reporting import DialogueReporter, EndReason
from callstream.dialogues.virtual_agent import (
    AgentFailed,
    VirtualAgent,
)
from callstream.frames.records import Disconnected, StreamEvent
from callstream.relays.endings import Ending, Outcome
from callstream.relays.model import Relay
from callstream.relays.ports import DialFailed
from callstream.relays.sinks.dialogue_audio import MOST_WAITING_MS, WaitingAudio
from callstream.relays.sinks.dialogue_keys import PressedKeys
from callstream.relays.sinks.dialogue_outbox import ReportOutbox
from callstream.relays.sinks.dialogue_replies import Place, Replies, ReplyKeeper
from callstream.relays.sinks.dialogue_session import DialogueSession, reply_format
from callstream.relays.sinks.dialogue_snapshot import DialogueSnapshot
from callstream.relays.sinks.dialogue_turns import TurnTaking
from callstream.relays.sinks.dialogue_voice import AgentVoice
from callstream.relays.sinks.incoming_audio import IncomingAudio
from callstream.relays.sinks.playback import Playback
from callstream.relays.sinks.posting import LegSender
from callstream.relays.sinks.sink import CallFeed, Rest, Sink
from callstream.relays.timings import RelayTimings

_TICK: Final = 0.05
_FRAME_MS: Final = 20
_LAST_SECONDS: Final = 10.0
"""At the end the table and the tenant have so many seconds."""
_ANSWER_SECONDS: Final = 15.0
"""An answer that is on its way has so many seconds before a run hands over. Otherwise the next run
asks once more, and the agent acts twice."""


class DialogueCall(Protocol):
    """What a dialogue reads about its call. Blocking; may raise `Unavailable`."""

    def started_at(self) -> int | None:
        """When the call started, in milliseconds since 1970; None if the call is not known."""

    def encoding(self) -> str:
        """The codec of the call."""


class DialogueSink(Sink):
    """A sink with a virtual agent.

    Args:
        relay: the relay, with the settings of the dialogue.
        make_agent: makes the tenant's agent; blocking. Raises `AgentFailed`, `Unavailable`.
        legs: the carriers' legs that hear the agent.
        keeper: keeps the replies.
        reporter: reports the dialogue to the tenant.
        call: knows the call.
        is_first: whether no run was there before: then the dialogue begins.
        clock: time in seconds, the same for all runs of a relay.
        timings: how long to wait.
        l16_byte_order: the byte order of L16 of the call.
    """

    # Eleven of its 20 methods are those of the `Sink` protocol.

    rest = Rest.LAST_MESSAGE
    _feed: CallFeed
    _audio: IncomingAudio
    _keys: PressedKeys
    _playback: Playback
    _outbox: ReportOutbox

    def __init__(
        self,
        relay: Relay,
        make_agent: Callable[[], VirtualAgent],
        legs: LegSender,
        *,
        keeper: ReplyKeeper,
        reporter: DialogueReporter,
        call: DialogueCall,
        is_first: bool,
        clock: Callable[[], float],
        timings: RelayTimings,
        l16_byte_order: ByteOrder = "big",
    ) -> None:
        self._relay = relay
        self._session = DialogueSession(relay, make_agent)
        self._legs = legs
        self._reporter = reporter
        self._call = call
        self._is_first = is_first
        self._clock = clock
        self._timings = timings
        self._byte_order: ByteOrder = l16_byte_order
        self._left = DialogueSnapshot()
        self._waiting = WaitingAudio(0)
        self._replies = Replies(keeper, relay.relay_id)
        self._turns: TurnTaking | None = None
        # These outlive `run`, so that `flush` and `finish` can wait for them.
        self._workers: list[asyncio.Task[Never]] = []
        self._arrived = asyncio.Event()
        self._ending: Ending | None = None
        self._has_concluded = False

    @override
    async def connect(self) -> None:
        try:
            if self._is_first:
                call = await asyncio.to_thread(self._call.encoding)
                self._left.encoding = call if call in {"PCMU", "PCMA"} else "L16"
                self._left.session = (await self._session.begin(self._left.encoding)).session
            else:
                await self._session.prepare()
        except AgentFailed as failed:
            self._session.log("the agent cannot be reached", failed)
            await self._session.close()
            raise DialFailed(failed.reason) from None

    @override
    async def open(
        self, streams: Sequence[StartedStream], snapshot: bytes | None, feed: CallFeed
    ) -> None:
        self._feed = feed
        if snapshot is not None:
            self._left = DialogueSnapshot.decode(snapshot)
        left, relay_id = self._left, self._relay.relay_id
        began_at = await asyncio.to_thread(self._call.started_at)
        is_l16, order = left.encoding == "L16", self._legs.l16_byte_order
        unfinished = await self._replies.open(
            left.number, left.place, swaps_bytes=is_l16 and order == "big"
        )
        left.is_greeted = left.is_greeted or self._replies.number > 0
        done = self._replies.done
        self._waiting = WaitingAudio(done.until_ms)
        self._keys = PressedKeys(self._replies.keys, done.keys_until)
        self._outbox = ReportOutbox(self._reporter, relay_id, done.reports)
        self._playback = Playback(
            relay_id,
            reply_format(left.encoding),
            self._legs,
            marks=feed,
            notes=self._replies,
            clock=self._clock,
        )
        for reply in unfinished:
            self._playback.play(reply)
        self._audio = IncomingAudio(
            ("inbound",),
            self._relay.since or 0,
            streams[0].started_at if began_at is None else began_at,
            left.audio,
            self._byte_order,
            hold=0.0,
        )
        # In a thread, because the import of a codec takes its time.
        await asyncio.to_thread(self._audio.prepare, streams)

    @override
    async def run(self) -> Outcome:
        self._work(self._playback.run(), self._replies.run(), self._outbox.run())
        if not self._audio.is_decodable:
            return await self._fail("undecodable_audio")
        try:
            dialogue = await self._session.resume(self._left.encoding, self._left.session)
            self._turns = TurnTaking(
                self._relay.relay_id,
                dialogue,
                audio=self._waiting,
                keys=self._keys,
                voice=AgentVoice(self._replies, self._playback, self._outbox),
                clock=self._clock,
                is_greeted=self._left.is_greeted,
            )
            await self._take_turns(self._turns)
        except AgentFailed as failed:
            self._session.log("the dialogue has failed", failed)
            return await self._fail(failed.reason)
        if self._ending is None:
            await self._conclude("end_interaction")
        return Outcome(Ending.CONSUMER)

    @override
    def take(self, stream_id: str, event: StreamEvent, received_at: int) -> None:
        match event:
            case Stop() | Disconnected():
                self._audio.end_stream(stream_id)
            case Start():
                self._audio.add_stream(stream_id, event.format, received_at)
            case Media():
                self._audio.take(stream_id, event, received_at, self._clock())
                self._arrived.set()
            case Mark():
                self._playback.take_mark(event.name)
            case Dtmf() if event.track == "inbound":
                self._press(event.digit, received_at)

    @override
    def is_settled(self, snapshot: bytes) -> bool:
        then, done = DialogueSnapshot.decode(snapshot), self._place
        ends = then.audio.ends.values()
        return all(done.until_ms >= end for end in ends) and done.keys_until >= then.pressed_at

    @override
    async def drained(self) -> None:
        # `run` takes the audio on.
        while self._audio.is_waiting or self._waiting.waiting_ms > MOST_WAITING_MS // 2:  # noqa: ASYNC110
            await asyncio.sleep(_TICK)

    @override
    def snapshot(self) -> bytes:
        left = self._left
        left.audio = self._audio.snapshot()
        left.place, left.number = self._place, self._replies.number
        left.is_greeted = left.is_greeted or (self._turns is not None and self._turns.is_greeted)
        left.pressed_at = self._keys.received_at
        return left.encode()

    @property
    @override
    def dropped(self) -> int:
        return self._waiting.dropped_ms // _FRAME_MS

    @override
    async def flush(self, ending: Ending) -> None:
        """Let a turn come to its end of which the agent has heard all, and silence the agent."""
        self._ending = ending
        if ending in {Ending.CONSUMER, Ending.FAILURE, Ending.REPLACEMENT, Ending.OUT_OF_TIME}:
            return
        if ending is Ending.COMMAND and self._workers:
            await self._playback.stop()
        if self._turns is not None:
            is_planned = ending is Ending.SUCCESSOR
            patience = _ANSWER_SECONDS if is_planned else self._timings.finish_patience
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._turns.leave(is_final=ending.is_final)

    @override
    async def finish(self, *, is_final: bool) -> bool:
        if is_final:
            await self._conclude("hangup" if self._ending is Ending.CALL else "stopped")
        else:
            # A run that is out of time has five seconds in all.
            patience = self._timings.finish_patience
            await self._playback.leave(0.0 if self._ending is Ending.OUT_OF_TIME else patience)
            await self._drain(patience / 2)
        return True

    @override
    async def close(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers.clear()
        if self._is_first and self._turns is None:
            await self._session.end()  # the relay was stopped before it began
        await self._session.close()

    # --- The turns ---

    def _work(self, *work: Coroutine[Any, Any, Never]) -> None:
        self._workers += [asyncio.create_task(each) for each in work]

    async def _take_turns(self, turns: TurnTaking) -> None:
        taking = asyncio.create_task(turns.run())
        pulling = asyncio.create_task(self._pull(turns))
        try:
            tasks = [taking, pulling, *self._workers]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            taking.cancel()
            pulling.cancel()
            await asyncio.gather(taking, pulling, return_exceptions=True)

    async def _pull(self, turns: TurnTaking) -> Never:
        """Let the audio that has come wait for a turn."""
        while True:
            self._arrived.clear()
            for stretch in self._audio.due(self._clock(), is_missing=self._feed.is_reading):
                self._waiting.put(stretch)
                turns.notice()
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._arrived.wait()

    def _press(self, digit: str, received_at: int) -> None:
        is_new = self._keys.press(digit, received_at, self._clock())
        if is_new and self._turns is not None:
            self._turns.notice_key()

    @property
    def _place(self) -> Place:
        return self._replies.done if self._turns is None else self._turns.done

    # --- The end ---

    async def _fail(self, reason: str) -> Outcome:
        if self._workers:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._playback.played()
        await self._conclude("error")
        return Outcome(Ending.FAILURE, reason)

    async def _conclude(self, reason: EndReason) -> None:
        """End the dialogue, and report the end.

        `run` may do so when the call ends, or a command comes: then `finish` waits for the rest.
        """
        end = self._replies.end
        if not self._has_concluded:
            self._has_concluded = True
            self._outbox.ended(reason if end is None or reason == "error" else end.kind, end)
        await self._playback.stop()
        if not self._workers:
            # A command had stopped the relay before this run: `run` was not called.
            self._work(self._replies.run(), self._outbox.run())
        if self._turns is None and not self._is_first:
            await self._session.take_back(self._left.encoding, self._left.session)
        await self._session.end()
        await self._drain(_LAST_SECONDS)

    async def _drain(self, patience: float) -> None:
        """Let replies be kept, and reports be sent, for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._replies.drained()
                await self._outbox.drained()
