"""A call with a scripted agent: the carrier's frames go in, and the carrier hears the agent."""

import asyncio
from collections import Counter
from collections.abc import Collection
from itertools import groupby
from typing import Any, NamedTuple, override

from msgspec.structs import replace

from callstream.audio.formats import AudioFormat
from callstream.dialects.events import (
    Clear,
    Dtmf,
    Mark,
    Media,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
)
from callstream.dialogues.kept_replies import KeptReply
from callstream.dialogues.reporting import DialogueReporter, EndReason
from callstream.dialogues.virtual_agent import DialogueEnd, Heard, Reply, VirtualAgent
from callstream.errors import Unavailable
from callstream.frames.records import Disconnected, Record, RecordEvent
from callstream.relays.endings import Outcome
from callstream.relays.invocation import RunKind
from callstream.relays.run import RelayRun
from callstream.relays.sinks.dialogue import DialogueCall, DialogueSink
from callstream.relays.sinks.dialogue_replies import ReplyKeeper
from callstream.relays.sinks.posting import LegSender
from callstream.relays.timings import RelayTimings
from tests.relays import make_relay
from tests.unit.dialogues.scripted_agent import MS, ScriptedAgent
from tests.unit.items import started_stream
from tests.unit.relays.scenes import CallSource, Feed, Lease
from tests.unit.transcription.scripted_engine import sound

FRAME_MS = 60  # three times as long as most carriers', for tests that are as much faster


class Spoken(NamedTuple):
    """What the carrier has played of one reply."""

    value: int
    length_ms: int


