"""What every codec's module has, and which module a codec has."""

import importlib
from collections.abc import Mapping
from typing import Final, Protocol, cast

from callstream.audio.formats import AudioFormat, ByteOrder

MODULES: Final[Mapping[str, str]] = {"PCMU": "pcm", "PCMA": "pcm", "L16": "pcm"}
"""The modules of `callstream.audio.codecs`, by the RTP names of their codecs."""


class Decoder(Protocol):
    """Decodes one track. Samples are 16-bit linear, in the byte order of this machine."""

    def decode(self, payload: bytes) -> bytes:
        """The samples of a payload."""


class Encoder(Protocol):
    """Encodes one track. Samples are 16-bit linear, in the byte order of this machine."""

    def encode(self, samples: bytes) -> list[bytes]:
        """The payloads that these samples complete."""

    def flush(self) -> list[bytes]:
        """The samples that wait for more, filled up with silence."""


class CodecModule(Protocol):
    """A module of a family of codecs."""

    def decoder(self, format_: AudioFormat, l16_byte_order: ByteOrder) -> Decoder:
        """A new decoder."""

    def encoder(self, format_: AudioFormat, l16_byte_order: ByteOrder) -> Encoder:
        """A new encoder."""


def load(codec: str) -> CodecModule:
    """The module of a codec, imported when the first stream needs it."""
    return cast("CodecModule", importlib.import_module(f"{__package__}.{MODULES[codec]}"))
