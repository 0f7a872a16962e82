"""Audio that a consumer sends back: its format, and the pieces that carriers want it in. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from callstream.audio.formats import AudioFormat

MP3: Final = "mp3"
"""The encoding of a way back in Telnyx's mode of this name: whole files."""

# Carriers choke on uneven pieces; Telnyx takes none under 20 ms.
PIECE_SECONDS: Final = 0.02
_PIECES_A_SECOND: Final = 50
# A sample of silence. What is not here comes in packets, which are not cut.
_SILENCE: Final = {"PCMU": b"\xff", "PCMA": b"\xd5", "L16": b"\0\0"}


def return_format(settings: Mapping[str, Any], fork: AudioFormat) -> AudioFormat:
    """The format of what a consumer sends.

    Args:
        settings: the relay's: what Telnyx's command said of the way back. SignalWire has no choice:
            its consumers send what they get.
        fork: the format of what the consumer gets.
    """
    mode = settings.get("stream_bidirectional_mode")
    if mode is None:
        return fork
    if mode != "rtp":
        return AudioFormat(mode, 0, 1)
    rate = int(settings["stream_bidirectional_sampling_rate"])
    return AudioFormat(settings["stream_bidirectional_codec"], rate, 1)


class Packetizer:
    """Cuts audio into pieces of 20 ms. What is left of a message waits for the next one.

    Packets of other codecs than PCMU, PCMA and L16 are left as they are.
    """

    def __init__(self, format_: AudioFormat) -> None:
        self._silence = _SILENCE.get(format_.encoding, b"")
        samples = format_.sample_rate // _PIECES_A_SECOND * format_.channels
        self._size = samples * len(self._silence)
        self._left = b""

    @property
    def waits(self) -> bool:
        """Whether there is something that is not a piece yet."""
        return bool(self._left)

    def cut(self, audio: bytes) -> list[bytes]:
        """The pieces that are complete with this."""
        if not self._size:
            return [audio] if audio else []
        audio = self._left + audio
        whole = len(audio) - len(audio) % self._size
        self._left = audio[whole:]
        return [audio[begin : begin + self._size] for begin in range(0, whole, self._size)]

    def rest(self) -> list[bytes]:
        """What is left, filled up with silence; half a sample is not worth a piece."""
        sample = len(self._silence)
        left, self._left = self._left, b""
        samples = len(left) // sample if sample else 0
        if not samples:
            return []
        missing = self._size // sample - samples
        return [left[: samples * sample] + self._silence * missing]

    def forget(self) -> None:
        """Nothing is left."""
        self._left = b""
