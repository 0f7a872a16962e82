"""G.722 at 64 kbit/s: a byte is two samples at 16 kHz, or one at 8 kHz."""

from array import array
from typing import Final, override

from G722 import G722  # type: ignore[import-not-found]

from callstream.audio.codecs.codec import Decoder, Encoder
from callstream.audio.formats import AudioFormat, ByteOrder

_BIT_RATE: Final = 64_000
_BYTE_RATE: Final = 8000
_SAMPLE_BYTES: Final = 2


class _G722Decoder(Decoder):
    def __init__(self, rate: int) -> None:
        self._codec = G722(rate, _BIT_RATE, use_numpy=False)

    @override
    def decode(self, payload: bytes) -> bytes:
        samples: array[int] = self._codec.decode(payload)
        return samples.tobytes()


class _G722Encoder(Encoder):
    def __init__(self, rate: int) -> None:
        self._codec = G722(rate, _BIT_RATE, use_numpy=False)
        self._unit = rate // _BYTE_RATE * _SAMPLE_BYTES
        self._left = b""

    @override
    def encode(self, samples: bytes) -> list[bytes]:
        samples = self._left + samples
        whole = len(samples) - len(samples) % self._unit
        self._left = samples[whole:]
        # The library takes bytes for samples of 8 bits.
        return [self._codec.encode(array("h", samples[:whole]))] if whole else []

    @override
    def flush(self) -> list[bytes]:
        return self.encode(bytes(-len(self._left) % self._unit))

    @override
    def forget(self) -> None:
        self._left = b""


def decoder(_format: AudioFormat, rate: int, _l16_byte_order: ByteOrder) -> Decoder:
    """A decoder of G722."""
    return _G722Decoder(rate)


def encoder(_format: AudioFormat, rate: int, _l16_byte_order: ByteOrder) -> Encoder:
    """An encoder of G722."""
    return _G722Encoder(rate)
