"""PCMU, PCMA and L16.

L16 is 16-bit linear. Its byte order is a setting: RFC 3551 has network order, Telnyx does not
document one, and Telnyx's users disagree.
"""

import sys
from typing import Final, override

import audioop

from callstream.audio.codecs.codec import Decoder, Encoder
from callstream.audio.formats import AudioFormat, ByteOrder

_SAMPLE_BYTES: Final = 2


def decode(audio: bytes, codec: str, l16_byte_order: ByteOrder) -> bytes:
    """Audio of PCMU, PCMA or L16 as 16-bit linear samples in the byte order of this machine.

    A part of a sample at the end is dropped.
    """
    match codec:
        case "PCMU":
            return audioop.ulaw2lin(audio, _SAMPLE_BYTES)
        case "PCMA":
            return audioop.alaw2lin(audio, _SAMPLE_BYTES)
        case _:
            return _in_order(audio[: len(audio) // _SAMPLE_BYTES * _SAMPLE_BYTES], l16_byte_order)


def encode(samples: bytes, codec: str, l16_byte_order: ByteOrder) -> bytes:
    """16-bit linear samples in the byte order of this machine as audio of PCMU, PCMA or L16."""
    match codec:
        case "PCMU":
            return audioop.lin2ulaw(samples, _SAMPLE_BYTES)
        case "PCMA":
            return audioop.lin2alaw(samples, _SAMPLE_BYTES)
        case _:
            return _in_order(samples, l16_byte_order)


class _PcmDecoder(Decoder):
    def __init__(self, format_: AudioFormat, l16_byte_order: ByteOrder) -> None:
        self._format, self._order = format_, l16_byte_order

    @override
    def decode(self, payload: bytes) -> bytes:
        samples = decode(payload, self._format.encoding, self._order)
        if self._format.channels == 1:
            return samples
        whole = len(samples) - len(samples) % (2 * _SAMPLE_BYTES)
        return audioop.tomono(samples[:whole], _SAMPLE_BYTES, 0.5, 0.5)


class _PcmEncoder(Encoder):
    def __init__(self, codec: str, l16_byte_order: ByteOrder) -> None:
        self._codec, self._order = codec, l16_byte_order

    @override
    def encode(self, samples: bytes) -> list[bytes]:
        return [encode(samples, self._codec, self._order)] if samples else []

    @override
    def flush(self) -> list[bytes]:
        return []

    @override
    def forget(self) -> None:
        pass


def decoder(format_: AudioFormat, _rate: int, l16_byte_order: ByteOrder) -> Decoder:
    """A decoder of PCMU, PCMA or L16, which makes one channel of two."""
    return _PcmDecoder(format_, l16_byte_order)


def encoder(format_: AudioFormat, _rate: int, l16_byte_order: ByteOrder) -> Encoder:
    """An encoder of PCMU, PCMA or L16."""
    return _PcmEncoder(format_.encoding, l16_byte_order)


def _in_order(samples: bytes, byte_order: ByteOrder) -> bytes:
    return samples if byte_order == sys.byteorder else audioop.byteswap(samples, _SAMPLE_BYTES)
