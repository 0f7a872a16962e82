"""A relay's run with everything around it made up: lease, call, carrier and consumer."""

import asyncio
import json
import math
import selectors
import threading
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Protocol, override

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.callbacks.model import RelayCallback
from callstream.calls.model import StartedStream
from callstream.dialects.events import Media, ReturnEvent, ReturnMedia
from callstream.errors import Unavailable
from callstream.frames.records import Record, RecordEvent
from callstream.relays import ports
from callstream.relays.endings import Outcome
from callstream.relays.invocation import RunKind
from callstream.relays.ports import ConsumerGone, DialFailed, LeaseStatus
from callstream.relays.run import RelayRun
from callstream.relays.sinks.fork import ForkCounters, ForkedCall, ForkProtocol
from callstream.relays.sinks.posting import LegSender, ReturnPackets
from callstream.relays.sinks.websocket import ForkMaker, WebSocketSink
from callstream.relays.timings import RelayTimings
from tests.relays import make_relay
from tests.unit.items import started_stream

CALL = ForkedCall("relay-1", "CA1", "AC1", PCMU_8K, ("inbound",), {})
RELAY = make_relay("r1")
NEW_STREAM = started_stream("s2", connected_at=990_000)
QUICK = RelayTimings(look=0.01, accept_poll=0.01, propagation=0.0, catching_up=30)


