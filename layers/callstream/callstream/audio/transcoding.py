"""Conversion between PCMU, PCMA and L16 at the same sampling rate. Pure.

This module needs `audioop`, which only the relay function's layer has: no other function may import
this module.

L16 is 16-bit linear. Its byte order is a setting: RFC 3551 has network order, Telnyx does not
document one, and Telnyx's users disagree. The setting counts only where L16 becomes another codec,
or another codec becomes L16.
"""

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import audioop

from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.errors import CallstreamError

type Convert = Callable[[bytes], bytes]

_SAMPLE_BYTES: Final = 2


class UnusableAudio(CallstreamError):
    """The call cannot play this audio; the message is for the consumer."""


# A relay asks for each piece of audio, of which there are 50 a second and leg.
@lru_cache(maxsize=64)
def conversion(source: AudioFormat, target: AudioFormat, l16_byte_order: ByteOrder) -> Convert:
    """A function that converts audio; a part of a sample at the end is dropped.

    Raises:
        UnusableAudio: this module cannot convert between these formats.
    """
    if source == target:
        return bytes
    if not source.sample_bytes or not target.sample_bytes or not _are_alike(source, target):
        raise UnusableAudio(f"{_name(source)} cannot be converted to the call's {_name(target)}")
    return lambda audio: encode(
        decode(audio, source.encoding, l16_byte_order), target.encoding, l16_byte_order
    )


def forked(
    call: AudioFormat, codec: str | None, l16_byte_order: ByteOrder
) -> tuple[AudioFormat, Convert]:
    """The format of a fork for which `codec` was asked, and the conversion from the call's audio.

    The fork has the call's own format if `codec` is None, if the call's audio cannot be converted
    to `codec`, or if `codec` has another rate than the call: receivers would play PCMU of 16 kHz at
    half the speed.
    """
    wanted = AudioFormat(codec or call.encoding, call.audio_rate, call.channels)
    if not wanted.is_playable:
        return call, bytes
    try:
        return wanted, conversion(call, wanted, l16_byte_order)
    except UnusableAudio:
        return call, bytes


def decode(audio: bytes, codec: str, l16_byte_order: ByteOrder) -> bytes:
    """Audio of PCMU, PCMA or L16 as 16-bit linear samples in the byte order of this machine."""
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


def _are_alike(source: AudioFormat, target: AudioFormat) -> bool:
    return (source.audio_rate, source.channels) == (target.audio_rate, target.channels)


def _name(format_: AudioFormat) -> str:
    channels = f" of {format_.channels} channels" if format_.channels != 1 else ""
    return f"{format_.encoding} at {format_.sample_rate} Hz{channels}"


def _in_order(samples: bytes, byte_order: ByteOrder) -> bytes:
    return samples if byte_order == sys.byteorder else audioop.byteswap(samples, _SAMPLE_BYTES)