class Carrier(LegSender):
    """A carrier that plays what it gets in real time, and returns marks if it `has_marks`."""

    l16_byte_order = "big"

    def __init__(self, scene: "Scene") -> None:
        self._scene = scene
        self.has_marks = True
        self.problem: Exception | None = None
        self.first_at: float | None = None
        self.clears = 0
        self._audio: list[tuple[float, bytes]] = []
        self._marks: dict[str, asyncio.TimerHandle] = {}

    @override
    async def send_back(
        self, event: ReturnEvent, return_format: AudioFormat, *, ends_speech: bool = False
    ) -> Collection[str]:
        del ends_speech
        if self.problem is not None:
            raise self.problem
        now = self._scene.clock()
        match event:
            case ReturnMedia(audio=audio) if audio:
                assert return_format == self._scene.reply_format
                self.first_at = self.first_at or now
                self._audio.append((max(now, self.ends_at), audio))
            case ReturnMark(name=name):
                loop, wait = asyncio.get_running_loop(), max(0.0, self.ends_at - now)
                self._marks[name] = loop.call_later(wait, self._return, name)
            case Clear():
                self.clears += 1
                size = self._scene.reply_format.byte_rate or 0
                self._audio = [
                    (at, audio[: max(0, round((now - at) * size))]) for at, audio in self._audio
                ]
                for name, timer in [*self._marks.items()]:
                    timer.cancel()
                    self._return(name)
        return ()

    @override
    async def other_legs(self) -> Collection[str]:
        return ()

    @property
    def ends_at(self) -> float:
        """When everything has been played, by the clock."""
        if not self._audio:
            return 0.0
        at, audio = self._audio[-1]
        return at + len(audio) / (self._scene.reply_format.byte_rate or 1)

    @property
    def is_quiet(self) -> bool:
        return self._scene.clock() >= self.ends_at

    @property
    def spoken(self) -> list[Spoken]:
        """What was played, without its times."""
        every = b"".join(audio for _, audio in self._audio)
        size = (self._scene.reply_format.byte_rate or 0) // 1000
        return [Spoken(value, len([*same]) // size) for value, same in groupby(every)]

    def _return(self, name: str) -> None:
        self._marks.pop(name, None)
        if self.has_marks:
            self._scene.bring(Mark(sequence=self._scene.next_number(), name=name))


class Table(ReplyKeeper, DialogueCall, DialogueReporter):
    """What outlives the runs of a relay. `fails` are the next requests that a service refuses."""

    def __init__(self) -> None:
        self.replies: dict[int, KeptReply] = {}
        self.reports: list[tuple[Any, ...]] = []
        self.codec = "L16"
        self.fails = 0
        self.reports_fail = 0

    def _answer(self) -> None:
        if self.fails:
            self.fails -= 1
            raise Unavailable("dynamodb", "Down")

    @override
    def keep(self, reply: KeptReply) -> None:
        self._answer()
        self.replies[reply.number] = reply

    @override
    def note(self, number: int, played_ms: int, *, is_done: bool) -> None:
        self._answer()
        kept = self.replies[number]
        if not kept.is_done:
            self.replies[number] = replace(kept, played_ms=played_ms, is_done=is_done)

    @override
    def unfinished(self) -> list[KeptReply]:
        return [kept for _, kept in sorted(self.replies.items()) if not kept.is_done]

    @override
    def last(self) -> KeptReply | None:
        return self.replies[max(self.replies)] if self.replies else None

    @override
    def started_at(self) -> int:
        return 1_000_000

    @override
    def encoding(self) -> str:
        return self.codec

    @override
    def heard(self, number: int, heard: Heard) -> None:
        self._report(number, "heard", heard.text)

    @override
    def replied(self, number: int, reply: Reply) -> None:
        self._report(number, "replied", reply.text)

    @override
    def ended(self, number: int, reason: EndReason, end: DialogueEnd | None) -> None:
        self._report(number, "ended", reason)

    def _report(self, number: int, *report: Any) -> None:
        if self.reports_fail:
            self.reports_fail -= 1
            raise Unavailable("sqs", "Down")
        self.reports.append((number, *report))

    @property
    def told(self) -> list[tuple[Any, ...]]:
        """The reports by their numbers, each once."""
        first: dict[int, tuple[Any, ...]] = {}
        for number, *report in self.reports:
            first.setdefault(number, tuple(report))
        assert [*first] == [*range(1, len(first) + 1)]
        return [*first.values()]


class Scene:
    """A call of a carrier that sends linear PCM, and gets µ-law."""

    def __init__(self, agent: ScriptedAgent | None = None, **dialogue: Any) -> None:
        self.agent = ScriptedAgent() if agent is None else agent
        self.table, self.lease = Table(), Lease()
        self.reply_format = AudioFormat("L16", 8000, 1)
        self.dialogue = {"connection_id": "main"} | dialogue
        stream = started_stream(
            "s1", connected_at=1_000_000, started_at=1_000_000, encoding="L16", tracks=["inbound"]
        )
        self.streams, self.all_streams = [stream], [stream]
        self.records: list[Record] = []
        self.feeds: list[Feed] = []
        self.at_ms = self._number = 0
        self._began = asyncio.get_running_loop().time()
        self.carrier = Carrier(self)
        self.sinks: list[DialogueSink] = []

    def clock(self) -> float:
        return 1000 + asyncio.get_running_loop().time() - self._began

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def make_agent(self) -> VirtualAgent:
        self.agent.ask("make")
        return self.agent

    def run(
        self, kind: RunKind = RunKind.FIRST, seconds: float = 900
    ) -> asyncio.Task[Outcome | None]:
        relay = make_relay(
            sink="dialogflow", dialogue=self.dialogue, url=None, dialect=None, created_at=1_000_000
        )
        source, timings = CallSource(self), RelayTimings()
        self.feeds.append(source.feed)
        sink = DialogueSink(
            relay,
            self.make_agent,
            self.carrier,
            keeper=self.table,
            reporter=self.table,
            call=self.table,
            is_first=kind is RunKind.FIRST,
            clock=self.clock,
            timings=timings,
            l16_byte_order="little",
        )
        self.sinks.append(sink)
        made = RelayRun(
            self.lease, source, sink, clock=self.clock, seconds=seconds, timings=timings
        )
        return asyncio.create_task(made.run(kind))

    def bring(self, event: RecordEvent) -> None:
        now = round(self.clock() * 1000)
        self.records.append(Record("s1", "acme", "genagent", "twilio", now, event))
        for feed in self.feeds:
            feed.put([self.records[-1]])

    async def say(self, *words: tuple[int, int]) -> None:
        """Bring words and silence (0), each with its length in ms, in real time."""
        audio = b"".join(sound(word, length) for word, length in words)
        size = FRAME_MS * MS * 2
        for at in range(0, len(audio), size):
            number = self.next_number()
            frame = audio[at : at + size]
            self.bring(Media(number, "inbound", number, self.at_ms, frame))
            length_ms = len(frame) // 2 // MS
            self.at_ms += length_ms
            await asyncio.sleep(length_ms / 1000)

    async def silence(self, seconds: float) -> None:
        await self.say((0, round(seconds * 1000)))

    def press(self, digits: str) -> None:
        for digit in digits:
            self.bring(Dtmf(self.next_number(), "inbound", digit))

    async def hang_up(self) -> None:
        self.bring(Disconnected(1005, ""))
        self.streams.clear()

    @property
    def asked(self) -> Counter[str]:
        return Counter(self.agent.log)
