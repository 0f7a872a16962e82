"""Finds the frames of MP3 files that come in messages: whole files, or files cut anywhere. Pure.

FFmpeg's own parser takes the cover art of ID3v2 tags for audio, and gives the rate of a file to the
last frames of the file before.
"""

import re
from collections import deque
from typing import Final, NamedTuple, NoReturn

from callstream.errors import CallstreamError

# ISO/IEC 11172-3 and 13818-3, 2.4.2.3. Header: 11 bits of 1, the version, layer III, a checksum
# flag; then the index of the bit rate (0 and 15 are of no use), of the rate, padding.
_NO_RATE: Final = 0x0C
_THIRD_BYTES: Final = bytes(byte for byte in range(0x10, 0xF0) if byte & _NO_RATE != _NO_RATE)
_HEADER: Final = re.compile(
    rb"\xff([\xe2\xe3\xf2\xf3\xfa\xfb])([" + re.escape(_THIRD_BYTES) + rb"]).", re.DOTALL
)
_HEADER_BYTES: Final = 4
_RATES: Final = (44_100, 48_000, 32_000)
_KBITS_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# By version: how often the rates are halved, the bit rates, the bits of a frame by its rates.
_VERSIONS: Final = {
    0b11: (0, _KBITS_1, 144_000),
    0b10: (1, _KBITS_2, 72_000),
    0b00: (2, _KBITS_2, 72_000),
}

# id3.org, id3v2.4.0-structure, 3.1: each byte of the size has seven bits.
ID3_TAG: Final = re.compile(rb"ID3[\x02-\x04][^\xff](.)([\x00-\x7f]{4})", re.DOTALL)
_ID3_BYTES: Final = 10
_ID3_FOOTER: Final = 0x10
# An older tag, at the end of a file.
_TAG: Final = b"TAG"
_TAG_BYTES: Final = 128

_BEGINNING: Final = re.compile(_HEADER.pattern + b"|" + ID3_TAG.pattern, re.DOTALL)
_MOST_JUNK: Final = 4096
"""After so many bytes without a frame, a message is not looked through any further."""


class NotMp3(CallstreamError):
    """A message has no MP3."""


class Mp3Header(NamedTuple):
    """What a frame's header says: the rate in Hz, and the bytes of the frame."""

    rate: int
    size: int


def mp3_header(data: bytes, place: int = 0) -> Mp3Header | None:
    """The header of a frame of layer III at a place; None if there is none."""
    found = _HEADER.match(data, place)
    if found is None:
        return None
    second, third = found[1][0], found[2][0]
    halvings, kbits, bits = _VERSIONS[second >> 3 & 3]
    rate = _RATES[third >> 2 & 3] >> halvings
    return Mp3Header(rate, bits * kbits[third >> 4] // rate + (third >> 1 & 1))


class Mp3Frame(NamedTuple):
    """A frame, and its rate in Hz."""

    data: bytes
    rate: int


class Mp3Frames:
    """The frames of a consumer's messages, found one by one when somebody asks."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._queued = 0
        # The message that is being read, after what was left of the messages before.
        self._data = b""
        self._at = 0
        # How much of a tag is still to come.
        self._skip = 0
        # Whether a frame ended right here: then a header is a header.
        self._is_certain = False
        self._found = 0
        self._junk = 0

    @property
    def waiting(self) -> int:
        """The bytes that wait."""
        return self._queued + len(self._data) - self._at

    def feed(self, message: bytes) -> None:
        """Add a message."""
        self._messages.append(message)
        self._queued += len(message)

    def take(self) -> Mp3Frame | None:
        """The next frame; None if no frame is whole yet.

        Raises:
            NotMp3: a message has no MP3. The rest of the message is forgotten.
        """
        while (frame := self._next()) is None:
            if self._junk and not self._found and len(self._data) - self._at < _HEADER_BYTES:
                self._give_up()
            if not self._messages:
                return None
            self._pull()
        return frame

    def _pull(self) -> None:
        left, message = self._data[self._at :], self._messages.popleft()
        self._queued -= len(message)
        if self._is_another_file(left, message):
            # The file before was cut off.
            left, self._skip, self._is_certain = b"", 0, False
        self._data, self._at, self._found, self._junk = left + message, 0, 0, 0

    def _is_another_file(self, left: bytes, message: bytes) -> bool:
        if not left and not self._skip:
            return False
        if ID3_TAG.match(message):
            return True
        first, pending = mp3_header(message), mp3_header(left)
        if first is None or mp3_header(message, first.size) is None:
            return False
        return pending is None or mp3_header(message, pending.size - len(left)) is None

    def _next(self) -> Mp3Frame | None:
        while True:
            skipped = min(self._skip, len(self._data) - self._at)
            self._at += skipped
            self._skip -= skipped
            data, at = self._data, self._at
            left = len(data) - at
            if left < _HEADER_BYTES or (left < _ID3_BYTES and data.startswith(b"ID3", at)):
                return None
            header = mp3_header(data, at)
            if header and header.size > left:
                return None
            if header and (self._is_certain or _is_beginning(data, at + header.size)):
                self._at += header.size
                self._is_certain = True
                self._found += 1
                self._junk = 0
                return Mp3Frame(data[at : self._at], header.rate)
            if tag := _tag_bytes(data, at):
                self._skip = tag
                self._found += 1
                # A message of tags alone comes to an end, too.
                self._count_junk(_ID3_BYTES)
            else:
                self._pass_over()

    def _pass_over(self) -> None:
        """Go to the next place where a frame may begin."""
        found = _BEGINNING.search(self._data, self._at + 1)
        # What begins in the last bytes may be seen only with the next message.
        last = max(self._at + 1, len(self._data) - _ID3_BYTES + 1)
        place = found.start() if found else last
        passed, self._at, self._is_certain = place - self._at, place, False
        self._count_junk(passed)

    def _count_junk(self, size: int) -> None:
        self._junk += size
        if self._junk > _MOST_JUNK:
            self._give_up()

    def _give_up(self) -> NoReturn:
        self._data, self._at, self._junk, self._is_certain = b"", 0, 0, False
        raise NotMp3("the audio is not MP3")


def _is_beginning(data: bytes, place: int) -> bool:
    """Whether a frame or a tag may begin at a place, or nothing is known of it."""
    if len(data) - place < _HEADER_BYTES:
        return True
    return bool(mp3_header(data, place) or _tag_bytes(data, place))


def _tag_bytes(data: bytes, place: int) -> int:
    """The bytes of the tag at a place; 0 if there is none."""
    if data.startswith(_TAG, place):
        return _TAG_BYTES
    found = ID3_TAG.match(data, place)
    if found is None:
        return 0
    flags, digits = found[1][0], found[2]
    size = 0
    for digit in digits:
        size = size << 7 | digit
    return _ID3_BYTES + size + (_ID3_BYTES if flags & _ID3_FOOTER else 0)
