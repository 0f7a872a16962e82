"""What the codecs of FFmpeg share."""

from av import AudioCodecContext, AudioFrame, FFmpegError, Packet, logging

from callstream.audio.codecs.codec import Undecodable

# FFmpeg would write about each damaged packet to stderr.
logging.set_level(None)


def decode(context: AudioCodecContext, packet: bytes) -> list[AudioFrame]:
    """The frames of a packet, which must not be empty: FFmpeg takes that for the end.

    Raises:
        Undecodable: the packet is damaged, or no packet of this codec.
    """
    try:
        return context.decode(Packet(packet))
    except FFmpegError as error:
        raise Undecodable(str(error)) from error


def plane(frame: AudioFrame, channel: int = 0) -> bytes:
    """The 16-bit samples of a channel. FFmpeg's memory is larger than the frame."""
    return bytes(frame.planes[channel])[: 2 * frame.samples]
