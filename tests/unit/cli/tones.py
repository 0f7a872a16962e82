"""Tones, and the measures of a recording that a codec must not change."""

from typing import Any, Final

import numpy as np

from callstream.audio.formats import AudioFormat
from callstream_cli.codecs import Samples

type Sound = np.ndarray[Any, np.dtype[np.int16]]

TONE_HZ: Final = 700.0
_SECONDS: Final = 1.0

EVERY_FORMAT: Final = [
    AudioFormat(encoding, rate, 1)
    for encoding, rates in {
        "PCMU": (8000,),
        "PCMA": (8000,),
        "L16": (8000, 16_000, 22_050, 24_000, 48_000),
        "G722": (8000,),
        "OPUS": (8000, 16_000, 24_000, 48_000),
    }.items()
    for rate in rates
]
"""Every format that can be made."""


def tone(rate: int, frequency: float = TONE_HZ, seconds: float = _SECONDS) -> Samples:
    """A tone a quarter as loud as possible."""
    time = np.arange(round(rate * seconds)) / rate
    samples: Samples = (np.sin(2 * np.pi * frequency * time) * 8000).astype(np.int16)
    return samples


def pitch(samples: Sound, rate: int) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


def decibels(samples: Sound) -> float:
    """The level of the middle half, without the beginning and the end."""
    quarter = len(samples) // 4
    middle = samples[quarter : 3 * quarter].astype(np.float64)
    return float(20 * np.log10(np.sqrt(np.mean(middle**2))))
