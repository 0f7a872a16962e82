"""What carriers call their codecs. Inside, a codec has its RTP name (RFC 3551 and its successors).

Telnyx writes RTP names; Twilio and SignalWire write media types of the older, `x-` kind. What we
do not know is carried under the carrier's own name: nothing here decodes audio.
"""

from typing import Final

from msgspec import Struct


class AudioFormat(Struct, frozen=True):
    """A stream's audio: codec by its RTP name, rate in Hz."""

    encoding: str
    sample_rate: int
    channels: int


PCMU_8K = AudioFormat(encoding="PCMU", sample_rate=8000, channels=1)

_MEDIA_TYPES: Final = {
    "PCMU": "audio/x-mulaw",
    "PCMA": "audio/x-alaw",
    "G722": "audio/G722",
    "L16": "audio/x-L16",
    "OPUS": "audio/opus",
    "AMR-WB": "audio/AMR-WB",
}
CODECS: Final = frozenset(_MEDIA_TYPES)
"""The codecs that any of the carriers documents."""

# Older Telnyx documents have media types too, so every dialect reads both.
_RTP_NAMES: Final = {
    **{media_type.lower(): codec for codec, media_type in _MEDIA_TYPES.items()},
    **{codec.lower(): codec for codec in CODECS},
}


def rtp_name(name: str) -> str:
    """The RTP name of what a carrier calls its codec."""
    return _RTP_NAMES.get(name.lower(), name)


def media_type(codec: str) -> str:
    """What Twilio and SignalWire call a codec."""
    return _MEDIA_TYPES.get(codec, codec)
