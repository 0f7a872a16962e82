"""A relay's run, with a consumer, a feed and an office that are made up."""

import asyncio
import json
import threading
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

import msgspec
import pytest

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import Clear, Mark, Media, ReturnEvent, ReturnMark, ReturnMedia
from callstream.errors import Unavailable
from callstream.frames.records import Disconnected, Record, RecordEvent
from callstream.ports import Item
from callstream.relays import run
from callstream.relays.run import ConsumerGone, DialFailed, Over, RelayPorts, RelayRun, Standing
from callstream.relays.sinks.fork import Fork, ForkedCall, ForkNumbers

NEW_STREAM = {"stream_id": "s2", "connected_at": 990_000}
CALL = ForkedCall("relay-1", "CA1", "AC1", PCMU_8K, ("inbound",), {})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_LOOKS", 0.01)
    monkeypatch.setattr(run, "_INHERITING", 0.01)
    monkeypatch.setattr(run, "CACHE_SECONDS", 0.0)


def record(event: RecordEvent, stream_id: str = "s1") -> Record:
    return Record(stream_id, "acme", "genagent", "twilio", 0, event)


def media(sequence: int, audio: bytes = b"\x7f", stream_id: str = "s1") -> Record:
    return record(Media(sequence, "inbound", sequence, sequence * 20, audio), stream_id)


class Consumer:
    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.says: asyncio.Queue[str | None] = asyncio.Queue()
        self.open = asyncio.Event()
        self.open.set()
        self.closed: int | None = None
        self.closes_with: int | None = 1000
        self.gone = False

    async def send(self, text: str) -> None:
        await self.open.wait()
        if self.gone:
            raise ConsumerGone(self.closes_with)
        self.heard.append(json.loads(text))

    async def receive(self) -> str:
        text = await self.says.get()
        if text is None:
            self.gone = True
            self.open.set()
            raise ConsumerGone(self.closes_with)
        return text

    async def close(self, code: int) -> None:
        self.closed = code

    def frames(self) -> list[int]:
        return [int(each["media"]["chunk"]) for each in self.heard if each["event"] == "media"]


class Feed:
    def __init__(self) -> None:
        self.subscribed: list[str] = []
        self.batches: asyncio.Queue[Sequence[Record] | None] = asyncio.Queue()

    async def subscribe(self, stream_id: str) -> None:
        self.subscribed.append(stream_id)

    async def receive(self) -> Sequence[Record]:
        batch = await self.batches.get()
        if batch is None:
            raise Unavailable("feed", "Closed")
        return batch

    async def close(self) -> None:
        pass


class Office:
    def __init__(self) -> None:
        self.open_streams: list[Item] = [{"stream_id": "s1"}]
        self.recent_streams: list[Item] = [{"stream_id": "s1"}]
        self.standing_now = Standing.GOES_ON
        self.stopped_before = False
        self.told: list[Any] = []
        self.sent_back: list[ReturnEvent] = []
        self.takes = threading.Event()
        self.takes.set()
        self.legs: Sequence[str] = ()
        self.called = 0
        self.ready = False
        self.legacy: bytes | None = None
        self.kept: bytes | None = None
        self.rescues = 0

    def connected(self, checkpoint: bytes) -> bool:
        self.told.append("connected")
        self.kept = checkpoint
        return not self.stopped_before

    def standing(self) -> Standing:
        return self.standing_now

    def keep(self, checkpoint: bytes | None, dropped: int) -> None:
        self.dropped = dropped
        self.kept = self.kept if checkpoint is None else checkpoint

    def ended(self, reason: str | None, dropped: int) -> None:
        self.told.append(("ended", reason, dropped))

    def streams(self) -> Sequence[Item]:
        return self.open_streams

    def streams_since(self, _moment: float) -> Sequence[Item]:
        return self.open_streams or self.recent_streams

    def send_back(self, event: ReturnEvent, hears: AudioFormat) -> Collection[str]:
        assert hears == PCMU_8K
        assert self.takes.wait(30)
        self.sent_back.append(event)
        return ()

    def other_legs(self) -> Collection[str]:
        return self.legs

    def call_successor(self) -> None:
        self.called += 1

    def is_ready(self) -> None:
        self.ready = True

    def successor_is_ready(self) -> bool:
        return self.ready

    def leave(self, checkpoint: bytes) -> bool:
        self.legacy = checkpoint
        return True

    def call_rescue(self) -> None:
        self.rescues += 1

    def take_over(self) -> bytes | None:
        return self.kept

    def inherit(self) -> bytes | None:
        return self.legacy


