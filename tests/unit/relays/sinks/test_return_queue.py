"""What waits to be posted to a carrier: in even pieces, and for how long."""

import asyncio
from collections.abc import Callable

import pytest

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects.events import Clear, ReturnDtmf, ReturnEvent, ReturnMark, ReturnMedia
from callstream.relays.sinks.posting import ReturnPackets
from callstream.relays.sinks.return_queue import ReturnQueue
from tests.unit.relays.scenes import play, play_without_waiting

SECOND = bytes(8000)
PIECE = 160


def loop_time() -> float:
    return asyncio.get_running_loop().time()


async def taken(queue: ReturnQueue, enough: Callable[[list[ReturnEvent]], bool]) -> bytes:
    """The audio of messages that are taken until there are enough of them."""
    events: list[ReturnEvent] = []
    while not enough(events):
        events.append(await queue.take())
    return b"".join(event.audio for event in events if isinstance(event, ReturnMedia))


def audio_of(size: int) -> Callable[[list[ReturnEvent]], bool]:
    return lambda events: (
        sum(len(each.audio) for each in events if isinstance(each, ReturnMedia)) >= size
    )


@pytest.mark.parametrize("follows", [True, False])
def test_an_incomplete_piece_waits_while_the_carrier_has_enough_to_play(*, follows: bool) -> None:
    async def act() -> None:
        queue, began = ReturnQueue(PCMU_8K, "big", loop_time), loop_time()
        queue.put(ReturnMedia(SECOND + b"a" * 40))
        assert await taken(queue, audio_of(8000)) == SECOND
        rest = asyncio.create_task(queue.take())
        # The carrier has a second to play, and must have the next piece a moment before.
        await asyncio.sleep(began + 0.89 - loop_time())
        assert not rest.done()
        if follows:
            queue.put(ReturnMedia(b"b" * 120))
            assert await rest == ReturnMedia(b"a" * 40 + b"b" * 120)
        else:
            assert await rest == ReturnMedia(b"a" * 40 + b"\xff" * 120)
            assert loop_time() - began == pytest.approx(0.94)

    play_without_waiting(act)


def test_a_short_message_waits_a_moment_for_the_next() -> None:
    async def act() -> None:
        queue, began = ReturnQueue(PCMU_8K, "big", loop_time), loop_time()
        queue.put(ReturnMedia(b"a" * 40))
        assert await queue.take() == ReturnMedia(b"a" * 40 + b"\xff" * 120)
        assert loop_time() - began == pytest.approx(0.1)

    play_without_waiting(act)


def test_pieces_that_come_in_real_time_are_posted_at_once() -> None:
    async def act() -> None:
        queue = ReturnQueue(PCMU_8K, "big", loop_time)
        for _ in range(100):
            queue.put(ReturnMedia(bytes(PIECE)))
            came = loop_time()
            assert await queue.take() == ReturnMedia(bytes(PIECE))
            assert loop_time() == came
            await asyncio.sleep(0.02)

    play_without_waiting(act)


def test_packets_are_posted_one_by_one_as_fast_as_they_are_played() -> None:
    async def act() -> None:
        queue, began = ReturnQueue(AudioFormat("OPUS", 16_000, 1), "big", loop_time), loop_time()
        # RFC 6716: 60 ms.
        packets = [ReturnMedia(bytes([3 << 3, number])) for number in range(200)]
        for packet in packets:
            queue.put(packet)
        for packet in packets:
            assert await queue.take() == packet
        assert loop_time() - began == pytest.approx(12 / 1.15, abs=0.5)

    play_without_waiting(act)


# RFC 6716: 10, 20 and 40 ms.
@pytest.mark.parametrize(("configuration", "together"), [(0, 10), (1, 5), (2, 2)])
def test_short_packets_are_posted_together_up_to_100_ms(configuration: int, together: int) -> None:
    async def act() -> None:
        queue, began = ReturnQueue(AudioFormat("OPUS", 16_000, 1), "big", loop_time), loop_time()
        packets = [bytes([configuration << 3, number]) for number in range(201)]
        for packet in packets:
            queue.put(ReturnMedia(packet))
        for begin in range(0, 200, together):
            each = tuple(packets[begin : begin + together])
            assert await queue.take() == ReturnPackets(b"".join(each), packets=each)
        assert loop_time() - began == pytest.approx(2 * 2**configuration / 1.15, abs=0.3)
        assert await queue.take() == ReturnMedia(packets[-1])

    play_without_waiting(act)


