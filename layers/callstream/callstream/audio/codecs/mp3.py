"""MP3 files from a consumer, decoded only as far as somebody asks."""

from typing import Final, override

import audioop
from av import AudioCodecContext, AudioFrame

from callstream.audio.codecs import ffmpeg, pcm
from callstream.audio.codecs.codec import FileDecoder, Undecodable
from callstream.audio.formats import ByteOrder
from callstream.audio.mp3_frames import Mp3Frames
from callstream.audio.resampling import Resampler, resampler

_SAMPLE_BYTES: Final = 2


class Mp3Decoder(FileDecoder):
    """Decodes MP3 files, one after the other.

    Args:
        rate: the rate of the audio in Hz, whatever the rates of the files are.
        l16_byte_order: the byte order of the audio.
    """

    def __init__(self, rate: int, l16_byte_order: ByteOrder) -> None:
        self._rate = rate
        self._order: ByteOrder = l16_byte_order
        self.damaged = 0
        self.restart()

    @override
    def restart(self) -> None:
        self._frames = Mp3Frames()
        # Of FFmpeg's decoders the one that calculates with integers: it gives samples of 16 bits.
        self._context = AudioCodecContext.create("mp3", "r")
        self._resamplers: dict[int, Resampler] = {}

    @property
    @override
    def waiting(self) -> int:
        return self._frames.waiting

    @override
    def feed(self, message: bytes) -> None:
        self._frames.feed(message)

    @override
    def read(self) -> bytes | None:
        frame = self._frames.take()
        if frame is None:
            return None
        try:
            decoded = ffmpeg.decode(self._context, frame.data)
        except Undecodable:
            self.damaged += 1
            return b""
        convert = self._resampler(frame.rate).resample
        samples = b"".join(convert(_mono(each)) for each in decoded)
        return pcm.encode(samples, "L16", self._order)

    def _resampler(self, rate: int) -> Resampler:
        if rate not in self._resamplers:
            # Another file: what is left of the file before is less than a millisecond.
            self._resamplers = {rate: resampler(rate, self._rate)}
        return self._resamplers[rate]


def _mono(frame: AudioFrame) -> bytes:
    if len(frame.planes) == 1:
        return ffmpeg.plane(frame)
    left, right = (audioop.mul(ffmpeg.plane(frame, each), _SAMPLE_BYTES, 0.5) for each in (0, 1))
    return audioop.add(left, right, _SAMPLE_BYTES)