class Scene:
    def __init__(self, seconds: float = 900, limit: int = 500) -> None:
        self.consumer, self.feed, self.office = Consumer(), Feed(), Office()
        self.dial_fails: str | None = None
        self.on_kinesis: Sequence[Record] | None = ()
        self.kinesis_answers = asyncio.Event()
        self.kinesis_answers.set()
        self.asked_for: tuple[set[str], float] | None = None
        self.now = 1000.0
        self.seconds, self.limit = seconds, limit
        self.made_by: threading.Thread | None = None

    async def dial(self) -> Consumer:
        if self.dial_fails:
            raise DialFailed(self.dial_fails)
        return self.consumer

    async def open_feed(self) -> Feed:
        return self.feed

    async def missed(self, stream_ids: Collection[str], since: float) -> Sequence[Record]:
        self.asked_for = ({*stream_ids}, since)
        await self.kinesis_answers.wait()
        if self.on_kinesis is None:
            raise Unavailable("kinesis", "Down")
        return self.on_kinesis

    def run(self) -> RelayRun:
        def make_fork(streams: Sequence[Item], numbers: ForkNumbers | None) -> Fork:
            assert streams
            self.made_by = threading.current_thread()
            return Fork("telnyx", CALL, numbers=numbers)

        ports = RelayPorts(
            self.dial,
            self.open_feed,
            self.missed,
            self.office,
            self.office,
            make_fork,
            lambda: self.now,
            self.seconds,
        )
        return RelayRun(ports, self.limit)

    def feed_in(self, *records: Record) -> None:
        self.feed.batches.put_nowait(records)


def play(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def within_reason() -> None:
        async with asyncio.timeout(30):
            await act()

    asyncio.run(within_reason())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  # what it waits for knows of no event
        await asyncio.sleep(0.001)


def first_messages(*, joined_at: int = 100) -> list[Record]:
    """What a relay that joins waits for: a whole window, then the frames in their order."""
    return [media(joined_at + place) for place in (1, 0, 2)]


async def settled(scene: Scene) -> None:
    """Let the first window pass, in which a relay that joins finds the beginning."""
    await until(scene.feed.batches.empty)
    await asyncio.sleep(0.01)
    scene.now += 2
    scene.feed_in()
    await until(scene.feed.batches.empty)
    await asyncio.sleep(0.01)


def test_a_call_is_said_in_order_until_it_is_over() -> None:
    async def act() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.run().run())
        scene.feed_in(*first_messages())
        await settled(scene)
        scene.feed_in(media(103), record(Disconnected(1005, "")))
        await until(lambda: len(scene.consumer.frames()) == 4)
        scene.office.open_streams = []
        await settled(scene)

        assert await running == Over("call")
        assert [each["event"] for each in scene.consumer.heard] == [
            "connected",
            "start",
            *["media"] * 4,
            "stop",
        ]
        numbers = [each.get("sequence_number") for each in scene.consumer.heard]
        assert numbers == [None, "1", "2", "3", "4", "5", "6"]
        assert scene.office.told == ["connected", ("ended", None, 0)]
        assert scene.consumer.closed == 1000

    play(act)


def test_a_command_stops_it_once() -> None:
    async def act() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.run().run())
        await until(lambda: scene.consumer.heard)
        scene.office.standing_now = Standing.STOPPED

        assert await running == Over("command")
        assert scene.consumer.heard[-1]["event"] == "stop"
        assert scene.office.told == ["connected", ("ended", None, 0)]

    play(act)


def test_one_that_was_stopped_before_it_began_says_nothing() -> None:
    async def act() -> None:
        scene = Scene()
        scene.office.stopped_before = True

        assert await scene.run().run() is None
        assert scene.consumer.heard == []
        assert scene.consumer.closed == 1000

    play(act)


