"""Conversion of audio between formats, one converter for each stream, track and receiver. Pure."""

import importlib
import sys
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, override

from msgspec.structs import replace

from callstream.audio.codecs import codec as codecs
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.errors import CallstreamError

if TYPE_CHECKING:
    from callstream.audio.resampling import Resampler

_SAMPLE_BYTES: Final = 2
_USUAL_HZ: Final = range(8000, 48_001)
"""The rates between which audio is resampled: a carrier's message may name any number."""


class UnusableAudio(CallstreamError):
    """Audio that cannot be converted; the message is for the consumer and the log."""


class Converter(Protocol):
    """One direction of one stream of audio, with its state.

    Make a converter for each stream, track and receiver.
    """

    def convert(self, audio: bytes) -> list[bytes]:
        """Payloads in the target format: none, one or several.

        Of a codec whose audio comes in packets, each payload is one packet.

        Raises:
            UnusableAudio: the audio is damaged, or not in the source format. The next may be.
        """

    def silence(self, seconds: float) -> list[bytes]:
        """Payloads of silence between the audio before and after it.

        None at all if the codec's audio comes in packets and nothing encodes it.
        """

    def flush(self) -> list[bytes]:
        """The audio that is still held, with silence where the target's pieces must be whole."""

    def restart(self) -> None:
        """The source begins anew: forget the decoder's state. The target's stream goes on."""

    def forget(self) -> None:
        """Drop the audio that is held, and begin anew: nobody shall hear that audio any more."""


def can_convert(source: AudioFormat, target: AudioFormat) -> bool:
    """Whether `converter` makes one between these formats. Imports no codec."""
    return _identity(source) == _identity(target) or _rates(source, target) is not None


def converter(source: AudioFormat, target: AudioFormat, l16_byte_order: ByteOrder) -> Converter:
    """A converter between two formats. Equal formats pass through untouched.

    Raises:
        UnusableAudio: this module cannot convert between these formats.
    """
    if _identity(source) == _identity(target):
        return _Unchanged(source)
    rates = _rates(source, target)
    if rates is None:
        raise UnusableAudio(f"{_name(source)} cannot be converted to {_name(target)}")
    return _Chain(source, target, rates, l16_byte_order)


def mp3_decoder(rate: int, l16_byte_order: ByteOrder) -> codecs.FileDecoder:
    """A decoder of a consumer's MP3 files, as L16 at a rate in Hz. Imports FFmpeg."""
    module = importlib.import_module("callstream.audio.codecs.mp3")
    made: codecs.FileDecoder = module.Mp3Decoder(rate, l16_byte_order)
    return made


class _Unchanged(Converter):
    def __init__(self, format_: AudioFormat) -> None:
        self._format = format_
        # For silence in a codec of packets.
        self._encoder: codecs.Encoder | None = None

    @override
    def convert(self, audio: bytes) -> list[bytes]:
        return [audio] if audio else []

    @override
    def silence(self, seconds: float) -> list[bytes]:
        format_, entry = self._format, codecs.ENTRIES.get(self._format.encoding)
        if format_.byte_rate:
            return [format_.silence * round(seconds * format_.byte_rate / len(format_.silence))]
        if not entry or not entry.encoded:
            return []
        rate = entry.encoded[0]
        if self._encoder is None:
            self._encoder = codecs.load(format_.encoding).encoder(format_, rate, sys.byteorder)
        return self._encoder.encode(bytes(round(seconds * rate) * _SAMPLE_BYTES))

    @override
    def flush(self) -> list[bytes]:
        return []

    @override
    def restart(self) -> None:
        pass

    @override
    def forget(self) -> None:
        pass


class _Chain(Converter):
    """Decodes, resamples, encodes."""

    def __init__(
        self,
        source: AudioFormat,
        target: AudioFormat,
        rates: tuple[int, int],
        byte_order: ByteOrder,
    ) -> None:
        decoded, encoded = rates
        self._source = source
        # Of all channels, if they are converted one to one.
        self._rate = decoded * (target.channels if source.channels == target.channels else 1)
        if source.channels == target.channels:
            # Interleaved samples are converted like those of one channel.
            source = replace(source, channels=1)
        module = codecs.load(source.encoding)
        self._new_decoder = partial(module.decoder, source, decoded, byte_order)
        self._decoder = self._new_decoder()
        self._resampler: Resampler | None = None
        if decoded != encoded:
            resampling = importlib.import_module("callstream.audio.resampling")
            self._resampler = resampling.resampler(decoded, encoded)
        self._encoder = codecs.load(target.encoding).encoder(target, encoded, byte_order)

    @override
    def convert(self, audio: bytes) -> list[bytes]:
        try:
            samples = self._decoder.decode(audio)
        except codecs.Undecodable as error:
            raise UnusableAudio(f"the audio is not {self._source.encoding}") from error
        return self._encoder.encode(self._resampled(samples))

    @override
    def silence(self, seconds: float) -> list[bytes]:
        samples = bytes(round(seconds * self._rate) * _SAMPLE_BYTES)
        return self._encoder.encode(self._resampled(samples))

    @override
    def flush(self) -> list[bytes]:
        return self._encoder.flush()

    @override
    def restart(self) -> None:
        self._decoder = self._new_decoder()
        if self._resampler:
            self._resampler.restart()

    @override
    def forget(self) -> None:
        self.restart()
        self._encoder.forget()

    def _resampled(self, samples: bytes) -> bytes:
        return self._resampler.resample(samples) if self._resampler else samples


def _identity(format_: AudioFormat) -> tuple[object, ...]:
    """Equal for formats of which one is as good as the other: their bits are the same."""
    if format_.is_packets:
        return (format_.encoding,)
    return (format_.encoding, format_.audio_rate, format_.channels)


def _rates(source: AudioFormat, target: AudioFormat) -> tuple[int, int] | None:
    """The rates of decoder and encoder in Hz; None if no way leads from one format to the other.

    A rate that both have needs no resampling.
    """
    decoding, encoding = codecs.ENTRIES.get(source.encoding), codecs.ENTRIES.get(target.encoding)
    if decoding is None or encoding is None or encoding.encoded is None:
        return None
    decoded = decoding.decoded or (source.sample_rate,)
    encoded = encoding.encoded or (target.sample_rate,)
    if common := {*decoded} & {*encoded}:
        return (max(common),) * 2 if _fit(source, target, is_resampled=False) else None
    best = max(decoded)
    nearest = min((rate for rate in encoded if rate >= best), default=max(encoded))
    can_resample = best in _USUAL_HZ and nearest in _USUAL_HZ
    return (best, nearest) if can_resample and _fit(source, target, is_resampled=True) else None


def _fit(source: AudioFormat, target: AudioFormat, *, is_resampled: bool) -> bool:
    """Whether the channels can be converted: one to one, two mixed to one, or interleaved."""
    # A packet says by itself how many channels it has, and its decoder mixes them.
    channels = [1 if each.is_packets else each.channels for each in (source, target)]
    are_samples = source.sample_bytes > 0 and target.sample_bytes > 0
    return (
        channels == [1, 1]
        or (channels == [2, 1] and source.sample_bytes > 0)
        or (source.channels == target.channels and are_samples and not is_resampled)
    )


def _name(format_: AudioFormat) -> str:
    channels = f" of {format_.channels} channels" if format_.channels != 1 else ""
    return f"{format_.encoding} at {format_.sample_rate} Hz{channels}"
