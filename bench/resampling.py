"""Resampling: noise, delay and CPU time of 20 ms, for each pair of the rates of calls.

The signal is a sum of sines, so that the right output is known exactly, at the stated delay: a
wrong delay would be noise. All resamplers get the same audio in the same pieces.
"""

from collections.abc import Callable
from itertools import cycle, permutations
from typing import Any, Final

import audioop
import numpy as np
import soxr  # type: ignore[import-untyped]

from bench.measures import Measure, Seconds, race
from callstream.audio.resampling import resampler

RATES: Final = (8_000, 16_000, 22_050, 24_000, 48_000)
MOST_NOISE: Final = -40.0
MOST_NOISE_OF_LINES: Final = -33.0
MOST_TIMES_LINES: Final = 40.0
_LINES_HZ: Final = 22_050
"""From and to this rate, the resampler draws straight lines between the samples of a filter."""
_LOUD: Final = 6_000
_SECONDS: Final = 2

type Wave = np.ndarray[Any, np.dtype[np.float64]]
type Convert = Callable[[bytes], bytes]


def measure() -> list[Measure]:
    """Measure all pairs."""
    return [line for pair in permutations(RATES, 2) for line in _measure(*pair)]


def _measure(source: int, target: int) -> list[Measure]:
    name, made = f"{source} to {target} Hz", resampler(source, target)
    audio, size = _signal(source, target), source // 50 * 2
    pieces = [audio[at : at + size] for at in range(0, len(audio), size)]
    lines, delay = _lines(source, target), made.delay_seconds
    noise = _noise(b"".join(map(made.resample, pieces)), source, target, delay)
    noise_of_lines = _noise(b"".join(map(lines, pieces)), source, target, 0)
    spent = _race(made.resample, lines, pieces)
    spent_by_soxr = _race(made.resample, _soxr(source, target), pieces).floor
    return [
        Measure(
            section="resample",
            name=f"{name}, {delay * 1000:.2f} ms late: noise",
            value=noise,
            unit="dB",
            against=f"ratecv has {noise_of_lines:.1f} dB",
            budget=MOST_NOISE_OF_LINES if _LINES_HZ in {source, target} else MOST_NOISE,
            digits=1,
        ),
        Measure(
            section="resample",
            name=f"{name}: 20 ms",
            value=spent.ours * 1e6,
            unit="µs CPU",
            against=f"ratecv (soxr HQ: {spent_by_soxr * 1e6:.1f})",
            floor=spent.floor * 1e6,
            budget=MOST_TIMES_LINES,
            digits=1,
        ),
    ]


def _race(ours: Convert, peer: Convert, pieces: list[bytes]) -> Seconds:
    mine, theirs = cycle(pieces), cycle(pieces)
    return race(lambda: ours(next(mine)), lambda: peer(next(theirs)), loops=50, rounds=10)


def _lines(source: int, target: int) -> Convert:
    state = None

    def convert(audio: bytes) -> bytes:
        nonlocal state
        audio, state = audioop.ratecv(audio, 2, 1, source, target, state)
        return audio

    return convert


def _soxr(source: int, target: int) -> Convert:
    stream = soxr.ResampleStream(source, target, 1, dtype="int16", quality="HQ")
    return lambda audio: stream.resample_chunk(np.frombuffer(audio, np.int16)).tobytes()


def _signal(source: int, target: int) -> bytes:
    """Tones up to 3/8 of the slower rate, and quieter tones that the slower rate cannot have."""
    slower = min(source, target)
    low = _wave(_low(slower), source, source * _SECONDS, 0)
    high = _wave(np.arange(0.6 * slower, 0.49 * source, 190), source, source * _SECONDS, 0)
    return bytes((low + high / 3).round().astype(np.int16).tobytes())


def _low(slower: int) -> Wave:
    pitches: Wave = np.arange(100, 0.375 * slower, 190)
    return pitches


def _wave(pitches: Wave, rate: int, count: int, delay: float) -> Wave:
    """Sines of equal level, together as loud as one of `_LOUD`."""
    times, wave = np.arange(count) / rate - delay, np.zeros(count)
    for number, pitch in enumerate(pitches):
        # Schroeder's phases: no moment is much louder than the others.
        wave += np.sin(2 * np.pi * pitch * times + np.pi * number**2 / len(pitches))
    wave *= _LOUD / np.sqrt(max(1, len(pitches)))
    return wave


def _noise(audio: bytes, source: int, target: int, delay: float) -> float:
    """The noise, in dB of the signal."""
    made = np.frombuffer(audio, np.int16).astype(np.float64)
    expected = _wave(_low(min(source, target)), target, len(made), delay)
    # Without the begin, where the filter is filled.
    made, expected = made[target // 20 :], expected[target // 20 :]
    return float(10 * np.log10(np.sum((made - expected) ** 2) / np.sum(expected**2)))
