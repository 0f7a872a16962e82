"""AMR-WB in RTP's payloads (RFC 4867), decoded only: no library that is kept well encodes it."""

from typing import Final, override

from av import AudioCodecContext, AudioResampler

from callstream.audio.codecs import ffmpeg
from callstream.audio.codecs.codec import Decoder, Undecodable
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.audio.packets import AmrWbFrame, amr_wb_frames

_SPEECH: Final = range(9)
"""The types of frames with speech; of the others FFmpeg decodes none."""
_SAMPLE_BYTES: Final = 2


class _AmrWbDecoder(Decoder):
    def __init__(self, rate: int) -> None:
        self._context = AudioCodecContext.create("amr_wb", "r")
        self._context.sample_rate = rate
        self._context.layout = "mono"
        # From FFmpeg's fractions to 16 bits, at the same rate.
        self._narrow = AudioResampler("s16", "mono", rate)
        self._silence = bytes(rate // 50 * _SAMPLE_BYTES)

    @override
    def decode(self, payload: bytes) -> bytes:
        frames = amr_wb_frames(payload)
        if not frames:
            raise Undecodable("not an AMR-WB payload")
        return b"".join(map(self._decode, frames))

    def _decode(self, frame: AmrWbFrame) -> bytes:
        if frame.type not in _SPEECH or not frame.is_good:
            return self._silence
        # The form in files: a byte with the type, and that the frame is good.
        stored = bytes([frame.type << 3 | 1 << 2]) + frame.speech
        return b"".join(
            ffmpeg.plane(narrow)
            for wide in ffmpeg.decode(self._context, stored)
            for narrow in self._narrow.resample(wide)
        )


def decoder(_format: AudioFormat, rate: int, _l16_byte_order: ByteOrder) -> Decoder:
    """A decoder of AMR-WB."""
    return _AmrWbDecoder(rate)
