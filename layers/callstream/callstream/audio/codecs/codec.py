"""What every codec's module has, which module a codec has, and the rates of its samples."""

import importlib
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol, cast

from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.errors import CallstreamError


class Undecodable(CallstreamError):
    """A payload is not audio of its codec. The decoder can decode the next payload."""


class Decoder(Protocol):
    """Decodes one track. Samples are 16-bit linear, in the byte order of this machine."""

    def decode(self, payload: bytes) -> bytes:
        """The samples of a payload. Raises `Undecodable`."""


class Encoder(Protocol):
    """Encodes one track. Samples are 16-bit linear, in the byte order of this machine."""

    def encode(self, samples: bytes) -> list[bytes]:
        """The payloads that these samples complete."""

    def flush(self) -> list[bytes]:
        """The samples that wait for more, filled up with silence."""

    def forget(self) -> None:
        """Drop the samples that wait for more."""


class FileDecoder(Protocol):
    """Decodes files that come in messages, whole or in parts, as L16 of one rate and channel.

    The files wait, not their audio, which may be a hundred times longer: `read` decodes a frame.
    """

    damaged: int
    """How many frames were damaged, and left out."""

    @property
    def waiting(self) -> int:
        """The bytes of files that wait."""

    def feed(self, message: bytes) -> None:
        """Add a message."""

    def read(self) -> bytes | None:
        """The audio of the next frame; None until the next message.

        Raises:
            NotMp3: a message is no such file. The rest of the message is forgotten.
        """

    def restart(self) -> None:
        """Forget what waits: the next message begins another file."""


class CodecModule(Protocol):
    """A module of a family of codecs. `rate` is that of the samples, as in `ENTRIES`."""

    def decoder(self, format_: AudioFormat, rate: int, l16_byte_order: ByteOrder) -> Decoder:
        """A new decoder."""

    def encoder(self, format_: AudioFormat, rate: int, l16_byte_order: ByteOrder) -> Encoder:
        """A new encoder."""


class CodecEntry(NamedTuple):
    """A codec that can be decoded. Rates are in Hz; an empty tuple means the stream's own rate."""

    module: str
    decoded: tuple[int, ...] = ()
    """The rates that the decoder can give."""
    encoded: tuple[int, ...] | None = ()
    """The rates that the encoder takes; None if there is no encoder."""


ENTRIES: Final[Mapping[str, CodecEntry]] = {
    "PCMU": CodecEntry("pcm"),
    "PCMA": CodecEntry("pcm"),
    "L16": CodecEntry("pcm"),
    # At 8 kHz the library codes the lower half of the spectrum alone.
    "G722": CodecEntry("g722", decoded=(8000, 16_000), encoded=(8000, 16_000)),
    # FFmpeg always decodes at 48 kHz.
    "OPUS": CodecEntry("opus", decoded=(48_000,), encoded=(8000, 12_000, 16_000, 24_000, 48_000)),
    # No library that is kept well encodes AMR-WB.
    "AMR-WB": CodecEntry("amr_wb", decoded=(16_000,), encoded=None),
}
"""The codecs, by their RTP names."""


def load(codec: str) -> CodecModule:
    """The module of a codec, imported when the first stream needs it."""
    return cast("CodecModule", importlib.import_module(f"{__package__}.{ENTRIES[codec].module}"))
