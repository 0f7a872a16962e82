"""The messages between the offline engine and its workers, on pipes.

A message is its kind (a byte), the length of its content (4 bytes, big-endian), and its content.
"""

import struct
from typing import BinaryIO, Final

from callstream.adapters.speech.channel import Spoken

AUDIO: Final = b"A"
"""To a worker: 16-bit linear PCM of its channel."""
FINISH: Final = b"F"
"""To a worker: the audio ends here. From a worker: everything has been given."""
SPOKEN: Final = b"S"
"""From a worker: `Spoken`."""
SETTLED: Final = b"T"
"""From a worker: up to where the audio is done, in milliseconds (4 bytes)."""
BROKEN: Final = b"B"
"""From a worker: the library cannot be used on this machine."""

_HEADER: Final = struct.Struct(">cI")
_TIME: Final = struct.Struct(">I")
_TIMES: Final = struct.Struct(">II")
HEADER_BYTES: Final = _HEADER.size


def message(kind: bytes, content: bytes = b"") -> bytes:
    """Pack a message."""
    return _HEADER.pack(kind, len(content)) + content


def header(packed: bytes) -> tuple[bytes, int]:
    """Unpack a header: the kind, and the length of the content."""
    kind, length = _HEADER.unpack(packed)
    return kind, length


def read(source: BinaryIO) -> tuple[bytes, bytes] | None:
    """Read a message: its kind and content. None at the end of ``source``, in a message too."""
    packed = source.read(HEADER_BYTES)
    if len(packed) < HEADER_BYTES:
        return None
    kind, length = header(packed)
    content = source.read(length)
    return (kind, content) if len(content) == length else None


def pack_time(milliseconds: int) -> bytes:
    """Pack a time."""
    return _TIME.pack(milliseconds)


def unpack_time(content: bytes) -> int:
    """Unpack a time."""
    milliseconds: int
    (milliseconds,) = _TIME.unpack(content)
    return milliseconds


def pack_spoken(spoken: Spoken) -> bytes:
    """Pack what was said."""
    return _TIMES.pack(spoken.start_ms, spoken.end_ms) + spoken.text.encode()


def unpack_spoken(content: bytes) -> Spoken:
    """Unpack what was said."""
    start_ms, end_ms = _TIMES.unpack_from(content)
    return Spoken(start_ms, end_ms, content[_TIMES.size :].decode())
