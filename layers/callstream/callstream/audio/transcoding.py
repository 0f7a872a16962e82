"""Audio of one codec as that of another: PCMU, PCMA and L16, at the same sampling rate. Pure.

It needs a library that is in the layer of the relay function alone: no other may import this.

L16 is 16-bit linear. RFC 3551 has its bytes in network order, the larger first; Telnyx says nothing
of its own, and its users disagree, so it is a setting. It counts only where L16 becomes another
codec or comes from one: from L16 to L16 nothing is changed.
"""

import sys
from collections.abc import Callable
from typing import Final, Literal

import audioop

from callstream.audio.formats import AudioFormat
from callstream.errors import CallstreamError

ByteOrder = Literal["big", "little"]
type Convert = Callable[[bytes], bytes]

_SAMPLE_BYTES: Final = 2
_CONVERTIBLE: Final = frozenset({"PCMU", "PCMA", "L16"})


class UnusableAudio(CallstreamError):
    """The call cannot play this; the message is for the consumer."""


def conversion(source: AudioFormat, target: AudioFormat, l16: ByteOrder) -> Convert:
    """What makes audio of one format into that of another; half a sample at an end is dropped.

    Raises:
        UnusableAudio: that is not possible here.
    """
    if source == target:
        return bytes
    codecs = {source.encoding, target.encoding}
    if not codecs <= _CONVERTIBLE or not _is_as_fast(source, target):
        raise UnusableAudio(f"{_name(source)} cannot be converted to the call's {_name(target)}")
    return lambda audio: _encoded(_decoded(audio, source.encoding, l16), target.encoding, l16)


def forked(call: AudioFormat, codec: str, l16: ByteOrder) -> tuple[AudioFormat, Convert]:
    """The format of a fork that was asked for in a codec, and what makes it of the call's audio.

    The call's own, if `codec` is `default` or cannot be made of it, as Telnyx documents.
    """
    wanted = AudioFormat(codec, call.sample_rate, call.channels)
    try:
        return wanted, conversion(call, wanted, l16)
    except UnusableAudio:
        return call, bytes


def _is_as_fast(source: AudioFormat, target: AudioFormat) -> bool:
    return (source.sample_rate, source.channels) == (target.sample_rate, target.channels)


def _name(format_: AudioFormat) -> str:
    channels = f" of {format_.channels} channels" if format_.channels != 1 else ""
    return f"{format_.encoding} at {format_.sample_rate} Hz{channels}"


def _decoded(audio: bytes, codec: str, l16: ByteOrder) -> bytes:
    """As linear samples in the order of this machine."""
    match codec:
        case "PCMU":
            return audioop.ulaw2lin(audio, _SAMPLE_BYTES)
        case "PCMA":
            return audioop.alaw2lin(audio, _SAMPLE_BYTES)
        case _:
            return _in_order(audio[: len(audio) // _SAMPLE_BYTES * _SAMPLE_BYTES], l16)


def _encoded(samples: bytes, codec: str, l16: ByteOrder) -> bytes:
    match codec:
        case "PCMU":
            return audioop.lin2ulaw(samples, _SAMPLE_BYTES)
        case "PCMA":
            return audioop.lin2alaw(samples, _SAMPLE_BYTES)
        case _:
            return _in_order(samples, l16)


def _in_order(samples: bytes, l16: ByteOrder) -> bytes:
    return samples if l16 == sys.byteorder else audioop.byteswap(samples, _SAMPLE_BYTES)
