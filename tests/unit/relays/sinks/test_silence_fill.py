"""Even audio: silence in place of what a carrier leaves out."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects.events import Track
from callstream.relays.sinks.fork_audio import ForkAudio, Payload
from callstream.relays.sinks.silence_fill import MOST_MS, PATIENCE_MS, EvenAudio, Timeline

FRAME = b"\x01" * 160
SILENCE = b"\xff" * 160


class Consumer:
    """An even fork of a PCMU call, and what its consumer gets of the inbound track."""

    def __init__(self, left: bytes | None = None, format_: AudioFormat = PCMU_8K) -> None:
        lines = msgspec.msgpack.decode(left, type=dict[Track, Timeline]) if left else {}
        self.timelines = lines
        self.even = EvenAudio(ForkAudio(format_, {"s1": PCMU_8K}), self.timelines)
        self.payloads: list[Payload] = []

    def frame(self, at: float, now: float, stream_id: str = "s1", audio: bytes = FRAME) -> None:
        self.payloads += self.even.take(stream_id, "inbound", audio, at, now)

    def tick(self, now: float, *, is_busy: bool = False) -> None:
        self.payloads += [payload for _, payload in self.even.fill(now, is_busy=is_busy)]

    def tick_through(self, begin: int, end: int, **busy: bool) -> None:
        for now in range(begin, end, 20):
            self.tick(now, **busy)

    @property
    def story(self) -> list[str]:
        """Runs of frames (`f`) and silence (`-`), with their numbers."""
        kinds = ["-" if payload.audio == SILENCE else "f" for payload in self.payloads]
        runs: list[tuple[str, int]] = []
        for kind in kinds:
            if runs and runs[-1][0] == kind:
                runs[-1] = (kind, runs[-1][1] + 1)
            else:
                runs.append((kind, 1))
        return [f"{number}{kind}" for kind, number in runs]

    def assert_even(self) -> None:
        for one, next_ in pairwise(self.payloads):
            assert next_.at_ms == one.at_ms + len(one.audio) / 8


def test_silence_fills_a_hole_in_the_timestamps() -> None:
    consumer = Consumer()
    for at in (100, 120, 220, 240):
        consumer.frame(at, at)

    assert [payload.at_ms for payload in consumer.payloads] == list(range(100, 260, 20))
    assert consumer.story == ["2f", "4-", "2f"]


def test_a_frame_in_its_time_but_for_jitter_follows_without_silence() -> None:
    consumer = Consumer()
    for at in (0, 21, 39, 75, 81, 100):
        consumer.frame(at, at)

    assert consumer.story == ["6f"]
    consumer.assert_even()


def test_silence_follows_in_real_time_if_nothing_comes() -> None:
    consumer = Consumer()
    consumer.tick(0)
    consumer.frame(0, 50)
    consumer.tick_through(60, 50 + PATIENCE_MS)
    assert consumer.story == ["1f"]

    for now in range(50 + PATIENCE_MS, 6000, 20):
        consumer.tick(now)
        assert abs(consumer.payloads[-1].at_ms - (now - 50 - PATIENCE_MS)) <= 20
    # The carrier goes on where its own clock is.
    consumer.frame(6000, 6050)
    assert consumer.payloads[-1] == Payload(6000, FRAME)
    assert consumer.story == ["1f", "299-", "1f"]
    consumer.assert_even()


def test_late_frames_are_dropped_only_if_their_place_is_filled() -> None:
    consumer = Consumer()
    consumer.tick(0)
    consumer.frame(0, 0)
    consumer.tick_through(20, 3001)
    filled = consumer.payloads[-1].at_ms + 20
    for at in range(20, 3000, 20):
        consumer.frame(at, 3001)

    kept = [payload for payload in consumer.payloads[1:] if payload.audio == FRAME]
    assert [payload.at_ms for payload in kept] == list(range(int(filled), 3000, 20))
    assert consumer.even.late == (filled - 20) / 20
    consumer.assert_even()


def test_frames_that_a_carrier_sends_at_once_are_all_kept_and_later_holes_make_up() -> None:
    consumer = Consumer()
    # A stall of 400 ms; then all frames of it with the time of its end.
    for at in (*range(0, 4000, 20), *[4400] * 20, *range(4420, 5000, 20), *range(5600, 6000, 20)):
        consumer.frame(at, at)

    assert sum(payload.audio == FRAME for payload in consumer.payloads) == 200 + 20 + 29 + 20
    assert consumer.even.late == 0
    assert consumer.payloads[-1] == Payload(5980, FRAME)
    consumer.assert_even()


def test_a_frame_whose_place_another_frame_has_is_kept() -> None:
    consumer = Consumer()
    for at in (0, 60, 80, 140, 80):
        consumer.frame(at, at)

    assert consumer.story == ["1f", "2-", "2f", "2-", "2f"]


@pytest.mark.parametrize("jump", [4 * 3_600_000, -4 * 3_600_000])
def test_a_jump_of_a_carriers_clock_is_filled_for_seconds_only(jump: int) -> None:
    consumer = Consumer()
    for at in (0, 20, 40 + jump, 60 + jump, 120 + jump):
        consumer.frame(at, 100)

    before = [f"{MOST_MS // 20}-"] if jump > 0 else []
    assert consumer.story == (["2f", *before, "2f", "2-", "1f"] if before else ["4f", "2-", "1f"])
    consumer.assert_even()


def test_a_jump_of_one_streams_clock_is_not_that_of_another() -> None:
    consumer = Consumer()
    consumer.frame(0, 0)
    consumer.frame(100_000, 20)
    end = consumer.payloads[-1].at_ms + 20
    consumer.frame(end + 40, 5100, stream_id="s2")

    assert consumer.payloads[-1] == Payload(end + 40, FRAME)


def test_silence_waits_while_messages_wait_and_then_comes_in_portions() -> None:
    consumer = Consumer()
    consumer.tick(0)
    consumer.frame(0, 0)
    consumer.tick_through(20, 60_000, is_busy=True)
    assert consumer.story == ["1f"]
    consumer.tick_through(60_000, 60_000 + PATIENCE_MS - 40)
    assert consumer.story == ["1f"]

    consumer.tick(60_000 + PATIENCE_MS)
    assert consumer.story == ["1f", "50-"]


def test_the_next_run_goes_on_where_the_filling_was() -> None:
    first = Consumer()
    first.tick(0)
    first.frame(0, 0)
    first.tick_through(20, 5000)
    second = Consumer(msgspec.msgpack.encode(first.timelines))
    # What the first run has missed comes before the second run misses anything.
    second.tick_through(30_000, 30_000 + PATIENCE_MS - 20)
    assert second.payloads == []
    second.frame(4000, 32_000)

    assert second.payloads[0].at_ms == first.payloads[-1].at_ms + 20
    assert second.payloads[-1] == Payload(4000, FRAME)
    second.assert_even()


def test_empty_frames_are_passed_on_in_their_place() -> None:
    consumer = Consumer()
    consumer.frame(0, 0, audio=b"")
    consumer.frame(20, 20)

    assert consumer.payloads == [Payload(0, b""), Payload(0, SILENCE), Payload(20, FRAME)]


def test_silence_takes_the_place_of_a_frame_that_cannot_be_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer = Consumer()
    consumer.frame(0, 0)
    with monkeypatch.context() as damaged:
        damaged.setattr(ForkAudio, "take", lambda *_: [])
        consumer.frame(20, 20)
    consumer.frame(40, 40)

    assert consumer.story == ["1f", "1-", "1f"]
    consumer.assert_even()


def test_silence_is_in_the_forks_codec() -> None:
    consumer = Consumer(format_=AudioFormat("L16", 8000, 1))
    for at in (0, 40):
        consumer.frame(at, at)

    assert [payload.audio[:2] for payload in consumer.payloads][1] == b"\0\0"
    assert [len(payload.audio) for payload in consumer.payloads] == [320] * 3


@given(st.data())
def test_a_track_is_even_whatever_comes_and_nothing_is_lost_unless_it_came_late(data: Any) -> None:
    consumer, now, clock, frames = Consumer(), 0, 0, 0
    consumer.tick(0)
    for _ in range(data.draw(st.integers(1, 30))):
        match data.draw(st.sampled_from(["frame", "skip", "wait", "burst", "jump", "busy"])):
            case "frame":
                clock, now, frames = clock + 20, now + data.draw(st.integers(0, 60)), frames + 1
                consumer.frame(clock, now)
            case "skip":
                clock += data.draw(st.integers(0, 3000))
            case "wait":
                consumer.tick_through(now, now := now + data.draw(st.integers(0, 4000)))
            case "burst":
                for _ in range(5):
                    frames += 1
                    consumer.frame(clock, now)
            case "jump":
                clock += data.draw(st.integers(-(10**9), 10**9))
            case _:
                consumer.tick(now, is_busy=True)

    consumer.assert_even()
    kept = sum(payload.audio == FRAME for payload in consumer.payloads)
    assert kept == frames - consumer.even.late
    assert len(consumer.payloads) < 30 * 500