def test_a_consumer_that_closes_ends_it() -> None:
    async def act() -> None:
        scene = Scene()
        scene.consumer.says.put_nowait(None)

        assert await scene.run().run() == Over("consumer")
        assert scene.office.told == ["connected", ("ended", None, 0)]

    play(act)


@pytest.mark.parametrize("reason", ["refused", "timeout", "tls", "handshake", "invalid_url"])
def test_a_consumer_that_cannot_be_reached_fails_it(reason: str) -> None:
    async def act() -> None:
        scene = Scene()
        scene.dial_fails = reason

        assert await scene.run().run() == Over("failure", reason)
        assert scene.office.told == [("ended", reason, 0)]

    play(act)


@pytest.mark.parametrize("code", [None, 1002, 1006, 1011])
def test_a_consumer_that_goes_without_goodbye_fails_it(code: int | None) -> None:
    async def act() -> None:
        scene = Scene()
        scene.consumer.closes_with = code
        scene.consumer.says.put_nowait(None)

        assert await scene.run().run() == Over("failure", "closed")
        assert scene.office.told == ["connected", ("ended", "closed", 0)]

    play(act)


def test_one_that_was_replaced_says_no_more() -> None:
    async def act() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.run().run())
        await until(lambda: scene.consumer.heard)
        scene.office.standing_now = Standing.REPLACED

        assert await running == Over("replacement")
        assert scene.consumer.heard[-1]["event"] == "start"
        assert scene.consumer.closed == 1000
        assert scene.office.told == ["connected"]

    play(act)


def test_after_a_lost_feed_another_run_goes_on_without_loss_or_repetition() -> None:
    async def act() -> None:
        first, second = Scene(), Scene()
        second.office = first.office
        running = asyncio.create_task(first.run().run())
        first.feed_in(*first_messages())
        await settled(first)
        # 104 waits for 103, which is on Kinesis, and never comes.
        first.feed_in(media(104))
        await until(lambda: len(first.consumer.frames()) == 3)
        first.feed.batches.put_nowait(None)
        assert await running == Over("rescue")
        assert first.office.rescues == 1
        assert first.consumer.heard[-1]["event"] == "media"

        # A minute later.
        second.now = first.now + 60
        second.on_kinesis = [media(number) for number in (101, 102, 100, 104, 103, 105)]
        rescuing = asyncio.create_task(second.run().take_over())
        await until(lambda: len(second.consumer.frames()) == 3)
        second.feed_in(media(105), media(106))
        await until(lambda: len(second.consumer.frames()) == 4)
        second.office.standing_now = Standing.STOPPED
        assert await rescuing == Over("command")

        assert first.consumer.frames() + second.consumer.frames() == [1, 2, 3, 4, 5, 6, 7]
        assert [each["event"] for each in second.consumer.heard[:2]] == ["connected", "start"]
        assert second.asked_for is not None
        streams, since = second.asked_for
        assert streams == {"s1"}
        assert since <= first.now - 5
        assert second.office.told == ["connected", ("ended", None, 0)]

    play(act)


def test_what_a_killed_run_had_said_since_its_checkpoint_is_said_again_alike() -> None:
    async def act() -> None:
        first, second = Scene(), Scene()
        second.office, second.now = first.office, first.now
        killed = asyncio.create_task(first.run().run())
        first.feed_in(*first_messages())
        await settled(first)
        await until(lambda: len(first.consumer.frames()) == 3)
        before = first.office.kept
        first.now += 1
        await until(lambda: first.office.kept != before)
        kept = first.office.kept
        first.feed_in(media(103), media(104))
        await until(lambda: len(first.consumer.frames()) == 5)
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)

        first.office.kept = kept
        second.now = first.now + 60
        second.on_kinesis = [media(number) for number in range(100, 106)]
        rescuing = asyncio.create_task(second.run().take_over())
        await until(lambda: len(second.consumer.frames()) >= 3)
        second.office.standing_now = Standing.STOPPED
        await rescuing

        said = first.consumer.heard + second.consumer.heard
        audio = [each for each in said if each["event"] == "media"]
        assert [each["media"]["chunk"] for each in audio] == list("12345456")
        again = {json.dumps(each["media"]) for each in audio if each["media"]["chunk"] in "45"}
        assert len(again) == 2

    play(act)