def test_a_large_packet_is_posted_alone() -> None:
    async def act() -> None:
        queue = ReturnQueue(AudioFormat("OPUS", 16_000, 1), "big", loop_time)
        packets = [bytes([1 << 3]) * size for size in (2, 10, 8_001, 10, 16_000_000)]
        for packet in packets:
            queue.put(ReturnMedia(packet))
        taken = [await queue.take() for _ in range(4)]

        assert isinstance(taken[0], ReturnPackets)
        assert list(taken[0].packets) == packets[:2]
        assert taken[1:] == [ReturnMedia(packet) for packet in packets[2:]]

    play_without_waiting(act)


def test_clear_keeps_keys_and_returns_the_marks() -> None:
    async def act() -> None:
        queue = ReturnQueue(PCMU_8K, "big", lambda: 0.0)
        key, mark = ReturnDtmf("5"), ReturnMark("said")
        for event in (ReturnMedia(SECOND), key, mark, key):
            queue.put(event)
        queue.clear(Clear())

        queue.put(mark)
        assert queue.clear(Clear()) == ["said"]
        assert [await queue.take() for _ in range(3)] == [Clear(), key, key]

    play(act)


def test_a_large_file_without_audio_leaves_other_tasks_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent:
        damaged, reads = 0, 0

        def feed(self, message: bytes) -> None:
            self.reads = len(message)

        def read(self) -> bytes | None:
            self.reads -= 1
            return b"" if self.reads else None

    async def act() -> None:
        queue = ReturnQueue(AudioFormat("mp3", 8000, 1), "big", loop_time)
        queue.put(ReturnMedia(bytes(1000)))
        queue.put(ReturnMark("read"))
        began = loop_time()
        assert await queue.take() == ReturnMark("read")
        assert loop_time() - began == pytest.approx(0.0045, abs=0.001)

    module = "callstream.relays.sinks.piece_reader"
    monkeypatch.setattr(f"{module}.mp3_decoder", lambda *_: Silent())
    play_without_waiting(act)


@pytest.mark.parametrize("is_marked", [False, True])
def test_speech_ends_with_its_mark_or_when_the_carrier_has_played_it(*, is_marked: bool) -> None:
    async def act() -> None:
        queue, began = ReturnQueue(PCMU_8K, "big", loop_time), loop_time()
        queue.put(ReturnMedia(SECOND))
        queue.put(ReturnMark("amid"))
        queue.put(ReturnMedia(bytes(PIECE)))
        if is_marked:
            queue.put(ReturnMark("said"))
        ends: list[ReturnEvent] = []
        while not ends:
            event = await queue.take()
            ends += [event] if queue.ends_speech else []

        assert ends == [ReturnMark("said") if is_marked else ReturnMedia(b"")]
        late = loop_time() - began - 1.02
        assert late < 0 if is_marked else late == pytest.approx(0.1)

    play_without_waiting(act)


def test_speech_ends_with_the_first_of_several_marks() -> None:
    async def act() -> None:
        queue = ReturnQueue(PCMU_8K, "big", loop_time)
        for event in (ReturnMedia(bytes(PIECE)), ReturnMark("said"), ReturnMark("again")):
            queue.put(event)

        await queue.take()
        assert await queue.take() == ReturnMark("said")
        assert queue.ends_speech

    play_without_waiting(act)


def test_a_key_does_not_wait_for_audio() -> None:
    async def act() -> None:
        queue = ReturnQueue(PCMU_8K, "big", loop_time)
        queue.put(ReturnMedia(60 * SECOND))
        await taken(queue, audio_of(8000))
        waiting, began = asyncio.create_task(queue.take()), loop_time()
        await asyncio.sleep(0)
        queue.put(ReturnDtmf("5"))

        assert await waiting == ReturnDtmf("5")
        assert loop_time() == began

    play_without_waiting(act)


def test_a_queue_in_a_hurry_does_not_wait_for_the_carrier() -> None:
    async def act() -> None:
        queue, began = ReturnQueue(PCMU_8K, "big", loop_time), loop_time()
        queue.put(ReturnMedia(60 * SECOND + b"a" * 40))
        draining = asyncio.create_task(queue.drained())
        await asyncio.sleep(0)
        everything = await taken(queue, lambda _: queue.ends_speech)
        last = asyncio.create_task(queue.take())
        await draining
        last.cancel()

        assert everything == 60 * SECOND + b"a" * 40 + b"\xff" * 120
        assert loop_time() == began

    play_without_waiting(act)
