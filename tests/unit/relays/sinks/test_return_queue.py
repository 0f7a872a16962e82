"""What waits to be posted to a carrier: in even pieces, and for how long."""

import pytest

from callstream.audio.formats import PCMU_8K
from callstream.dialects.events import Clear, ReturnDtmf, ReturnEvent, ReturnMark, ReturnMedia
from callstream.relays.sinks.return_queue import ReturnQueue
from tests.unit.relays.scenes import play

SECOND = bytes(8000)


async def taken(queue: ReturnQueue, count: int) -> list[ReturnEvent]:
    return [await queue.take() for _ in range(count)]


def test_an_incomplete_piece_waits_while_the_carrier_has_enough_to_play() -> None:
    async def act() -> None:
        now = 1000.0
        queue = ReturnQueue(PCMU_8K, lambda: now)
        queue.put(ReturnMedia(SECOND + b"a" * 40))
        await taken(queue, 50)
        # The carrier has a second to play, and must have the next piece a moment before.
        assert queue.patience == pytest.approx(0.9)
        now += 0.95
        assert queue.patience == 0.1
        queue.put(ReturnMedia(b"b" * 120))
        assert await queue.take() == ReturnMedia(b"a" * 40 + b"b" * 120)
        assert queue.patience is None

    play(act)


def test_clear_keeps_keys_and_returns_the_marks() -> None:
    async def act() -> None:
        queue = ReturnQueue(PCMU_8K, lambda: 0.0)
        key, mark = ReturnDtmf("5"), ReturnMark("said")
        for event in (ReturnMedia(SECOND), key, mark, key, Clear()):
            queue.put(event)

        assert queue.clear(Clear()) == ["said"]
        assert await taken(queue, 3) == [Clear(), key, key]

    play(act)
