"""Audio formats and codecs: everything that is known about a codec stands here.

Inside Callstream, a codec has its RTP name (RFC 3551 and its successors). Telnyx writes RTP names;
Twilio and SignalWire write media types of the older `x-` kind. An unknown codec keeps the carrier's
own name: nothing on the way of a frame decodes audio.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

ByteOrder = Literal["big", "little"]
"""The byte order of L16. RFC 3551 has network order, the larger byte first; carriers do not say."""


class Codec(Struct, frozen=True):
    """A codec that at least one of the carriers documents."""

    media_type: str
    """The codec's name in the messages of Twilio and SignalWire."""
    silence: bytes = b""
    """The shortest piece of silence, at whose multiples audio may be cut; empty of packets."""
    rates: tuple[int, ...] = ()
    """The rates in Hz that a `start` has for the codec, in ascending order; empty if any."""
    audio_rate: int | None = None
    """The rate of the audio in Hz, where it is fixed and RTP's clock rate is another."""
    byte_rate: int | None = None
    """The bytes of a second, where a byte is no sample."""


class AudioFormat(Struct, frozen=True):
    """A stream's audio format: the codec's RTP name, and the rate in Hz that the carrier gives."""

    encoding: str
    sample_rate: int
    channels: int

    @property
    def audio_rate(self) -> int:
        """The rate of the decoded audio in Hz. Of G722 the carrier may give RTP's clock rate."""
        codec = CODECS.get(self.encoding)
        return (codec and codec.audio_rate) or self.sample_rate

    @property
    def is_packets(self) -> bool:
        """Whether the audio comes in packets, which cannot be cut or joined."""
        codec = CODECS.get(self.encoding)
        return codec is not None and not codec.silence

    @property
    def silence(self) -> bytes:
        """The shortest piece of silence in one channel; empty if the audio comes in packets."""
        codec = CODECS.get(self.encoding)
        return codec.silence if codec else b""

    @property
    def sample_bytes(self) -> int:
        """The bytes of one sample in one channel; 0 if samples are not coded one by one."""
        codec = CODECS.get(self.encoding)
        return len(codec.silence) if codec and codec.byte_rate is None else 0

    @property
    def byte_rate(self) -> int:
        """The bytes of a second; 0 if the audio comes in packets, whose bytes do not say."""
        codec = CODECS.get(self.encoding)
        fixed = codec and codec.byte_rate
        return fixed or self.sample_rate * self.sample_bytes * self.channels


PCMU_8K = AudioFormat(encoding="PCMU", sample_rate=8000, channels=1)

CODECS: Final[Mapping[str, Codec]] = {
    "PCMU": Codec("audio/x-mulaw", silence=b"\xff", rates=(8000,)),
    "PCMA": Codec("audio/x-alaw", silence=b"\xd5", rates=(8000,)),
    # RFC 3551, 4.5.2: audio of 16 kHz, whose RTP clock is 8 kHz by an old mistake.
    "G722": Codec("audio/G722", silence=b"\xff", rates=(8000,), audio_rate=16_000, byte_rate=8000),
    "L16": Codec("audio/x-L16", silence=b"\0\0"),
    "OPUS": Codec("audio/opus", rates=(8000, 16_000)),
    "AMR-WB": Codec("audio/AMR-WB", rates=(16_000,)),
}
"""The known codecs, by their RTP names."""


def usual_rate(codec: str, audio_rate: int) -> int:
    """The rate in Hz that a codec has for audio of a rate.

    The lowest rate that keeps all of the sound, or else the highest.
    """
    known = CODECS.get(codec)
    rates = known.rates if known else ()
    return next((each for each in rates if each >= audio_rate), rates[-1] if rates else audio_rate)


# Older Telnyx documents have media types too, so every dialect reads both.
_RTP_NAMES: Final = {
    name.lower(): codec for codec, known in CODECS.items() for name in (codec, known.media_type)
}


def rtp_name(name: str) -> str:
    """The RTP name of a codec that a carrier names; an unknown name stays as it is."""
    return _RTP_NAMES.get(name.lower(), name)


def media_type(codec: str) -> str:
    """The media type of a codec, as Twilio and SignalWire write it; an unknown name stays."""
    known = CODECS.get(codec)
    return known.media_type if known else codec