def test_what_was_missed_waits_for_a_consumer_that_is_slower() -> None:
    async def act() -> None:
        scene = Scene(limit=150)
        office = scene.office
        running = asyncio.create_task(scene.run().run())
        scene.feed_in(*first_messages())
        await settled(scene)
        await until(lambda: len(scene.consumer.frames()) == 3)
        scene.feed.batches.put_nowait(None)
        await running

        rescuer = Scene(limit=150)
        rescuer.office, rescuer.now = office, scene.now
        rescuer.on_kinesis = [media(number) for number in range(103, 1103)]
        rescuing = asyncio.create_task(rescuer.run().take_over())
        await until(lambda: len(rescuer.consumer.frames()) == 1000)
        office.standing_now = Standing.STOPPED
        await rescuing

        assert rescuer.consumer.frames() == list(range(4, 1004))
        assert office.told == ["connected", ("ended", None, 0)]

    play(act)


@pytest.mark.parametrize(
    ("standing", "over", "told"),
    [
        (Standing.REPLACED, Over("replacement"), []),
        (Standing.STOPPED, Over("command"), [("ended", None, 0)]),
    ],
)
def test_a_rescue_that_took_too_long_says_nothing(
    standing: Standing, over: Over, told: list[object]
) -> None:
    async def act() -> None:
        scene = Scene()
        scene.feed.batches.put_nowait(None)
        await scene.run().run()
        late = Scene()
        late.office = scene.office
        late.office.standing_now = standing

        assert await late.run().take_over() == over
        assert late.consumer.heard == []
        assert late.consumer.closed == 1000
        assert late.office.told == ["connected", *told]

    play(act)


def test_a_rescue_goes_on_even_if_what_was_missed_cannot_be_read() -> None:
    async def act() -> None:
        scene = Scene()
        scene.office.kept = None
        assert await scene.run().take_over() is None
        assert scene.consumer.heard == []

        scene.feed.batches.put_nowait(None)
        await scene.run().run()
        rescuer = Scene()
        rescuer.office, rescuer.on_kinesis = scene.office, None
        rescuing = asyncio.create_task(rescuer.run().take_over())
        await until(lambda: rescuer.consumer.heard)
        rescuer.feed_in(*first_messages())
        await settled(rescuer)
        rescuer.feed_in()
        await until(lambda: len(rescuer.consumer.frames()) == 3)
        rescuer.office.standing_now = Standing.STOPPED
        assert await rescuing == Over("command")

    play(act)


def test_a_call_without_streams_is_over_before_anybody_is_dialled() -> None:
    async def act() -> None:
        scene = Scene()
        scene.office.open_streams = []
        scene.dial_fails = "refused"

        assert await scene.run().run() == Over("call")

    play(act)


def test_a_stream_that_joins_the_call_is_heard_too_but_no_track_twice() -> None:
    async def act() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.run().run())
        scene.feed_in(*first_messages())
        await settled(scene)
        scene.office.open_streams = [{"stream_id": "s1"}, NEW_STREAM]
        await until(lambda: scene.feed.subscribed == ["s1", "s2"])
        scene.feed_in(media(1, b"twice", "s2"))
        await settled(scene)
        scene.feed_in(record(Disconnected(1005, "")))
        await settled(scene)
        scene.feed_in(media(2, b"\x01", "s2"))
        await until(lambda: len(scene.consumer.frames()) == 4)
        scene.office.standing_now = Standing.STOPPED
        await running

        payloads = [each["media"]["payload"] for each in scene.consumer.heard if "media" in each]
        assert payloads == ["fw=="] * 3 + ["AQ=="]

    play(act)


