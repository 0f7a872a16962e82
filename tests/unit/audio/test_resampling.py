"""Resampling between all pairs of rates."""

from array import array
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.resampling import Resampler, resampler

RATES = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
PAIRS = list(permutations(RATES, 2))
LOUD = 10_000

Wave = np.ndarray[Any, np.dtype[np.float64]]


def wave(pitches: Any, rate: int, count: int, delay: float = 0.0) -> Wave:
    """Sines of equal level, `delay` seconds late; together as loud as one of `LOUD`."""
    times = np.arange(count) / rate - delay
    # Schroeder's phases: no moment is much louder than the others.
    phases = [np.pi * number**2 / len(pitches) for number in range(len(pitches))]
    sines = [
        np.sin(2 * np.pi * pitch * times + phase)
        for pitch, phase in zip(pitches, phases, strict=True)
    ]
    return np.asarray(LOUD / np.sqrt(len(sines)) * sum(sines), dtype=np.float64)


def linear(samples: Wave) -> bytes:
    return samples.round().astype(np.int16).tobytes()


def samples_of(audio: bytes) -> Wave:
    return np.frombuffer(audio, np.int16).astype(np.float64)


def level(samples: Wave, reference: Wave) -> float:
    """How much louder than the reference, in dB."""
    return float(10 * np.log10(np.mean(samples**2) / np.mean(reference**2)))


def in_frames(converter: Resampler, audio: bytes, rate: int) -> list[bytes]:
    """Convert frame by frame of 20 ms."""
    size = rate // 50 * 2
    return [converter.resample(audio[at : at + size]) for at in range(0, len(audio), size)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_resampler_keeps_pitch_and_level_and_is_late_by_its_delay(source: int, target: int) -> None:
    converter = resampler(source, target)
    pitches = np.arange(100, 0.375 * min(source, target), 190)
    made = samples_of(converter.resample(linear(wave(pitches, source, source))))
    expected = wave(pitches, target, len(made), converter.delay_seconds)

    begun = slice(target // 20, None)
    # Lines between samples, as 22,050 and 44,100 Hz need, are less exact.
    needs_lines = max(source, target) % min(source, target) and {22_050, 44_100} & {source, target}
    assert level((made - expected)[begun], expected[begun]) < (-33 if needs_lines else -40)
    assert converter.delay_seconds < 0.0011


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_resampler_holds_a_tone_of_one_kilohertz_clean(source: int, target: int) -> None:
    converter = resampler(source, target)
    made = samples_of(converter.resample(linear(wave([1000], source, source))))
    expected = wave([1000], target, len(made), converter.delay_seconds)

    begun = slice(target // 20, None)
    assert abs(level(made[begun], expected[begun])) < 0.05
    assert level((made - expected)[begun], expected[begun]) < -45


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[0] > pair[1] * 1.3])
def test_resampler_drops_what_the_slower_rate_cannot_have(source: int, target: int) -> None:
    tone = wave([0.63 * target], source, source)
    made = samples_of(resampler(source, target).resample(linear(tone)))

    assert level(made[target // 20 :], tone) < -70


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_frames_have_the_exact_length_and_together_are_the_whole(source: int, target: int) -> None:
    audio = linear(np.random.default_rng(1).normal(0, 5000, source * 10).clip(-32768, 32767))
    frames = in_frames(resampler(source, target), audio, source)

    assert {len(frame) for frame in frames} == {target // 50 * 2}
    assert len(frames) == 500
    assert b"".join(frames) == resampler(source, target).resample(audio)


@given(st.sampled_from(PAIRS), st.lists(st.integers(0, 4000), max_size=12), st.randoms())
def test_pieces_of_any_size_are_converted_like_the_whole(
    pair: tuple[int, int], cuts: list[int], source: Any
) -> None:
    audio = source.randbytes(4000)
    pieces = [audio[begin:end] for begin, end in pairwise(sorted([0, *cuts, 4000]))]
    converter = resampler(*pair)

    made = b"".join(map(converter.resample, pieces))
    assert made == resampler(*pair).resample(audio)
    # Less than a group waits.
    assert abs(len(made) / 2 - 2000 * pair[1] / pair[0]) <= max(6, 6 * pair[1] / pair[0])


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_silence_stays_silence_and_the_loudest_sound_does_not_overflow(
    source: int, target: int
) -> None:
    converter = resampler(source, target)
    silence = bytes(2 * source)
    assert set(converter.resample(silence)) == {0}

    # Steps between the loudest samples overshoot.
    half = source // 200
    loud = ([32_767] * half + [-32_768] * half) * 20
    made = samples_of(resampler(source, target).resample(array("h", loud).tobytes()))
    middles = made[target // 400 + target // 1000 :: target // 200][1:-1]
    assert np.all(np.abs(middles) > 30_000)
    assert np.all(np.sign(middles[:-1]) != np.sign(middles[1:]))


def test_restarted_resampler_is_like_a_new_one() -> None:
    for pair in PAIRS:
        converter = resampler(*pair)
        before = converter.resample(b"\x01\x40" * 500)
        converter.restart()
        assert converter.resample(b"\x01\x40" * 500) == before


def test_equal_rates_are_a_copy() -> None:
    converter = resampler(8000, 8000)

    assert converter.resample(b"\1\2\3\4") == b"\1\2\3\4"
    assert converter.delay_seconds == 0
