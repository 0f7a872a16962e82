"""How a run starts, and goes on from the run before."""

import asyncio
import json
from typing import override

import pytest

from callstream.frames.records import Disconnected
from callstream.relays.endings import Ending, Outcome
from callstream.relays.invocation import RunKind
from callstream.relays.ports import LeaseStatus
from tests.unit.relays.scenes import (
    Lease,
    Scene,
    first_messages,
    media,
    play,
    record,
    until,
)


def test_a_run_sends_a_call_in_order_until_it_is_over() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        scene.bring(*first_messages())
        await scene.settle()
        scene.bring(media(103), record(Disconnected(1005, "")))
        await until(lambda: len(scene.consumer.frames()) == 4)
        scene.source.streams = []
        await scene.feed.drained()
        scene.now += 2
        scene.bring()

        assert await running == Outcome(Ending.CALL)
        assert scene.consumer.events() == [
            "connected",
            "start",
            *["media"] * 4,
            "stop",
        ]
        numbers = [each.get("sequence_number") for each in scene.consumer.received]
        assert numbers == [None, "1", "2", "3", "4", "5", "6"]
        assert scene.lease.reported == ["acquired", ("finished", None, 0)]
        assert scene.consumer.closed == 1000

    play(act)


def test_a_run_that_was_stopped_before_it_began_sends_nothing() -> None:
    async def act() -> None:
        scene = Scene()
        scene.lease.stopped_before = True

        assert await scene.run() is None
        assert scene.consumer.received == []
        assert scene.consumer.closed == 1000

    play(act)


@pytest.mark.parametrize("reason", ["refused", "timeout", "tls", "handshake", "invalid_url"])
def test_a_consumer_that_cannot_be_reached_fails_the_relay(reason: str) -> None:
    async def act() -> None:
        scene = Scene()
        scene.dial_fails = reason

        assert await scene.run() == Outcome(Ending.FAILURE, reason)
        assert scene.lease.reported == [("finished", reason, 0)]

    play(act)


def test_a_rescue_after_a_lost_feed_loses_and_repeats_nothing() -> None:
    async def act() -> None:
        first = Scene()
        second = Scene(lease=first.lease)
        running = first.run()
        first.bring(*first_messages())
        await first.settle()
        # 104 waits for 103, which is on Kinesis, and never comes.
        first.bring(media(104))
        await until(lambda: len(first.consumer.frames()) == 3)
        first.feed.put(None)
        assert await running == Outcome(Ending.RESCUE)
        assert first.lease.rescues == 1
        assert first.consumer.received[-1]["event"] == "media"

        # A minute later.
        second.now = first.now + 60
        second.source.on_kinesis = [media(number) for number in (101, 102, 100, 104, 103, 105)]
        rescuing = second.run(RunKind.RESCUE)
        await until(lambda: len(second.consumer.frames()) == 3)
        second.bring(media(105), media(106))
        await until(lambda: len(second.consumer.frames()) == 4)
        second.stop()
        assert await rescuing == Outcome(Ending.COMMAND)

        assert first.consumer.frames() + second.consumer.frames() == [1, 2, 3, 4, 5, 6, 7]
        assert second.consumer.events()[:2] == ["connected", "start"]
        assert second.source.asked_for is not None
        streams, since = second.source.asked_for
        assert streams == {"s1"}
        assert since <= first.now - 5
        assert second.lease.reported == ["acquired", ("finished", None, 0)]

    play(act)


def test_a_rescue_repeats_alike_what_a_killed_run_sent_since_its_checkpoint() -> None:
    async def act() -> None:
        first = Scene()
        second = Scene(lease=first.lease)
        killed = first.run()
        first.bring(*first_messages())
        await first.settle()
        await until(lambda: len(first.consumer.frames()) == 3)
        before = first.lease.checkpoint
        first.now += 1
        await until(lambda: first.lease.checkpoint != before)
        kept = first.lease.checkpoint
        first.bring(media(103), media(104))
        await until(lambda: len(first.consumer.frames()) == 5)
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)

        first.lease.checkpoint = kept
        second.now = first.now + 60
        second.source.on_kinesis = [media(number) for number in range(100, 106)]
        rescuing = second.run(RunKind.RESCUE)
        await until(lambda: len(second.consumer.frames()) >= 3)
        second.stop()
        await rescuing

        said = first.consumer.received + second.consumer.received
        audio = [each for each in said if each["event"] == "media"]
        assert [each["media"]["chunk"] for each in audio] == list("12345456")
        again = {json.dumps(each["media"]) for each in audio if each["media"]["chunk"] in "45"}
        assert len(again) == 2

    play(act)


