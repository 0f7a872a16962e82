"""Reads a consumer's messages into pieces of 20 ms, little by little, as the carrier needs them.

A consumer sends bare audio or files. Files are decoded while they are read: 2 MB of MP3 may be half
an hour of audio.
"""

import asyncio
from collections import deque
from typing import Final, Protocol, override

from callstream.audio.conversion import mp3_decoder
from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.audio.packetizer import MP3, Packetizer

_CHUNK: Final = 1024
_LEAST_FILE_RATE: Final = 16_000
"""Files are decoded at least at this rate, because some legs may have a higher one than others."""


class PieceReader:
    """The pieces of one consumer's audio.

    Args:
        return_format: the format of the consumer's audio.
        l16_byte_order: the byte order of L16, which MP3 becomes.
    """

    _source: "_Source | None" = None

    def __init__(self, return_format: AudioFormat, l16_byte_order: ByteOrder) -> None:
        self.format = return_format
        """The format of the pieces."""
        if return_format.encoding == MP3:
            rate = max(_LEAST_FILE_RATE, return_format.sample_rate)
            self.format = AudioFormat("L16", rate, 1)
        else:
            self._source = _Payloads(return_format)
        self._l16_byte_order: ByteOrder = l16_byte_order
        self._packetizer = Packetizer(self.format)
        self.pieces: deque[bytes] = deque()
        """What has been read. A packet is a piece, too."""

    @property
    def waits(self) -> bool:
        """Whether a remainder waits that is shorter than a piece."""
        return self._packetizer.waits

    @property
    def damaged(self) -> int:
        """How many frames of files were left out, because they cannot be decoded."""
        return self._source.damaged if self._source else 0

    async def prepare(self) -> None:
        """Get ready for the first message.

        The import of the decoder takes its time, and many consumers never send a file.
        """
        if self._source is None:
            rate, byte_order = self.format.sample_rate, self._l16_byte_order
            self._source = await asyncio.to_thread(mp3_decoder, rate, byte_order)

    def begin(self, message: bytes) -> None:
        """Begin with the next message, when the message before has been read."""
        if self._source:
            self._source.feed(message)

    def read(self) -> bool:
        """Read a little more; False at the end of the message.

        Raises:
            NotMp3: the message is not what it should be. The rest of it is forgotten.
        """
        audio = self._source.read() if self._source else None
        if audio is not None:
            self.pieces += self._packetizer.cut(audio)
        return audio is not None

    def end(self) -> None:
        """Make the remainder a piece, filled up with silence."""
        self.pieces += self._packetizer.rest()

    def take(self, count: int) -> list[bytes]:
        """Take so many pieces, or all if there are fewer."""
        return [self.pieces.popleft() for _ in range(min(count, len(self.pieces)))]

    def forget(self) -> None:
        """Forget all audio; the next message begins anew."""
        self.pieces.clear()
        self._packetizer.forget()
        if self._source:
            self._source.restart()


class _Source(Protocol):
    """Bare audio, or a decoder of files."""

    damaged: int

    def feed(self, message: bytes) -> None: ...
    def read(self) -> bytes | None: ...
    def restart(self) -> None: ...


class _Payloads(_Source):
    """Bare audio of a format, whose packets are not divided."""

    damaged = 0

    def __init__(self, format_: AudioFormat) -> None:
        self._is_packets = not format_.byte_rate
        self.restart()

    @override
    def feed(self, message: bytes) -> None:
        self._message, self._at = message, 0

    @override
    def read(self) -> bytes | None:
        begin = self._at
        self._at += len(self._message) if self._is_packets else _CHUNK
        return self._message[begin : self._at] or None

    @override
    def restart(self) -> None:
        self.feed(b"")
