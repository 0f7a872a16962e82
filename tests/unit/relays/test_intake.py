"""The intake of a run: the streams of its call, and their records."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from msgspec import structs

from callstream.dialects import DIALECTS
from callstream.dialects.events import Mark, ReturnMark
from callstream.frames.records import Disconnected
from callstream.relays.checkpoint import Checkpoint
from callstream.relays.endings import Ending, Outcome
from callstream.relays.invocation import RunKind
from callstream.relays.merger import StreamMerger
from tests.unit.items import started_stream
from tests.unit.relays.scenes import NEW_STREAM, Scene, first_messages, media, play, record, until


def test_missed_records_wait_for_a_consumer_that_is_slower() -> None:
    async def act() -> None:
        scene = Scene(limit=150)
        running = scene.run()
        scene.bring(*first_messages())
        await scene.settle()
        await until(lambda: len(scene.consumer.frames()) == 3)
        scene.feed.put(None)
        await running

        rescuer = Scene(limit=150, lease=scene.lease, now=scene.now)
        rescuer.source.on_kinesis = [media(number) for number in range(103, 1103)]
        rescuing = rescuer.run(RunKind.RESCUE)
        await until(lambda: len(rescuer.consumer.frames()) == 1000)
        rescuer.stop()
        await rescuing

        assert rescuer.consumer.frames() == list(range(4, 1004))
        assert scene.lease.reported == ["acquired", ("finished", None, 0)]

    play(act)


def test_a_rescue_goes_on_even_if_missed_records_cannot_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act() -> None:
        scene = Scene()
        scene.lease.checkpoint = None
        assert await scene.run(RunKind.RESCUE) is None
        assert scene.consumer.received == []

        scene.feed.put(None)
        await scene.run()
        rescuer = Scene(lease=scene.lease)
        rescuer.source.on_kinesis = None
        rescuer.timings = replace(rescuer.timings, catching_up=0.02)
        rescuing = rescuer.run(RunKind.RESCUE)
        await until(lambda: rescuer.consumer.received)
        rescuer.bring(*first_messages())
        await rescuer.settle()
        rescuer.bring()
        await until(lambda: len(rescuer.consumer.frames()) == 3)
        rescuer.stop()
        assert await rescuing == Outcome(Ending.COMMAND)
        gap = "missed records cannot be read; the consumer has a gap"
        assert [each for each in caplog.messages if "missed" in each] == [gap]

    play(act)


def test_missed_records_reach_the_consumer_while_later_ones_are_waited_for() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.bring(*first_messages())
        await scene.settle()
        await until(lambda: len(scene.consumer.frames()) == 3)
        scene.feed.put(None)
        await running

        rescuer = Scene(lease=scene.lease, now=scene.now)
        rescuer.source.on_kinesis = [media(number) for number in range(103, 123)]
        rescuer.source.covers = False
        rescuing = rescuer.run(RunKind.RESCUE)
        rescuer.bring(media(124))
        await until(lambda: len(rescuer.consumer.frames()) == 20)
        rescuer.source.on_kinesis = [media(number) for number in range(103, 124)]
        rescuer.source.covers = True
        await until(lambda: len(rescuer.consumer.frames()) == 22)
        rescuer.stop()
        await rescuing
        assert rescuer.consumer.frames() == list(range(4, 26))

    play(act)


def test_a_run_that_catches_up_gives_heartbeats_and_keeps_the_place_it_began_at() -> None:
    async def act() -> None:
        scene = Scene()
        scene.feed.put(None)
        await scene.run()
        assert scene.lease.checkpoint is not None
        began = Checkpoint.decode(scene.lease.checkpoint)
        rescuer = Scene(lease=scene.lease, now=scene.now + 60)
        rescuer.source.covers = False
        rescuer.source.streams = []
        rescuing = rescuer.run(RunKind.RESCUE)
        await rescuer.looks(2)
        rescuer.now += 30
        await rescuer.looks(5)
        # Nothing may end the call, and a run that dies now leaves the whole rest.
        assert Checkpoint.decode(scene.lease.checkpoint).at == began.at
        assert not rescuing.done()
        rescuer.source.covers = True
        await until(lambda: Checkpoint.decode(scene.lease.checkpoint or b"").at > began.at)
        rescuer.stop()
        await rescuing

    play(act)


def test_a_stream_that_joins_the_call_is_followed_but_no_track_is_sent_twice() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.bring(*first_messages())
        await scene.settle()
        scene.source.streams = [started_stream("s1"), NEW_STREAM]
        await until(lambda: scene.feed.subscribed == ["s1", "s2"])
        looks = scene.lease.looks
        scene.bring(media(1, b"twice", "s2"))
        # The next look comes after the beginning of the new stream has been read.
        await until(lambda: scene.lease.looks > looks)
        await scene.settle()
        scene.bring(record(Disconnected(1005, "")))
        await scene.settle()
        scene.bring(media(2, b"\x01", "s2"))
        await until(lambda: len(scene.consumer.frames()) == 4)
        scene.stop()
        await running

        payloads = [each["media"]["payload"] for each in scene.consumer.received if "media" in each]
        assert payloads == ["fw=="] * 3 + ["AQ=="]

    play(act)


def test_records_that_were_left_out_are_read_from_kinesis_in_the_same_run() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.bring(*first_messages())
        await scene.settle()
        await until(lambda: len(scene.consumer.frames()) == 3)
        scene.source.kinesis_answers.clear()
        scene.source.on_kinesis = [media(number) for number in range(100, 106)]
        scene.feed.noticed = {"s1", "not ours"}
        scene.bring(media(106))
        await until(lambda: scene.source.asked_for)
        assert scene.source.asked_for == ({"s1"}, 882.0)
        scene.bring(media(107))
        await scene.feed.drained()
        # Later records wait for those that were left out, however long that takes.
        scene.now += 30
        scene.bring()
        await scene.feed.drained()
        assert len(scene.consumer.frames()) == 3
        scene.source.kinesis_answers.set()
        await until(lambda: len(scene.consumer.frames()) == 8)
        assert scene.feed.subscribed == ["s1", "s1"]
        scene.stop()
        await running
        payloads = [each for each in scene.consumer.received if each["event"] == "media"]
        assert [int(each["media"]["chunk"]) for each in payloads] == [*range(1, 9)]

    play(act)


def test_records_that_were_left_out_are_read_from_the_last_record_on() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.bring(*first_messages())
        await scene.settle()
        scene.now += 200
        scene.bring(structs.replace(media(103), received_at=1_199_000))
        await scene.settle()
        scene.feed.noticed = {"s1"}
        scene.bring()
        await until(lambda: scene.source.asked_for)
        # Not from the subscription on, which may be 5 minutes old.
        assert scene.source.asked_for == ({"s1"}, 1194.0)
        scene.stop()
        await running

    play(act)


def test_a_stream_whose_beginning_is_not_read_in_time_waits_for_the_next_look() -> None:
    async def act() -> None:
        scene = Scene()
        scene.timings = replace(scene.timings, joining=0.02)
        scene.source.covers = False
        running = scene.run()
        scene.bring(*first_messages(), record(Disconnected(1006, "")))
        await scene.settle()
        scene.source.on_kinesis = [media(1, stream_id="s2")]
        scene.source.streams = [NEW_STREAM]
        await until(lambda: "s2" in scene.feed.subscribed)
        scene.bring(media(4, stream_id="s2"))
        await scene.looks(3)
        # The call ends when all has been read.
        end = record(Disconnected(1005, ""), "s2")
        scene.source.on_kinesis = [*(media(number, stream_id="s2") for number in (1, 2, 3)), end]
        scene.source.streams = []
        scene.now += 20
        await scene.looks(3)
        assert not running.done()
        # Another run would have to read the beginning, too.
        assert Checkpoint.decode(scene.lease.checkpoint or b"").at == 990
        scene.source.covers = True
        await until(lambda: len(scene.consumer.frames()) == 7)
        scene.now += 2
        scene.bring()
        assert await running == Outcome(Ending.CALL)
        assert scene.consumer.frames() == [*range(1, 8)]
        # Another backlog would have to wait for another turn.
        assert scene.source.asked_for == ({"s2"}, 985.0)

    play(act)


def test_notices_of_what_has_been_read_since_are_ignored() -> None:
    async def act() -> None:
        scene = Scene()
        scene.timings = replace(scene.timings, propagation=0.02)
        running = scene.run()
        await until(lambda: scene.consumer.received)
        reads = []
        for later in (0, 0.01, 0.02):
            scene.now += later
            scene.source.asked_for = None
            scene.feed.noticed = {"s1"}
            scene.bring()
            await scene.feed.drained()
            await scene.looks(3)
            reads.append(scene.source.asked_for is not None)
        scene.stop()
        await running
        assert reads == [True, False, True]

    play(act)


def test_a_call_that_ends_without_a_record_is_read_once_more() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.bring(*first_messages())
        await scene.settle()
        scene.source.on_kinesis = [media(103), record(Disconnected(1005, ""))]
        scene.source.streams = []
        scene.now += 11
        await until(lambda: len(scene.consumer.frames()) == 4)
        scene.now += 2
        scene.bring()

        assert await running == Outcome(Ending.CALL)

    play(act)


def test_another_leg_gives_marks_back_and_nothing_else() -> None:
    async def act() -> None:
        scene = Scene()
        scene.legs.others_before = {"s2"}
        running = scene.run()
        await until(lambda: "s2" in scene.feed.subscribed)
        scene.consumer.sends.put_nowait(DIALECTS["telnyx"].render_return(ReturnMark("said"), ""))
        await until(lambda: scene.legs.posted)
        [mark] = scene.legs.posted
        assert isinstance(mark, ReturnMark)
        scene.bring(media(1, stream_id="s2"), record(Mark(2, mark.name), "s2"))
        scene.bring(record(Disconnected(1005, ""), "s2"))
        await until(lambda: len(scene.consumer.received) == 3)
        assert scene.consumer.received[2]["mark"] == {"name": "said"}
        await scene.settle()
        assert not running.done()  # the other leg's end is not this one's
        scene.stop()
        await running
        assert scene.consumer.frames() == []

    play(act)


def test_a_call_with_a_new_stream_is_not_over_with_the_old_one() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.bring(*first_messages())
        await scene.settle()
        scene.source.streams = [NEW_STREAM]
        scene.bring(record(Disconnected(1006, "")))
        await scene.settle()
        await until(lambda: "s2" in scene.feed.subscribed)
        scene.bring(*(media(number, stream_id="s2") for number in (1, 2)))
        await scene.settle()
        await until(lambda: len(scene.consumer.frames()) == 5)
        scene.source.streams = []
        scene.bring(record(Disconnected(1005, ""), "s2"))
        await scene.feed.drained()
        scene.now += 2
        scene.bring()

        assert await running == Outcome(Ending.CALL)

    play(act)


def test_a_stream_that_joins_the_call_is_sent_from_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole: list[set[str]] = []

    def expect_whole(_merger: StreamMerger, stream_ids: Iterable[str]) -> None:
        whole.append({*stream_ids})

    monkeypatch.setattr(StreamMerger, "expect_whole", expect_whole)

    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.bring(*first_messages(), record(Disconnected(1006, "")))
        await scene.settle()
        scene.source.on_kinesis = [media(number, stream_id="s2") for number in (1, 3, 2, 4)]
        scene.source.streams = [NEW_STREAM]
        await until(lambda: scene.source.asked_for)
        assert scene.source.asked_for == ({"s2"}, 985.0)
        scene.bring(*(media(number, stream_id="s2") for number in (4, 5)))
        await scene.settle()
        await until(lambda: len(scene.consumer.frames()) == 8)
        scene.stop()
        await running

        frames = [each["media"] for each in scene.consumer.received if each["event"] == "media"]
        assert [each["chunk"] for each in frames] == list("12345678")
        assert whole == [{"s2"}]

    play(act)


def test_records_of_a_new_stream_wait_for_its_beginning() -> None:
    async def act() -> None:
        scene = Scene()
        scene.source.kinesis_answers.clear()
        scene.source.on_kinesis = [media(number, stream_id="s2") for number in range(1, 300)]
        running = scene.run()
        scene.bring(*first_messages(), record(Disconnected(1006, "")))
        await scene.settle()
        scene.source.streams = [NEW_STREAM]
        await until(lambda: "s2" in scene.feed.subscribed)
        scene.bring(*(media(number, stream_id="s2") for number in range(290, 310)))
        await scene.settle()
        assert len(scene.consumer.frames()) == 3
        scene.source.kinesis_answers.set()
        await scene.settle()
        await until(lambda: len(scene.consumer.frames()) == 3 + 309)
        scene.stop()
        await running

    play(act)


def test_a_call_without_streams_is_over_even_if_no_record_says_so() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        await until(lambda: scene.consumer.received)
        scene.source.streams = []
        looks = scene.lease.looks
        await until(lambda: scene.lease.looks > looks + 2)
        assert not running.done()
        scene.now += 11

        assert await running == Outcome(Ending.CALL)

    play(act)


def test_subscriptions_are_renewed_before_api_gateway_closes_the_connection() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        await until(lambda: scene.consumer.received)
        looks = scene.lease.looks
        await until(lambda: scene.lease.looks > looks + 2)
        assert scene.feed.subscribed == ["s1"]
        scene.now += 300
        await until(lambda: scene.feed.subscribed == ["s1", "s1"])
        scene.stop()
        await running

    play(act)