@pytest.mark.parametrize(
    ("status", "outcome", "reported"),
    [
        (LeaseStatus.REPLACED, Outcome(Ending.REPLACEMENT), []),
        (LeaseStatus.STOPPED, Outcome(Ending.COMMAND), [("finished", None, 0)]),
    ],
)
def test_a_rescue_that_took_too_long_sends_nothing(
    status: LeaseStatus, outcome: Outcome, reported: list[object]
) -> None:
    async def act() -> None:
        scene = Scene()
        scene.feed.put(None)
        await scene.run()
        late = Scene(lease=scene.lease)
        late.lease.status_now = status

        assert await late.run(RunKind.RESCUE) == outcome
        assert late.consumer.received == []
        assert late.consumer.closed == 1000
        assert late.lease.reported == ["acquired", *reported]

    play(act)


def test_a_replaced_run_lets_go_of_its_consumer_before_it_closes_the_feed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closing the feed may take seconds, in which the run would go on sending return audio."""

    async def act() -> None:
        scene = Scene()
        scene.feed.put(None)
        await scene.run()
        late = Scene(lease=scene.lease)
        late.lease.status_now = LeaseStatus.REPLACED
        closed: list[int | None] = []

        async def close() -> None:
            closed.append(late.consumer.closed)

        monkeypatch.setattr(late.feed, "close", close)
        await late.run(RunKind.RESCUE)

        assert closed == [1000]

    play(act)


def test_a_call_without_streams_is_over_before_the_consumer_is_dialled() -> None:
    async def act() -> None:
        scene = Scene()
        scene.source.streams = []
        scene.dial_fails = "refused"

        assert await scene.run() == Outcome(Ending.CALL)

    play(act)


def test_a_successor_loses_and_repeats_nothing() -> None:
    async def act() -> None:
        first = Scene(seconds=100)
        second = Scene(lease=first.lease)
        running = first.run()
        first.bring(*first_messages())
        await first.settle()
        await until(lambda: len(first.consumer.frames()) == 3)
        assert first.lease.successors == 0

        first.now += 50
        await until(lambda: first.lease.successors)
        second.now = first.now
        succeeding = second.run(RunKind.SUCCESSOR)
        # From here on both get everything; 104 comes out of turn, and waits in the first one.
        for scene in (first, second):
            scene.bring(media(103), media(105))
        assert await running == Outcome(Ending.SUCCESSOR)
        second.bring(media(104), media(106))
        await until(lambda: len(second.consumer.frames()) >= 3)
        second.stop()
        assert await succeeding == Outcome(Ending.COMMAND)

        said = first.consumer.received + second.consumer.received
        assert [each["event"] for each in said if each["event"] != "media"] == [
            "connected",
            "start",
            "connected",
            "start",
            "stop",
        ]
        assert first.consumer.frames() + second.consumer.frames() == [1, 2, 3, 4, 5, 6, 7]
        # Once, by the one that was the last.
        assert first.lease.reported == ["acquired", ("finished", None, 0)]

    play(act)


@pytest.mark.parametrize("kind", [RunKind.RESCUE, RunKind.SUCCESSOR])
def test_a_later_run_ends_the_relay_of_a_call_that_is_over(kind: RunKind) -> None:
    async def act() -> None:
        scene = Scene()
        lease = scene.lease
        running = scene.run()
        await until(lambda: lease.reported)
        scene.feed.put(None)
        assert await running == Outcome(Ending.RESCUE)

        later = Scene(lease=lease)
        if kind is RunKind.RESCUE:
            later.source.streams, later.source.recent_streams = [], []
        going_on = later.run(kind)
        if kind is RunKind.SUCCESSOR:
            # The call is still there when the successor starts, and over when its turn comes.
            await until(lambda: lease.ready)
            later.source.streams, later.source.recent_streams = [], []
            lease.handed_over = lease.checkpoint
        assert await going_on == Outcome(Ending.CALL)
        assert lease.reported == ["acquired", ("finished", None, 0)]

    play(act)


class Watching(Lease):
    """A lease that looks whether the consumer's connection is closed when the relay is finished."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(lease=self)
        self.closed_before: int | None = None

    @override
    def finish(self, reason: str | None, dropped: int) -> None:
        self.closed_before = self.scene.consumer.closed
        super().finish(reason, dropped)


def test_a_relay_is_finished_before_its_consumer_is_disconnected() -> None:
    async def act() -> None:
        lease = Watching()
        running = lease.scene.run()
        await until(lambda: lease.scene.consumer.received)
        lease.scene.stop()
        await running

        assert lease.reported == ["acquired", ("finished", None, 0)]
        assert lease.closed_before is None
        assert lease.scene.consumer.closed == 1000

    play(act)
