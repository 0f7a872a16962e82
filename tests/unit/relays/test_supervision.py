"""The supervision of a run: what ends it, and what it leaves to the next run."""

from typing import override

import msgspec
import pytest

from callstream.dialects import DIALECTS
from callstream.dialects.events import ReturnMedia
from callstream.relays.checkpoint import Checkpoint
from callstream.relays.endings import Ending, Outcome
from callstream.relays.ports import LeaseStatus
from callstream.relays.sinks.websocket import WebSocketSnapshot
from tests.unit.relays.scenes import (
    Lease,
    Scene,
    first_messages,
    play,
    until,
)


def test_a_command_stops_a_run_once() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        await until(lambda: scene.consumer.received)
        scene.stop()

        assert await running == Outcome(Ending.COMMAND)
        assert scene.consumer.received[-1]["event"] == "stop"
        assert scene.lease.reported == ["acquired", ("finished", None, 0)]

    play(act)


def test_a_consumer_that_closes_ends_the_relay() -> None:
    async def act() -> None:
        scene = Scene()
        scene.consumer.sends.put_nowait(None)

        assert await scene.run() == Outcome(Ending.CONSUMER)
        assert scene.lease.reported == ["acquired", ("finished", None, 0)]

    play(act)


@pytest.mark.parametrize("code", [None, 1002, 1006, 1011])
def test_consumer_that_closes_abnormally_fails_the_relay(code: int | None) -> None:
    async def act() -> None:
        scene = Scene()
        scene.consumer.closes_with = code
        scene.consumer.sends.put_nowait(None)

        assert await scene.run() == Outcome(Ending.FAILURE, "closed")
        assert scene.lease.reported == ["acquired", ("finished", "closed", 0)]

    play(act)


def test_a_run_that_was_replaced_sends_no_more() -> None:
    async def act() -> None:
        scene = Scene()
        running = scene.run()
        await until(lambda: scene.consumer.received)
        scene.lease.status_now = LeaseStatus.REPLACED

        assert await running == Outcome(Ending.REPLACEMENT)
        assert scene.consumer.received[-1]["event"] == "start"
        assert scene.consumer.closed == 1000
        assert scene.lease.reported == ["acquired"]

    play(act)


def test_a_run_posts_what_the_consumer_has_sent_before_it_hands_over() -> None:
    async def act() -> None:
        scene = Scene(seconds=100)
        scene.legs.takes.clear()
        running = scene.run()
        scene.consumer.sends.put_nowait(
            DIALECTS["telnyx"].render_return(ReturnMedia(b"\x01" * 16_000), "")
        )
        await until(scene.consumer.sends.empty)
        scene.now += 50
        scene.lease.ready = True
        await until(lambda: scene.lease.answered_ready)
        assert scene.legs.posted == []
        scene.legs.takes.set()

        assert await running == Outcome(Ending.SUCCESSOR)
        assert scene.legs.audio == b"\x01" * 16_000

    play(act)


def test_a_run_without_a_successor_is_rescued_before_it_is_killed() -> None:
    async def act() -> None:
        scene = Scene(seconds=100)
        running = scene.run()
        await until(lambda: scene.consumer.received)
        scene.now += 41
        await until(lambda: scene.lease.successors == 1)
        # The one that was called never says a word.
        scene.now += 15
        await until(lambda: scene.lease.successors == 2)
        scene.now += 40

        assert await running == Outcome(Ending.OUT_OF_TIME)
        assert scene.consumer.received[-1]["event"] == "start"
        assert scene.lease.rescues == 1

    play(act)


@pytest.mark.parametrize("code", [1000, None])
def test_a_consumer_that_closes_for_the_successors_connection_is_rescued(code: int | None) -> None:
    async def act() -> None:
        scene = Scene(seconds=100)
        scene.consumer.closes_with = code
        running = scene.run()
        await until(lambda: scene.consumer.received)
        scene.now += 41
        await until(lambda: scene.lease.successors == 1)
        # It closes the first one, and has not got what was said last.
        scene.consumer.open.clear()
        scene.bring(*first_messages())
        await scene.settle()
        scene.consumer.sends.put_nowait(None)

        assert await running == Outcome(Ending.RESCUE)
        assert scene.lease.checkpoint is not None
        sink = Checkpoint.decode(scene.lease.checkpoint).sink
        snapshot = msgspec.msgpack.decode(sink, type=WebSocketSnapshot)
        assert snapshot.counters.chunks == {}
        assert scene.lease.rescues == 1
        assert scene.lease.reported == ["acquired"]

    play(act)


class Hurried(Lease):
    """A lease of which a command comes just when the run hands over."""

    @override
    def hand_over(self, checkpoint: bytes) -> bool:
        self.status_now = LeaseStatus.STOPPED
        return not super().hand_over(checkpoint)


def test_a_run_obeys_a_command_that_comes_during_its_hand_over() -> None:
    async def act() -> None:
        scene = Scene(seconds=100, lease=Hurried())
        running = scene.run()
        await until(lambda: scene.consumer.received)
        scene.lease.ready = True
        scene.now += 41

        assert await running == Outcome(Ending.COMMAND)
        assert scene.consumer.events() == ["connected", "start", "stop"]
        assert scene.lease.reported == ["acquired", ("finished", None, 0)]

    play(act)
