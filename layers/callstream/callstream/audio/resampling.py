"""Conversion of linear audio to another sampling rate, piece by piece as the audio comes. Pure.

A resampler is a windowed-sinc filter in its polyphase form, made of `audioop` calls over whole
pieces. The filter keeps the end of the audio before, so that the pieces of the output are bit for
bit the output of the whole: no clicks. The output is 1 ms late, or less between higher rates (8
samples of the slower rate), and nothing else is held back. docs/decisions.md says why no library
does this.

Samples are 16-bit linear, mono, in the byte order of this machine. This module needs `audioop`,
which only the relay function's layer has: no other function may import this module.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Final, NamedTuple

import audioop

_SAMPLE_BYTES: Final = 2
_WIDE: Final = 4
"""Bytes of a sample inside the filter."""

# A sinc within Kaiser's window. More taps cost time and delay; fewer let higher sounds alias.
_TAPS: Final = 16
"""The length of the filter, in samples of the slower rate."""
_BETA: Final = 7.0
_CUT: Final = 0.92
"""Where the filter cuts, as a part of the highest frequency of the slower rate."""
_HEADROOM: Final = 4.0
"""By this factor, sums inside the filter may exceed the largest sample."""
_HALF: Final = int(2**15 / _HEADROOM)
"""Added to each sum, so that the result is rounded and not cut off."""

_LARGEST_GROUP: Final = 6
"""Rates whose ratio consists of numbers up to this one are converted by a filter alone."""
_DENSE: Final = 4
_DENSE_HZ: Final = 44_100
"""At this rate that is also so many times the slower rate, lines between samples are exact enough.
"""
_LINE_BEGINS: Final[tuple[int, tuple[tuple[int, int], ...]]] = (-1, ((0, 0),))
"""The state in which `ratecv` draws a line from silence to the first sample. Without, `ratecv` has
less than a frame for the first frame."""


class Resampler:
    """Converts one stream of audio from one sampling rate to another; made by `resampler`.

    A resampler remembers the audio before: each stream and direction needs one of its own.
    """

    def __init__(self, plan: "_Plan") -> None:
        self._plan = plan
        self.restart()

    @property
    def delay_seconds(self) -> float:
        """How much later a sound is in the output than in the input."""
        return self._plan.delay_seconds

    def restart(self) -> None:
        """Forget the audio before: the next audio belongs to another stream."""
        self._history = bytes(self._plan.history * _WIDE)
        self._waiting = b""
        self._line_state = _LINE_BEGINS

    def resample(self, samples: bytes) -> bytes:
        """Convert samples; those that do not make a whole group wait for the next call."""
        plan = self._plan
        if not plan.phases:
            return samples
        samples = self._waiting + samples
        groups, waiting = divmod(len(samples), plan.group * _SAMPLE_BYTES)
        whole = len(samples) - waiting
        self._waiting = samples[whole:]
        if not groups:
            return b""
        wide = self._history + audioop.lin2lin(samples[:whole], _SAMPLE_BYTES, _WIDE)
        self._history = wide[len(wide) - len(self._history) :]
        pairs = _pairs(wide, plan)
        audio = _narrowed(_interleaved([_filtered(pairs, phase, groups) for phase in plan.phases]))
        if plan.line is not None:
            audio, self._line_state = audioop.ratecv(
                audio, _SAMPLE_BYTES, 1, *plan.line, self._line_state
            )
        return audio


def resampler(source_hz: int, target_hz: int) -> Resampler:
    """A resampler from one sampling rate to another. Equal rates are a copy."""
    return Resampler(_plan(source_hz, target_hz))


class _TwoTaps(NamedTuple):
    """Two neighbouring taps: which series of pairs they are for, from which pair on, the factors.

    Two taps at once, because `audioop.tomono` multiplies and adds two samples in one pass.
    """

    series: int
    begin: int
    older: float
    newer: float


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to convert between two rates; without phases the output is the input.

    Each group of `group` samples makes one sample of each phase. `history` is how many samples the
    filter reads before the first one of a group. `line` are the rates between which straight lines
    convert after the filter.
    """

    group: int = 1
    phases: Sequence[Sequence[_TwoTaps]] = ()
    history: int = 0
    line: tuple[int, int] | None = None
    delay_seconds: float = 0.0