def test_a_slow_consumer_loses_the_oldest_audio_and_nothing_else() -> None:
    async def act() -> None:
        scene = Scene(limit=5)
        running = asyncio.create_task(scene.run().run())
        await until(lambda: len(scene.consumer.heard) == 2)
        scene.consumer.open.clear()
        scene.feed_in(*(media(number) for number in range(100, 120)))
        await settled(scene)
        await until(scene.feed.batches.empty)
        await asyncio.sleep(0.01)
        scene.consumer.open.set()
        scene.office.standing_now = Standing.STOPPED
        await running

        frames = scene.consumer.frames()
        assert frames[-5:] == [16, 17, 18, 19, 20]
        [_, (_, reason, dropped)] = scene.office.told
        assert reason is None
        assert dropped == 20 - len(frames) > 0
        assert scene.consumer.heard[-1]["event"] == "stop"

    play(act)


def test_what_the_consumer_sends_goes_back_and_what_cannot_be_used_is_told() -> None:
    async def act() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.run().run())
        answer = b"\x01" * 160
        for text in (
            DIALECTS["telnyx"].render_return(ReturnMedia(answer), ""),
            '{"event": "media", "media": {"payload": "*"}}',
            '{"event": "noise"}',
        ):
            scene.consumer.says.put_nowait(text)
        await until(lambda: len(scene.consumer.heard) == 4 and scene.office.sent_back)
        scene.office.standing_now = Standing.STOPPED
        await running

        assert scene.office.sent_back == [ReturnMedia(answer)]
        codes = [each["payload"]["code"] for each in scene.consumer.heard[2:4]]
        assert codes == [100004, 100003]

    play(act)


def test_what_a_consumer_says_before_it_closes_is_said() -> None:
    async def act() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.run().run())
        scene.consumer.says.put_nowait(
            DIALECTS["telnyx"].render_return(ReturnMedia(b"\x01" * 16_000), "")
        )
        scene.consumer.says.put_nowait(None)

        assert await running == Over("consumer")
        assert len(scene.office.sent_back) == 100

    play(act)


def test_a_run_passes_on_what_it_was_told_before_it_leaves() -> None:
    async def act() -> None:
        class BusyOffice(Office):
            def successor_is_ready(self) -> bool:
                self.takes.set()
                return True

        scene = Scene(seconds=100)
        scene.office = BusyOffice()
        scene.office.takes.clear()
        running = asyncio.create_task(scene.run().run())
        scene.consumer.says.put_nowait(
            DIALECTS["telnyx"].render_return(ReturnMedia(b"\x01" * 16_000), "")
        )
        await until(scene.consumer.says.empty)
        scene.now += 50

        assert await running == Over("successor")
        assert len(scene.office.sent_back) == 100

    play(act)


def test_a_mark_comes_back_from_another_leg_of_which_nothing_else_is_said() -> None:
    async def act() -> None:
        scene = Scene()
        scene.office.legs = ["s2"]
        running = asyncio.create_task(scene.run().run())
        await until(lambda: "s2" in scene.feed.subscribed)
        scene.consumer.says.put_nowait(DIALECTS["telnyx"].render_return(ReturnMark("said"), ""))
        await until(lambda: scene.office.sent_back)
        [mark] = scene.office.sent_back
        assert isinstance(mark, ReturnMark)
        scene.feed_in(media(1, stream_id="s2"), record(Mark(2, mark.name), "s2"))
        scene.feed_in(record(Disconnected(1005, ""), "s2"))
        await until(lambda: len(scene.consumer.heard) == 3)
        assert scene.consumer.heard[2]["mark"] == {"name": "said"}
        await settled(scene)
        assert not running.done()  # the other leg's end is not this one's
        scene.office.standing_now = Standing.STOPPED
        await running
        assert scene.consumer.frames() == []

    play(act)


def test_a_consumer_that_talks_and_does_not_listen_is_told_nothing_for_ever() -> None:
    async def act() -> None:
        scene = Scene(limit=5)
        running = asyncio.create_task(scene.run().run())
        await until(lambda: len(scene.consumer.heard) == 2)
        scene.consumer.open.clear()
        for number in range(100):
            for event in (ReturnMark(str(number)), Clear()):
                scene.consumer.says.put_nowait(DIALECTS["telnyx"].render_return(event, ""))
            scene.consumer.says.put_nowait("{")
        await until(scene.consumer.says.empty)
        scene.consumer.open.set()
        scene.office.standing_now = Standing.STOPPED
        await running

        # What waits, one more, what was on its way, and the end.
        assert len(scene.consumer.heard) <= 2 + 5 + 1 + 1 + 1

    play(act)


