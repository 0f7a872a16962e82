"""Conversion of audio between formats, one converter for each stream, track and receiver. Pure."""

from functools import partial
from typing import Protocol, override

from callstream.audio.codecs import codec as codecs
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.errors import CallstreamError


class UnusableAudio(CallstreamError):
    """The call cannot play this audio; the message is for the consumer."""


class Converter(Protocol):
    """One direction of one stream of audio, with its state.

    Make a converter for each stream, track and receiver.
    """

    def convert(self, audio: bytes) -> list[bytes]:
        """Payloads in the target format: none, one or several.

        Of a codec whose audio comes in packets, each payload is one packet.
        """

    def flush(self) -> list[bytes]:
        """The audio that is still held, with silence where the target's pieces must be whole."""

    def restart(self) -> None:
        """The source begins anew: forget the decoder's state. The target's stream goes on."""


def can_convert(source: AudioFormat, target: AudioFormat) -> bool:
    """Whether `converter` makes one between these formats. Imports no codec."""
    return source == target or (
        {source.encoding, target.encoding} <= codecs.MODULES.keys() and _are_alike(source, target)
    )


def converter(source: AudioFormat, target: AudioFormat, l16_byte_order: ByteOrder) -> Converter:
    """A converter between two formats. Equal formats pass through untouched.

    Raises:
        UnusableAudio: this module cannot convert between these formats.
    """
    if not can_convert(source, target):
        raise UnusableAudio(f"{_name(source)} cannot be converted to the call's {_name(target)}")
    return _Unchanged() if source == target else _Chain(source, target, l16_byte_order)


class _Unchanged(Converter):
    @override
    def convert(self, audio: bytes) -> list[bytes]:
        return [audio] if audio else []

    @override
    def flush(self) -> list[bytes]:
        return []

    @override
    def restart(self) -> None:
        pass


class _Chain(Converter):
    """Decodes and encodes."""

    def __init__(self, source: AudioFormat, target: AudioFormat, byte_order: ByteOrder) -> None:
        self._new_decoder = partial(codecs.load(source.encoding).decoder, source, byte_order)
        self._decoder = self._new_decoder()
        self._encoder = codecs.load(target.encoding).encoder(target, byte_order)

    @override
    def convert(self, audio: bytes) -> list[bytes]:
        return self._encoder.encode(self._decoder.decode(audio))

    @override
    def flush(self) -> list[bytes]:
        return self._encoder.flush()

    @override
    def restart(self) -> None:
        self._decoder = self._new_decoder()


def _are_alike(source: AudioFormat, target: AudioFormat) -> bool:
    return (source.audio_rate, source.channels) == (target.audio_rate, target.channels)


def _name(format_: AudioFormat) -> str:
    channels = f" of {format_.channels} channels" if format_.channels != 1 else ""
    return f"{format_.encoding} at {format_.sample_rate} Hz{channels}"
