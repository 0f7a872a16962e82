"""What waits for a consumer: bounded, and the oldest audio goes first."""

import asyncio

from callstream.relays.outbox import Outbox
from tests.unit.relays.scenes import play


def test_an_outbox_drops_the_oldest_audio_and_nothing_else() -> None:
    outbox = Outbox(3)
    outbox.put(["start"], is_audio=False)
    for number in range(4):
        outbox.put([str(number)], is_audio=True)
    outbox.put(["key"], is_audio=False)

    assert not outbox.is_crowded
    assert outbox.take_rest() == ["start", "3", "key"]
    assert outbox.dropped == 3
    assert outbox.take_rest() == []


def test_an_outbox_without_audio_is_crowded_beyond_its_limit() -> None:
    outbox = Outbox(1)
    outbox.put(["a", "b"], is_audio=False)

    assert outbox.is_crowded
    assert outbox.dropped == 0


def test_an_outbox_is_idle_when_the_last_message_has_been_sent() -> None:
    async def act() -> None:
        outbox = Outbox(3)
        outbox.put(["a"], is_audio=False)
        states = []
        assert await outbox.take() == "a"
        states.append(outbox.idle)  # the message is still being sent
        next_message = asyncio.create_task(outbox.take())
        await outbox.drained()
        states.append(outbox.idle)
        outbox.put(["b"], is_audio=False)
        states.append(outbox.idle)
        assert await next_message == "b"
        assert states == [False, True, False]

    play(act)