@lru_cache(maxsize=64)
def _plan(source_hz: int, target_hz: int) -> _Plan:
    if source_hz == target_hz:
        return _Plan()
    slower_hz = min(source_hz, target_hz)
    common = math.gcd(source_hz, target_hz)
    up, group, line = target_hz // common, source_hz // common, None
    if max(up, group) > _LARGEST_GROUP:
        up, group = math.ceil(max(_DENSE_HZ, _DENSE * slower_hz) / source_hz), 1
        line = (up * source_hz, target_hz)
    taps = 2 * math.ceil(_TAPS / 2 * source_hz / slower_hz)
    factors = _factors(taps * up, _CUT * slower_hz / (up * source_hz), up / _HEADROOM)
    history = taps - 1
    phases = [
        [
            _TwoTaps(
                series=(history + newest - tap - 1) % group,
                begin=(history + newest - tap - 1) // group,
                older=factors[first + (tap + 1) * up],
                newer=factors[first + tap * up],
            )
            for tap in range(0, taps, 2)
        ]
        for newest, first in (divmod(phase * group, up) for phase in range(up))
    ]
    delay = taps / 2 / source_hz
    if line is not None:
        delay += (1 - math.gcd(*line) / target_hz) / line[0]
    return _Plan(group, phases, history, line, delay)


def _factors(count: int, cut: float, gain: float) -> list[float]:
    """A windowed sinc of `count` factors, whose sum is `gain`.

    `cut` is the frequency to cut at, as a part of the highest. The first factor is 0, so that the
    filter is symmetrical around a sample.
    """
    half = count // 2
    sinc = [_sinc(cut * at) * _kaiser(at / half) for at in range(1 - half, half)]
    total = sum(sinc)
    return [0.0, *(gain * factor / total for factor in sinc)]


def _sinc(at: float) -> float:
    return math.sin(math.pi * at) / (math.pi * at) if at else 1.0


def _kaiser(at: float) -> float:
    """Kaiser's window, which reaches from -1 to 1; not divided by its greatest value."""
    return _bessel(_BETA * math.sqrt(1 - at * at))


def _bessel(at: float) -> float:
    """The modified Bessel function of the first kind and order 0; 25 terms are exact enough."""
    return sum((at / 2) ** (2 * term) / math.factorial(term) ** 2 for term in range(25))


def _pairs(wide: bytes, plan: _Plan) -> Mapping[int, bytes]:
    """For each series that is needed: every `group`th sample, each with the sample after it."""
    series = {taps.series for phase in plan.phases for taps in phase}
    return {first: _paired(array("i", wide), first, plan.group) for first in series}


def _paired(samples: "array[int]", first: int, step: int) -> bytes:
    newer = samples[first + 1 :: step]
    pairs = array("i", bytes(2 * _WIDE * len(newer)))
    pairs[0::2], pairs[1::2] = samples[first::step][: len(newer)], newer
    return pairs.tobytes()


def _filtered(pairs: Mapping[int, bytes], phase: Iterable[_TwoTaps], groups: int) -> bytes:
    """The sums of one phase, one for each group."""
    pair = 2 * _WIDE
    return reduce(
        lambda sums, products: audioop.add(sums, products, _WIDE),
        (
            audioop.tomono(
                pairs[series][begin * pair : (begin + groups) * pair], _WIDE, older, newer
            )
            for series, begin, older, newer in phase
        ),
    )


def _interleaved(phases: Sequence[bytes]) -> bytes:
    if len(phases) == 1:
        return phases[0]
    samples = array("i", b"".join(phases))
    count = len(samples) // len(phases)
    together = array("i", samples)
    for number in range(len(phases)):
        together[number :: len(phases)] = samples[number * count : (number + 1) * count]
    return together.tobytes()


def _narrowed(wide: bytes) -> bytes:
    """16-bit samples; `mul` cuts off at the largest sample, where `lin2lin` would overflow."""
    wide = audioop.mul(audioop.bias(wide, _WIDE, _HALF), _WIDE, _HEADROOM)
    return audioop.lin2lin(wide, _WIDE, _SAMPLE_BYTES)