def test_a_successor_goes_on_without_loss_or_repetition() -> None:
    async def act() -> None:
        first, second = Scene(seconds=100), Scene(seconds=900)
        second.office, second.now = first.office, first.now
        running = asyncio.create_task(first.run().run())
        first.feed_in(*first_messages())
        await settled(first)
        await until(lambda: len(first.consumer.frames()) == 3)
        assert first.office.called == 0

        first.now += 50
        await until(lambda: first.office.called)
        second.now = first.now
        succeeding = asyncio.create_task(second.run().succeed())
        # From here on both get everything; 104 comes out of turn, and waits in the first one.
        for scene in (first, second):
            scene.feed_in(media(103), media(105))
        assert await running == Over("successor")
        second.feed_in(media(104), media(106))
        await until(lambda: len(second.consumer.frames()) >= 3)
        second.office.standing_now = Standing.STOPPED
        assert await succeeding == Over("command")

        said = first.consumer.heard + second.consumer.heard
        assert [each["event"] for each in said if each["event"] != "media"] == [
            "connected",
            "start",
            "connected",
            "start",
            "stop",
        ]
        assert first.consumer.frames() + second.consumer.frames() == [1, 2, 3, 4, 5, 6, 7]
        # Once, by the one that was the last.
        assert first.office.told == ["connected", ("ended", None, 0)]

    play(act)


def test_without_a_successor_it_is_rescued_before_it_is_killed() -> None:
    async def act() -> None:
        scene = Scene(seconds=100)
        running = asyncio.create_task(scene.run().run())
        await until(lambda: scene.consumer.heard)
        scene.now += 41
        await until(lambda: scene.office.called == 1)
        # The one that was called never says a word.
        scene.now += 15
        await until(lambda: scene.office.called == 2)
        scene.now += 40

        assert await running == Over("rescue")
        assert scene.consumer.heard[-1]["event"] == "start"
        assert scene.office.rescues == 1

    play(act)


@pytest.mark.parametrize("code", [1000, None])
def test_a_consumer_that_takes_the_successor_for_its_only_connection(code: int | None) -> None:
    async def act() -> None:
        scene = Scene(seconds=100)
        scene.consumer.closes_with = code
        running = asyncio.create_task(scene.run().run())
        await until(lambda: scene.consumer.heard)
        scene.now += 41
        await until(lambda: scene.office.called == 1)
        # It closes the first one, and has not got what was said last.
        scene.consumer.open.clear()
        scene.feed_in(*first_messages())
        await settled(scene)
        scene.consumer.says.put_nowait(None)

        assert await running == Over("rescue")
        assert scene.office.kept is not None
        assert msgspec.msgpack.decode(scene.office.kept)["numbers"]["chunks"] == {}
        assert scene.office.rescues == 1
        assert scene.office.told == ["connected"]

    play(act)


def test_a_call_that_has_a_new_stream_is_not_over_with_the_old_one() -> None:
    async def act() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.run().run())
        scene.feed_in(*first_messages())
        await settled(scene)
        scene.office.open_streams = [NEW_STREAM]
        scene.feed_in(record(Disconnected(1006, "")))
        await settled(scene)
        await until(lambda: "s2" in scene.feed.subscribed)
        scene.feed_in(*(media(number, stream_id="s2") for number in (1, 2)))
        await settled(scene)
        await until(lambda: len(scene.consumer.frames()) == 5)
        scene.office.open_streams = []
        scene.feed_in(record(Disconnected(1005, ""), "s2"))
        await settled(scene)

        assert await running == Over("call")

    play(act)


def test_a_stream_that_joins_the_call_is_heard_from_its_beginning() -> None:
    async def act() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.run().run())
        scene.feed_in(*first_messages(), record(Disconnected(1006, "")))
        await settled(scene)
        scene.on_kinesis = [media(number, stream_id="s2") for number in (1, 3, 2, 4)]
        scene.office.open_streams = [NEW_STREAM]
        await until(lambda: scene.asked_for)
        assert scene.asked_for == ({"s2"}, 985.0)
        scene.feed_in(*(media(number, stream_id="s2") for number in (4, 5)))
        await settled(scene)
        await until(lambda: len(scene.consumer.frames()) == 8)
        scene.office.standing_now = Standing.STOPPED
        await running

        frames = [each["media"] for each in scene.consumer.heard if each["event"] == "media"]
        assert [each["chunk"] for each in frames] == list("12345678")

    play(act)


