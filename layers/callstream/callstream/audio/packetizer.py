"""Audio that a consumer sends back, in the pieces that carriers want. Pure."""

from typing import Final

from callstream.audio.formats import AudioFormat

MP3: Final = "mp3"
"""The encoding of a consumer that sends whole files back."""

# Carriers choke on uneven pieces; Telnyx takes none under 20 ms.
PIECE_MS: Final = 20
PIECE_SECONDS: Final = PIECE_MS / 1000


class Packetizer:
    """Cuts audio into pieces of 20 ms. The remainder of a message waits for the next message.

    Audio of a codec that comes in packets is not cut: each message is a piece.
    """

    def __init__(self, format_: AudioFormat) -> None:
        self._silence = format_.silence
        size = format_.byte_rate * PIECE_MS // 1000
        self._size = size and size - size % (len(self._silence) * format_.channels)
        self._left = b""

    @property
    def waits(self) -> bool:
        """Whether a remainder waits that is shorter than a piece."""
        return bool(self._left)

    def cut(self, audio: bytes) -> list[bytes]:
        """Take a message's audio; return the pieces that it completes."""
        if not self._size:
            return [audio] if audio else []
        audio = self._left + audio
        whole = len(audio) - len(audio) % self._size
        self._left = audio[whole:]
        return [audio[begin : begin + self._size] for begin in range(0, whole, self._size)]

    def rest(self) -> list[bytes]:
        """Return the remainder, filled up with silence; a part of a sample is dropped."""
        sample = len(self._silence)
        left, self._left = self._left, b""
        samples = len(left) // sample if sample else 0
        if not samples:
            return []
        missing = self._size // sample - samples
        return [left[: samples * sample] + self._silence * missing]

    def forget(self) -> None:
        """Drop the remainder."""
        self._left = b""


def pieces(audio: bytes, format_: AudioFormat) -> list[bytes]:
    """A whole recording as pieces of 20 ms; the last piece is filled up with silence."""
    packetizer = Packetizer(format_)
    return [*packetizer.cut(audio), *packetizer.rest()]
