"""Recognises files in payloads that should be bare audio: a header played is a pop. Pure.

A payload is refused only for a header that bare audio cannot have by chance: at least 32 fixed
bits, and fields after them that fit.
"""

import re
from collections.abc import Mapping
from typing import Final

from callstream.audio.mp3_frames import ID3_TAG, mp3_header

_KINDS: Final[Mapping[str, bytes]] = {
    "WAV": rb"(?:RIFF|RIFX|RF64).{4}WAVE",
    "AIFF": rb"FORM.{4}AIF[FC]",
    # The version, and flags of three bits (RFC 3533).
    "Ogg": rb"OggS\0[\0-\x07]",
    # The first block has 34 bytes (RFC 9639).
    "FLAC": rb"fLaC[\0\x80]\0\0\x22",
    "MP3": ID3_TAG.pattern,
    "CAF": rb"caff\0\x01\0\0",
    # The header has 24 bytes or more, and a codec of one byte.
    "AU": rb"\.snd\0\0[\0-\x0f].{5}\0\0\0.",
    "MP4": rb"\0\0\0.ftyp[ -~]{4}",
    "WebM": rb"\x1a\x45\xdf\xa3.{0,32}\x42\x82.(?:webm|matroska)",
    "AMR": rb"#!AMR(?:-WB)?\n",
}
_HEADERS: Final = re.compile(
    b"|".join(b"(?P<%s>%s)" % (kind.encode(), pattern) for kind, pattern in _KINDS.items()),
    re.DOTALL,
)
_MP3_FRAMES: Final = 4


def file_kind(payload: bytes) -> str | None:
    """The kind of file that a payload begins like, such as `WAV`; None for bare audio."""
    found = _HEADERS.match(payload)
    if found:
        return found.lastgroup
    return "MP3" if _are_mp3_frames(payload) else None


def _are_mp3_frames(payload: bytes) -> bool:
    """Whether several frames of MP3 follow each other."""
    place = 0
    for _ in range(_MP3_FRAMES):
        header = mp3_header(payload, place)
        if header is None:
            return False
        place += header.size
    return True