def test_what_comes_of_a_new_stream_waits_for_its_beginning() -> None:
    async def act() -> None:
        scene = Scene()
        scene.kinesis_answers.clear()
        scene.on_kinesis = [media(number, stream_id="s2") for number in range(1, 300)]
        running = asyncio.create_task(scene.run().run())
        scene.feed_in(*first_messages(), record(Disconnected(1006, "")))
        await settled(scene)
        scene.office.open_streams = [NEW_STREAM]
        await until(lambda: "s2" in scene.feed.subscribed)
        scene.feed_in(*(media(number, stream_id="s2") for number in range(290, 310)))
        await settled(scene)
        assert len(scene.consumer.frames()) == 3
        scene.kinesis_answers.set()
        await settled(scene)
        await until(lambda: len(scene.consumer.frames()) == 3 + 309)
        scene.office.standing_now = Standing.STOPPED
        await running

    play(act)


def test_a_call_without_streams_is_over_even_if_no_record_says_so() -> None:
    async def act() -> None:
        scene = Scene()
        running = asyncio.create_task(scene.run().run())
        await until(lambda: scene.consumer.heard)
        scene.office.open_streams = []
        await asyncio.sleep(0.05)
        assert not running.done()
        scene.now += 11

        assert await running == Over("call")

    play(act)


def test_what_comes_all_at_once_is_not_dropped_if_the_consumer_takes_it() -> None:
    async def act() -> None:
        scene = Scene(limit=50)
        running = asyncio.create_task(scene.run().run())
        scene.feed_in(*first_messages())
        await settled(scene)
        for first in range(103, 1103, 20):
            scene.feed_in(*(media(number) for number in range(first, first + 20)))
        await until(scene.feed.batches.empty)
        scene.office.standing_now = Standing.STOPPED
        await running

        assert scene.consumer.frames() == list(range(1, 1004))
        assert scene.office.told == ["connected", ("ended", None, 0)]

    play(act)


def test_tables_are_not_waited_for_where_the_consumer_is_heard() -> None:
    async def act() -> None:
        scene = Scene()
        scene.consumer.says.put_nowait(None)
        await scene.run().run()

        assert scene.made_by is not None
        assert scene.made_by is not threading.current_thread()

    play(act)


@pytest.mark.parametrize("how", ["take_over", "succeed"])
def test_who_goes_on_with_a_call_that_is_long_over_ends_the_relay(how: str) -> None:
    async def act() -> None:
        scene = Scene()
        office = scene.office
        running = asyncio.create_task(scene.run().run())
        await until(lambda: office.told)
        scene.feed.batches.put_nowait(None)
        assert await running == Over("rescue")

        later = Scene()
        later.office = office
        run = later.run()
        # Who succeeds finds the call still there, and waits for its turn.
        going_on = asyncio.create_task(run.take_over() if how == "take_over" else run.succeed())
        await until(lambda: office.ready or how == "take_over")
        office.open_streams, office.recent_streams, office.legacy = [], [], office.kept
        assert await going_on == Over("call")
        assert office.told == ["connected", ("ended", None, 0)]

    play(act)


class Hurried(Office):
    """One in which a command comes while a run is about to leave."""

    def leave(self, checkpoint: bytes) -> bool:
        self.standing_now = Standing.STOPPED
        return not super().leave(checkpoint)


def test_a_command_that_comes_in_the_midst_of_a_hand_over_is_obeyed() -> None:
    async def act() -> None:
        scene = Scene(seconds=100)
        scene.office = Hurried()
        running = asyncio.create_task(scene.run().run())
        await until(lambda: scene.consumer.heard)
        scene.office.ready = True
        scene.now += 41

        assert await running == Over("command")
        assert [each["event"] for each in scene.consumer.heard] == ["connected", "start", "stop"]
        assert scene.office.told == ["connected", ("ended", None, 0)]

    play(act)
