"""Audio that a consumer sends back: whether the call can play it, and in which pieces. Pure.

Nothing is converted yet: what comes must be in the call's own codec.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from callstream.dialects.events import AudioFormat, ReturnMedia
from callstream.errors import CallstreamError

# Carriers want pieces of 20 ms; Telnyx takes none over 30.
_PIECES_A_SECOND: Final = 50
_SAMPLE_BYTES: Final = {"PCMU": 1, "PCMA": 1, "L16": 2}


class UnusableAudio(CallstreamError):
    """The call cannot play this; the message is for the consumer."""


def check(settings: Mapping[str, Any], call: AudioFormat) -> None:
    """Whether what a consumer sends is what the call speaks.

    Args:
        settings: the relay's: what Telnyx's command said of the way back. SignalWire has no choice.
        call: the call's own format.

    Raises:
        UnusableAudio: it is not, and is not converted yet.
    """
    mode = settings.get("stream_bidirectional_mode")
    if mode is None:
        return
    if mode != "rtp":
        raise UnusableAudio(f"stream_bidirectional_mode {mode} is not supported, but rtp is")
    codec = settings["stream_bidirectional_codec"]
    rate = settings["stream_bidirectional_sampling_rate"]
    if (codec, rate) != (call.encoding, call.sample_rate):
        raise UnusableAudio(f"the call speaks {call.encoding} at {call.sample_rate} Hz only")


def pieces(media: ReturnMedia, call: AudioFormat) -> Iterator[ReturnMedia]:
    """The audio in pieces of 20 ms; the last may be shorter. A packet of a codec is not cut."""
    sample = _SAMPLE_BYTES.get(call.encoding)
    if sample is None:
        yield media
        return
    size = call.sample_rate // _PIECES_A_SECOND * sample * call.channels
    for begin in range(0, len(media.audio), size):
        yield ReturnMedia(media.audio[begin : begin + size])