def play(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scene, which must come to an end."""
    asyncio.run(_within(60, act))


def play_without_waiting(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scene in a loop whose time jumps to the next timer instead of waiting."""
    with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
        runner.run(_within(3600, act))


async def _within(seconds: float, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async with asyncio.timeout(seconds):
        await act()


class _JumpingSelector(selectors.DefaultSelector):
    now = 1000.0

    @override
    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    @override
    def time(self) -> float:
        return self._jumping.now

    @override
    def run_in_executor(self, _executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Run at once: time must not jump while a thread works."""
        done = self.create_future()
        done.set_result(func(*args))
        return done


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that has no event of its own."""
    while not condition():  # noqa: ASYNC110  # what it waits for knows of no event
        await asyncio.sleep(0.001)


def record(event: RecordEvent, stream_id: str = "s1", dialect: str = "twilio") -> Record:
    return Record(stream_id, "acme", "genagent", dialect, 0, event)


def media(sequence: int, audio: bytes = b"\x7f", stream_id: str = "s1") -> Record:
    return record(Media(sequence, "inbound", sequence, sequence * 20, audio), stream_id)


def first_messages() -> list[Record]:
    """Frames 100 to 102, out of order."""
    return [media(number) for number in (101, 100, 102)]


class Consumer(ports.Consumer):
    """A consumer that reads while it is `open`, and sends what the test puts into `sends`."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.sends: asyncio.Queue[str | None] = asyncio.Queue()
        self.open = asyncio.Event()
        self.open.set()
        self.closed: int | None = None
        self.closes_with: int | None = 1000
        self.gone = False

    @override
    async def send(self, text: str) -> None:
        await self.open.wait()
        if self.gone:
            raise ConsumerGone(self.closes_with)
        self.received.append(json.loads(text))

    @override
    async def receive(self) -> str:
        text = await self.sends.get()
        if text is None:
            self.gone = True
            self.open.set()
            raise ConsumerGone(self.closes_with)
        return text

    @override
    async def close(self, code: int) -> None:
        self.closed = code

    def frames(self) -> list[int]:
        return [int(each["media"]["chunk"]) for each in self.received if each["event"] == "media"]

    def events(self) -> list[str]:
        return [each["event"] for each in self.received]


class Feed(ports.Feed):
    """A feed that knows when all that it brought has been dealt with."""

    def __init__(self) -> None:
        self.subscribed: list[str] = []
        self.noticed: set[str] = set()
        self._batches: asyncio.Queue[Sequence[Record] | None] = asyncio.Queue()
        self._drained = asyncio.Event()

    def put(self, batch: Sequence[Record] | None) -> None:
        """Bring records; with None the feed ends."""
        self._drained.clear()
        self._batches.put_nowait(batch)

    async def drained(self) -> None:
        """Wait until all records have been taken, and more are asked for."""
        await self._drained.wait()

    @override
    async def subscribe(self, stream_id: str) -> None:
        self.subscribed.append(stream_id)

    @override
    async def receive(self) -> Sequence[Record]:
        if self._batches.empty():
            self._drained.set()
        batch = await self._batches.get()
        if batch is None:
            raise Unavailable("feed", "Closed")
        return batch

    @override
    def left_out(self) -> Collection[str]:
        noticed, self.noticed = self.noticed, set()
        return noticed

    @override
    async def close(self) -> None:
        pass


class Backlog(ports.Backlog):
    """What Kinesis has: all that it has now is one part."""

    def __init__(
        self,
        kept: Callable[[], Sequence[Record]],
        clock: Callable[[], float],
        pause: float = 0.5,
    ) -> None:
        self._kept, self._clock, self._pause = kept, clock, pause
        self._count, self._covered_until = 0, 0.0

    @override
    def read(self) -> Sequence[Record]:
        kept, count = self._kept(), self._count
        self._count, self._covered_until = len(kept), self._clock()
        return kept[count:]

    @override
    def has_covered(self, moment: float) -> bool:
        return self._covered_until >= moment

    @override
    def seconds_until_due(self) -> float:
        return self._pause


class Source(ports.CallSource):
    """A call with one stream; `on_kinesis` is None while Kinesis does not answer.

    While `covers` is false, more may come from Kinesis.
    """

    def __init__(self) -> None:
        self.feed = Feed()
        self.streams: list[StartedStream] = [started_stream("s1")]
        self.recent_streams: list[StartedStream] = [started_stream("s1")]
        self.on_kinesis: Sequence[Record] | None = ()
        self.kinesis_answers = threading.Event()
        self.kinesis_answers.set()
        self.covers = True
        self.asked_for: tuple[set[str], float] | None = None

    @override
    def open_streams(self) -> Sequence[StartedStream]:
        return self.streams

    @override
    def streams_since(self, moment: float) -> Sequence[StartedStream]:
        return self.streams or self.recent_streams

    @override
    def backlog(self, stream_ids: Collection[str], moment: float) -> ports.Backlog:
        self.asked_for = ({*stream_ids}, moment)
        return Backlog(self._read, self._covered_until, pause=0.01)

    def _covered_until(self) -> float:
        return 0.0 if self.on_kinesis is None or not self.covers else math.inf

    def _read(self) -> Sequence[Record]:
        assert self.kinesis_answers.wait(30)
        return self.on_kinesis or ()

    @override
    async def open_feed(self) -> Feed:
        return self.feed


class RecordedCall(Protocol):
    """A call whose records a test keeps."""

    streams: list[StartedStream]
    all_streams: list[StartedStream]
    records: list[Record]

    def clock(self) -> float: ...


class CallSource(Source):
    """A recorded call, with a feed of its own for each run."""

    def __init__(self, call: RecordedCall) -> None:
        super().__init__()
        self.call = call
        self.streams = call.streams

    @override
    def streams_since(self, moment: float) -> Sequence[StartedStream]:
        return self.call.all_streams

    @override
    def backlog(self, stream_ids: Collection[str], moment: float) -> ports.Backlog:
        return Backlog(lambda: self._since(moment), self.call.clock)

    def _since(self, moment: float) -> Sequence[Record]:
        return [each for each in self.call.records if each.received_at >= moment * 1000]


class Lease(ports.Lease):
    """A lease that says what the test wants, and remembers what the run says."""

    def __init__(self) -> None:
        self.status_now = LeaseStatus.OWNER
        self.stopped_before = False
        self.looks = 0
        self.reported: list[Any] = []
        self.checkpoint: bytes | None = None
        self.handed_over: bytes | None = None
        self.dropped = 0
        self.successors = 0
        self.ready = False
        self.answered_ready = False
        self.rescues = 0

    @override
    def acquire(self, checkpoint: bytes) -> bool:
        self.reported.append("acquired")
        self.checkpoint = checkpoint
        return not self.stopped_before

    @override
    def status(self) -> LeaseStatus:
        self.looks += 1
        return self.status_now

    @override
    def renew(self, checkpoint: bytes | None, dropped: int) -> None:
        self.dropped = dropped
        self.checkpoint = self.checkpoint if checkpoint is None else checkpoint

    @override
    def finish(self, reason: str | None, dropped: int) -> None:
        self.reported.append(("finished", reason, dropped))

    @override
    def call_successor(self) -> None:
        self.successors += 1

    @override
    def report_ready(self) -> None:
        self.ready = True

    @override
    def successor_is_ready(self) -> bool:
        self.answered_ready = self.ready
        return self.ready

    @override
    def hand_over(self, checkpoint: bytes) -> bool:
        self.handed_over = checkpoint
        return True

    @override
    def accept_hand_over(self) -> bytes | None:
        return self.handed_over

    @override
    def call_rescue(self) -> None:
        self.rescues += 1

    @override
    def take_over(self) -> bytes | None:
        return self.checkpoint


class Callbacks:
    """A queue of callbacks that remembers each as (event, reason). `down`: it does not answer."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str | None]] = []
        self.queued: list[RelayCallback] = []
        self.down = False

    def send(self, callback: RelayCallback) -> None:
        if self.down:
            raise Unavailable("sqs", "Down")
        self.sent.append((callback.event, callback.reason))
        self.queued.append(callback)


class Legs(LegSender):
    """A carrier that takes nothing while `takes` is not set, and `post_seconds` for each post."""

    l16_byte_order = "big"
    post_seconds = 0.0

    def __init__(self) -> None:
        self.posted: list[ReturnEvent] = []
        self.return_format = PCMU_8K
        self.others_before: set[str] = set()
        self.others: set[str] = set()
        self.problem: Exception | None = None
        self.takes = asyncio.Event()
        self.takes.set()
        self.asked = asyncio.Event()

    @override
    async def send_back(
        self, event: ReturnEvent, return_format: AudioFormat, *, ends_speech: bool = False
    ) -> Collection[str]:
        del ends_speech
        self.asked.set()
        await self.takes.wait()
        if self.post_seconds:
            await asyncio.sleep(self.post_seconds)
        if event == ReturnMedia(b""):
            return self.others
        if self.problem is not None:
            raise self.problem
        assert return_format == self.return_format
        self.posted.append(event)
        return self.others

    @override
    async def other_legs(self) -> Collection[str]:
        return self.others_before

    @property
    def pieces(self) -> list[bytes]:
        """The pieces of audio in the order of their posts; each packet is a piece."""
        return [
            piece
            for event in self.posted
            if isinstance(event, ReturnMedia)
            for piece in (event.packets if isinstance(event, ReturnPackets) else [event.audio])
        ]

    @property
    def audio(self) -> bytes:
        return b"".join(self.pieces)


class Scene(ports.Dialler, ForkMaker):
    """One run of a relay, or a later one of the same relay if it is given the lease of another.

    A `one_way` relay has no legs that play what the consumer sends.

    The clock stands still unless the test moves `now`.
    """

    def __init__(
        self,
        seconds: float = 900,
        limit: int = 500,
        lease: Lease | None = None,
        now: float = 1000,
        *,
        one_way: bool = False,
    ) -> None:
        self.one_way = one_way
        self.lease = Lease() if lease is None else lease
        self.consumer, self.source, self.legs = Consumer(), Source(), Legs()
        self.dial_fails: str | None = None
        self.seconds, self.limit, self.now = seconds, limit, now
        self.timings = QUICK
        self.made_by: threading.Thread | None = None
        self.is_even = False

    @property
    def feed(self) -> Feed:
        return self.source.feed

    @override
    async def dial(self) -> Consumer:
        if self.dial_fails:
            raise DialFailed(self.dial_fails)
        return self.consumer

    @override
    def make(self, streams: Sequence[StartedStream], counters: ForkCounters | None) -> ForkProtocol:
        assert streams
        self.made_by = threading.current_thread()
        return ForkProtocol("telnyx", CALL, counters=counters, is_even=self.is_even)

    def clock(self) -> float:
        return self.now

    def sink(self) -> WebSocketSink:
        return WebSocketSink(
            self,
            self,
            None if self.one_way else self.legs,
            clock=self.clock,
            timings=self.timings,
            outbox_limit=self.limit,
        )

    def run(self, kind: RunKind = RunKind.FIRST) -> asyncio.Task[Outcome | None]:
        run = RelayRun(
            self.lease,
            self.source,
            self.sink(),
            clock=self.clock,
            seconds=self.seconds,
            timings=self.timings,
        )
        return asyncio.create_task(run.run(kind))

    def stop(self) -> None:
        """Have a command stop the relay."""
        self.lease.status_now = LeaseStatus.STOPPED

    def bring(self, *records: Record) -> None:
        self.feed.put(records)

    async def looks(self, times: int) -> None:
        """Wait until the run has looked at its lease so many times again."""
        looks = self.lease.looks + times
        await until(lambda: self.lease.looks >= looks)

    async def settle(self) -> None:
        """Let the window pass in which a relay that joins a stream looks for its beginning."""
        await self.feed.drained()
        self.now += 2
        self.bring()
        await self.feed.drained()
