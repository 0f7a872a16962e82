"""Opus: each payload is one packet (RFC 7587)."""

from typing import Final, override

from av import AudioCodecContext, AudioFrame

from callstream.audio.codecs import ffmpeg
from callstream.audio.codecs.codec import Decoder, Encoder, Undecodable
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.audio.packets import seconds

_BIT_RATE: Final = 24_000
_PACKET_MS: Final = 20
_SAMPLE_BYTES: Final = 2


class _OpusDecoder(Decoder):
    def __init__(self, format_: AudioFormat, rate: int) -> None:
        self._format = format_
        self._context = AudioCodecContext.create("libopus", "r")
        self._context.sample_rate = rate
        self._context.layout = "mono"
        self._context.format = "s16"

    @override
    def decode(self, payload: bytes) -> bytes:
        if not seconds(payload, self._format):
            raise Undecodable("not an Opus packet")
        return b"".join(map(ffmpeg.plane, ffmpeg.decode(self._context, payload)))


class OpusEncoder(Encoder):
    """An encoder that makes packets of 20 ms.

    Args:
        rate: the rate of the samples in Hz; any rate that Opus has.
        application: what libopus optimises for: `voip`, `audio` or `lowdelay`.
    """

    def __init__(self, rate: int, application: str = "voip") -> None:
        context = AudioCodecContext.create("libopus", "w")
        context.sample_rate = rate
        context.layout = "mono"
        context.format = "s16"
        # FFmpeg's own bit rate is more than twice this.
        context.bit_rate = _BIT_RATE
        context.options = {
            "application": application,
            "compression_level": "5",
            "frame_duration": str(_PACKET_MS),
        }
        context.open()
        self._context = context
        self._rate = rate
        self._size = rate * _PACKET_MS // 1000 * _SAMPLE_BYTES
        self._left = b""
        # The encoder looks ahead: so much of what it has taken comes with the next packet.
        self._ahead = 0

    @override
    def encode(self, samples: bytes) -> list[bytes]:
        samples = self._left + samples
        whole = len(samples) - len(samples) % self._size
        self._left = samples[whole:]
        if whole:
            self._ahead = self._context.initial_padding * _SAMPLE_BYTES
        return [
            bytes(packet)
            for begin in range(0, whole, self._size)
            for packet in self._context.encode(self._frame(samples[begin : begin + self._size]))
        ]

    @override
    def flush(self) -> list[bytes]:
        held = len(self._left) + self._ahead
        packets = self.encode(bytes(held - len(self._left) + -held % self._size))
        self._ahead = 0
        return packets

    @override
    def forget(self) -> None:
        self._left, self._ahead = b"", 0

    def _frame(self, samples: bytes) -> AudioFrame:
        frame = AudioFrame("s16", "mono", len(samples) // _SAMPLE_BYTES)
        frame.sample_rate = self._rate
        frame.planes[0].update(samples)
        return frame


def decoder(format_: AudioFormat, rate: int, _l16_byte_order: ByteOrder) -> Decoder:
    """A decoder of OPUS, which makes one channel of two."""
    return _OpusDecoder(format_, rate)


def encoder(_format: AudioFormat, rate: int, _l16_byte_order: ByteOrder) -> Encoder:
    """An encoder of OPUS."""
    return OpusEncoder(rate)
