"""The playback of replies, with a carrier's side and notes that are made up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from callstream.audio.conversion import UnusableAudio
from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects.events import Clear, ReturnMark
from callstream.dialogues.kept_replies import KeptReply
from callstream.errors import Unavailable
from callstream.relays.sinks.playback import Playback
from tests.unit.relays.scenes import Legs, play_without_waiting, until

L16_8K = AudioFormat("L16", 8000, 1)


def reply(
    number: int, seconds: float = 1, played_ms: int = 0, *, cannot_stop: bool = False
) -> KeptReply:
    audio = bytes(byte % 251 for byte in range(round(seconds * 8000)))
    return KeptReply(number, 0, audio, played_ms, is_uninterruptible=cannot_stop)


class Scene:
    """A playback whose notes fail while `notes_fail`."""

    def __init__(self, format_: AudioFormat = PCMU_8K) -> None:
        self.legs, self.subscribed = Legs(), list[str]()
        self.legs.others_before = {"s8"}
        self.legs.return_format = format_
        self.notes: dict[int, tuple[int, bool]] = {}
        self.written, self.notes_fail = 0, False
        self.clock = asyncio.get_running_loop().time
        self.playback = Playback("r1", format_, self.legs, marks=self, notes=self, clock=self.clock)

    def note(self, number: int, played_ms: int, *, is_done: bool) -> None:
        if self.notes_fail:
            raise Unavailable("dynamodb", "Down")
        self.written += 1
        self.notes[number] = played_ms, is_done

    async def subscribe_marks(self, stream_id: str) -> None:
        self.subscribed.append(stream_id)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.playback.run())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    def plays(self) -> bool:
        return self.playback.is_playing

    async def marked(self, number: int) -> None:
        """Wait until the mark of a reply is posted."""
        await until(lambda: ReturnMark(f"r1/{number}") in self.legs.posted)


def scene(act: Callable[[Scene], object]) -> None:
    async def in_time() -> None:
        made = Scene()
        async with made.running():
            await act(made)  # type: ignore[misc]

    play_without_waiting(in_time)


def test_playback_posts_replies_in_order_each_with_a_mark() -> None:
    async def act(made: Scene) -> None:
        first, second = reply(1), reply(2, 0.5)
        made.playback.play(first)
        made.playback.play(second)
        await made.marked(2)
        assert made.legs.audio == first.audio + second.audio
        marks = [each.name for each in made.legs.posted if isinstance(each, ReturnMark)]
        assert marks == ["r1/1", "r1/2"]

    scene(act)


@pytest.mark.parametrize("post_seconds", [0.05, 0.2])
def test_playback_posts_a_reply_faster_than_it_plays_even_if_posts_take_long(
    post_seconds: float,
) -> None:
    async def act(made: Scene) -> None:
        made.legs.post_seconds, began = post_seconds, made.clock()
        made.playback.play(reply(1, 5))
        await made.marked(1)
        assert made.clock() - began < 5 + 3 * post_seconds

    scene(act)


def test_playback_is_silent_when_the_last_mark_has_returned() -> None:
    async def act(made: Scene) -> None:
        made.playback.play(reply(1))
        made.playback.play(reply(2))
        await made.marked(2)
        for mark in ("r1/3", "r2/2", "r1/x", "relay/2/r1/2", "", "r1/1"):
            made.playback.take_mark(mark)
        assert made.plays()
        made.playback.take_mark("r1/2")
        assert not made.plays()
        assert made.playback.silent_since == made.clock()
        await until(lambda: made.notes == {1: (1000, True), 2: (1000, True)})
        made.playback.take_mark("r1/2")

    scene(act)


def test_playback_counts_a_reply_as_played_if_its_mark_is_lost() -> None:
    async def act(made: Scene) -> None:
        began = made.clock()
        made.playback.play(reply(1, 3))
        await made.playback.played()
        assert 5 <= made.clock() - began <= 5.3
        await until(lambda: made.notes.get(1) == (3000, True))

    scene(act)


def test_playback_expects_the_audio_that_the_run_before_has_posted() -> None:
    async def act(made: Scene) -> None:
        began = made.clock()
        made.playback.play(reply(1, 3, played_ms=3000))
        await made.playback.played()
        assert made.legs.posted == [ReturnMark("r1/1")]
        assert 5 <= made.clock() - began <= 5.3

    scene(act)


def test_playback_ends_earlier_replies_with_the_mark_of_a_later_one() -> None:
    async def act(made: Scene) -> None:
        for number in (1, 2, 3):
            made.playback.play(reply(number, 0.1))
        await made.marked(3)
        made.playback.take_mark("r1/2")
        await until(lambda: made.notes.get(2) == (100, True))
        assert made.notes == {1: (100, True), 2: (100, True), 3: (100, False)}

    scene(act)


def test_playback_goes_on_where_the_run_before_has_stopped() -> None:
    async def act(made: Scene) -> None:
        whole = reply(1, 10)
        made.playback.play(whole)
        await until(lambda: len(made.legs.audio) > 20_000)
        await made.playback.leave()
        await asyncio.sleep(10)
        posted, (played_ms, is_done) = made.legs.audio, made.notes[1]
        assert not is_done
        assert played_ms * 8 == len(posted)

        after = Scene()
        async with after.running():
            after.playback.play(reply(1, 10, played_ms=played_ms))
            await after.marked(1)
        assert posted + after.legs.audio == whole.audio

    scene(act)


def test_playback_notes_how_much_is_posted_every_second() -> None:
    async def act(made: Scene) -> None:
        made.playback.play(reply(1, 10))
        for _ in range(40):
            await asyncio.sleep(0.2)
            noted, _ = made.notes.get(1, (0, False))
            assert 0 <= len(made.legs.audio) / 8 - noted <= 1.2 * 1150 + 200
        assert 6 <= made.written <= 9

    scene(act)


def test_playback_is_cut_off_by_an_interruption() -> None:
    async def act(made: Scene) -> None:
        made.playback.play(reply(1, 5))
        made.playback.play(reply(2, 5))
        await until(lambda: len(made.legs.audio) > 8000)
        made.playback.take_mark("r1/1")  # of a run before
        posted = len(made.legs.audio)
        assert made.playback.interrupt() == [1, 2]
        assert not made.plays()
        await until(lambda: made.legs.posted[-1] == Clear())
        assert len(made.legs.audio) - posted <= 800
        await until(lambda: len(made.notes) == 2)
        assert made.notes == {1: (len(made.legs.audio) // 8, True), 2: (0, True)}
        assert made.playback.interrupt() == []
        # Some carriers return the marks that a clear has dropped.
        made.playback.play(third := reply(3, 0.1))
        made.playback.take_mark("r1/1")
        await made.marked(3)
        assert made.legs.audio.endswith(third.audio)
        assert made.plays()

    scene(act)


def test_playback_goes_on_if_a_reply_is_uninterruptible() -> None:
    async def act(made: Scene) -> None:
        made.playback.play(reply(1, cannot_stop=True))
        made.playback.play(reply(2))
        assert made.playback.interrupt() == []
        await made.marked(2)
        made.playback.take_mark("r1/1")
        assert not made.playback.is_uninterruptible
        assert made.playback.interrupt() == [2]

    scene(act)


def test_playback_stops_at_once_when_the_dialogue_is_over() -> None:
    async def act(made: Scene) -> None:
        made.playback.play(reply(1, 5, cannot_stop=True))
        await until(lambda: len(made.legs.audio) > 8000)
        made.legs.takes.clear()
        made.legs.asked.clear()
        await made.legs.asked.wait()
        stopping = asyncio.create_task(made.playback.stop())
        await asyncio.sleep(1)
        assert Clear() not in made.legs.posted
        made.legs.takes.set()
        assert await stopping == [1]
        assert made.legs.posted[-1] == Clear()
        assert [is_done for _, is_done in made.notes.values()] == [True]
        made.playback.play(reply(2))
        await asyncio.sleep(5)
        assert made.legs.posted[-1] == Clear()
        assert made.legs.posted.count(Clear()) == 1

    scene(act)


def test_playback_stops_what_the_carrier_has_got_before_the_run_has_left() -> None:
    async def act(made: Scene) -> None:
        made.playback.play(reply(1, 5))
        await made.playback.leave(5)
        assert await made.playback.stop() == [1]
        assert made.legs.posted[-1] == Clear()
        await asyncio.sleep(1)
        assert made.legs.posted.count(Clear()) == 1

    scene(act)


def test_playback_posts_nothing_when_nothing_has_to_stop() -> None:
    async def act(made: Scene) -> None:
        assert await made.playback.stop() == []
        assert made.legs.posted == []

    scene(act)


def test_playback_has_played_a_reply_without_audio_at_once() -> None:
    async def act(made: Scene) -> None:
        made.playback.play(KeptReply(1, 0, b""))
        await made.playback.played()
        await until(lambda: made.notes == {1: (0, True)})
        assert made.legs.posted == []

    scene(act)


def test_playback_notes_later_if_the_table_does_not_answer() -> None:
    async def act(made: Scene) -> None:
        made.notes_fail = True
        made.playback.play(reply(1, 2))
        await made.playback.played()
        await asyncio.sleep(10)
        await made.playback.leave()
        assert made.notes == {}
        made.notes_fail = False
        await until(lambda: made.notes == {1: (2000, True)})

    scene(act)


@pytest.mark.parametrize("problem", [UnusableAudio("no such leg"), Unavailable("posts", "Down")])
def test_playback_goes_on_at_its_pace_if_no_leg_can_be_reached(
    problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(made: Scene) -> None:
        made.legs.problem, began = problem, made.clock()
        made.playback.play(reply(1, 3))
        await made.playback.played()
        assert 3 <= made.clock() - began <= 3.5
        made.legs.problem = None
        made.playback.play(second := reply(2, 1))
        await made.marked(2)
        assert made.legs.audio == second.audio

    scene(act)
    assert str(problem) in caplog.text


def test_playback_refuses_more_audio_than_may_wait() -> None:
    async def act(made: Scene) -> None:
        made.playback.play(reply(1, 1))
        huge = KeptReply(2, 0, bytes(33_000_000))
        made.playback.play(huge)
        await made.marked(1)
        made.playback.take_mark("r1/1")
        assert not made.plays()
        await until(lambda: made.notes == {1: (1000, True), 2: (0, True)})

    scene(act)


def test_playback_subscribes_to_the_marks_of_other_legs() -> None:
    async def act(made: Scene) -> None:
        await until(lambda: made.subscribed)
        made.legs.others = {"s9"}
        made.playback.play(reply(1))
        await until(lambda: len(made.subscribed) > 1)
        assert made.subscribed == ["s8", "s9"]

    scene(act)


def test_playback_knows_the_places_in_linear_audio() -> None:
    async def act() -> None:
        made = Scene(L16_8K)
        async with made.running():
            made.playback.play(KeptReply(1, 0, bytes(range(200)) * 160, played_ms=500))
            await made.marked(1)
            assert made.legs.audio == (bytes(range(200)) * 160)[8000:]
            await made.playback.leave()
            assert made.notes == {1: (2000, False)}

    play_without_waiting(act)
