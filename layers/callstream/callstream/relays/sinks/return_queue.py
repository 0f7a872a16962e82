"""Holds a consumer's messages until they are posted: in order, bounded, at the carrier's pace.

Audio waits as it came, and is cut into pieces of 20 ms shortly before it is posted. So speech of
any length takes no more memory than its own bytes.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from callstream.audio.formats import AudioFormat, ByteOrder
from callstream.audio.packetizer import PIECE_SECONDS
from callstream.audio.packets import seconds
from callstream.dialects.events import Clear, ReturnDtmf, ReturnEvent, ReturnMark, ReturnMedia
from callstream.relays.sinks.pacing import Pacing
from callstream.relays.sinks.piece_reader import PieceReader
from callstream.relays.sinks.posting import ReturnPackets

MOST_MEGABYTES: Final = 32
"""How much may wait to be posted: more than an hour of PCMU, 5 minutes of L16 at 48 kHz."""
MOST_MARKS: Final = 9_000
"""How many marks and keys may wait. A fork remembers 10,000 marks, those that were posted too."""
# What a waiting message takes besides its audio or its name.
_MESSAGE_BYTES: Final = 200
# API Gateway takes 128 KB in a post, more than half a second of any audio.
_HURRIED_SECONDS: Final = 0.5
_LARGE_PACKET: Final = 8_000
"""A packet of more bytes is no speech, and a post of its own: a message may have 16 MB."""
_MOST_READS: Final = 200
"""After so many reads other tasks have their turn: a file may be large and hold no audio."""
_TURN: Final = 0.001
_SOON: Final = 0.1
"""An incomplete piece waits for the next audio for at least so many seconds."""


class ReturnQueue:
    """The messages of one consumer that wait to be posted.

    Args:
        return_format: the format of the consumer's audio.
        l16_byte_order: the byte order of L16, which MP3 becomes.
        clock: time in seconds.
    """

    def __init__(
        self, return_format: AudioFormat, l16_byte_order: ByteOrder, clock: Callable[[], float]
    ) -> None:
        self._reader = PieceReader(return_format, l16_byte_order)
        self.format = self._reader.format
        """The format of the audio that `take` returns."""
        self._clock = clock
        self._pacing = Pacing()
        # These take effect at once, whatever audio waits.
        self._urgent: deque[Clear | ReturnDtmf] = deque()
        self._waiting: deque[ReturnMedia | ReturnMark] = deque()
        # The message that is being read.
        self._current: ReturnMedia | None = None
        self._bytes = self._marks = self._media = 0
        self._last_put_at = 0.0
        self._speaks = False
        self.ends_speech = False
        """Whether the message that `take` has returned last ends the speech, as far as is known."""
        self._hurries = False
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, event: ReturnMedia | ReturnMark | ReturnDtmf) -> bool:
        """Add a message; False if there is no room for it."""
        is_audio = isinstance(event, ReturnMedia)
        has_room = self._bytes + _size(event) <= MOST_MEGABYTES * 1_000_000
        if not has_room or (self._marks >= MOST_MARKS and not is_audio):
            return False
        self._count(event, 1)
        self._last_put_at = self._clock()
        self._speaks = self._speaks or is_audio
        if isinstance(event, ReturnDtmf):
            self._urgent.append(event)
        else:
            self._waiting.append(event)
        self._notice()
        return True

    def clear(self, clear: Clear) -> list[str]:
        """Forget the audio, and let `clear` be the next message. Keys stay.

        Returns:
            The names of the marks that were forgotten.
        """
        keys = [event for event in self._urgent if isinstance(event, ReturnDtmf)]
        self._urgent = deque([clear, *keys])
        self._pacing.clear(self._clock())
        marks = self.forget()
        self._notice()
        return marks

    def forget(self) -> list[str]:
        """Forget the audio and its marks, whose names are returned."""
        marks = [event.name for event in self._waiting if isinstance(event, ReturnMark)]
        for event in self._waiting:
            self._count(event, -1)
        self._waiting.clear()
        self._end_current()
        self._reader.forget()
        self._speaks = False
        return marks

    async def take(self) -> ReturnEvent:
        """Wait until a message is due. The call means that the message before has been posted.

        A speech that has no mark at its end may end with a message without audio.

        Raises:
            NotMp3: a message is not what it should be, and is left out.
        """
        self._pacing.end_post(self._clock())
        while True:
            if self._waiting:
                await self._reader.prepare()
            now = self._clock()
            due = self._due(now)
            if due is not None and due <= now:
                return self._pop(now)
            if due is None:
                self._idle.set()
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else due - now):
                    await self._changed.wait()

    @property
    def played_at(self) -> float:
        """When the carrier will have played all audio that was posted, as far as is known."""
        return self._pacing.played_at

    @property
    def damaged(self) -> int:
        """How many frames of files were left out, because they cannot be decoded."""
        return self._reader.damaged

    async def drained(self) -> None:
        """Wait until all messages have been posted, as fast as the carrier accepts them."""
        self._hurries = True
        self._changed.set()
        try:
            await self._idle.wait()
        finally:
            self._hurries = False

    def _due(self, now: float) -> float | None:
        """When the next message is due; None if none waits."""
        if self._urgent:
            return now
        reader = self._reader
        if not self.format.byte_rate:
            self._fill(1)
        self._fill(self._most())
        if reader.pieces:
            is_full = len(reader.pieces) >= self._most() or bool(self._waiting)
            return now if self._hurries else self._pacing.due(is_full=is_full)
        if self._current:
            return now + _TURN
        if self._waiting or not self._speaks:
            return now if self._waiting else None
        if self._hurries:
            return now
        # The remainder is due before the carrier falls silent, the end of the speech after that.
        dry_at = self._pacing.due(is_full=False) if reader.waits else self._pacing.played_at + _SOON
        return max(self._last_put_at + _SOON, dry_at)

    def _pop(self, now: float) -> ReturnEvent:
        self.ends_speech = False
        if self._urgent:
            key = self._urgent.popleft()
            self._count(key, -1)
            return key
        if not self._reader.pieces and self._waiting:
            mark = self._waiting.popleft()
            self._count(mark, -1)
            self.ends_speech = not self._media
            self._speaks = not self.ends_speech
            return mark
        if not self._reader.pieces:
            self.ends_speech = not self._reader.waits
            self._speaks = self._reader.waits
            self._reader.end()
        pieces = self._reader.take(self._most())
        if pieces:
            self._pacing.post(sum(_length(each, self.format) for each in pieces), now)
        audio = b"".join(pieces)
        is_joined = self.format.byte_rate or len(pieces) < 2  # noqa: PLR2004  # more than one
        return ReturnMedia(audio) if is_joined else ReturnPackets(audio, packets=tuple(pieces))

    def _most(self) -> int:
        """How many pieces the next post may have; the next packet says how long packets are."""
        most = _HURRIED_SECONDS if self._hurries else self._pacing.most
        pieces = self._reader.pieces
        if pieces and _is_large(pieces[0], self.format):
            return 1
        length = _length(pieces[0], self.format) if pieces else PIECE_SECONDS
        # A bit more, because seconds are not exact.
        return max(1, int(most / length + 0.001))

    def _fill(self, most: int) -> None:
        """Read so many pieces, if there are as many before the next mark."""
        reader, reads = self._reader, 0
        while len(reader.pieces) < most and reads < _MOST_READS:
            if self._current:
                reads += 1
                if not reader.read():
                    self._end_current()
            elif not self._waiting:
                return
            elif isinstance(event := self._waiting[0], ReturnMark):
                # The mark ends the audio before it: the next audio is not joined to it.
                reader.end()
                return
            elif reader.pieces and _is_large(event.audio, self.format):
                return
            else:
                self._current = event
                self._waiting.popleft()
                reader.begin(event.audio)

    def _end_current(self) -> None:
        if self._current:
            self._count(self._current, -1)
            self._current = None

    def _count(self, event: ReturnEvent, sign: int) -> None:
        self._bytes += sign * _size(event)
        if isinstance(event, ReturnMark | ReturnDtmf):
            self._marks += sign
        elif isinstance(event, ReturnMedia):
            self._media += sign

    def _notice(self) -> None:
        self._idle.clear()
        self._changed.set()


def _length(piece: bytes, format_: AudioFormat) -> float:
    """How many seconds a piece or packet plays, as far as is known."""
    return seconds(piece, format_) or PIECE_SECONDS


def _is_large(piece: bytes, format_: AudioFormat) -> bool:
    return not format_.byte_rate and len(piece) > _LARGE_PACKET


def _size(event: ReturnEvent) -> int:
    match event:
        case ReturnMedia(audio=audio):
            return _MESSAGE_BYTES + len(audio)
        case ReturnMark(name=name):
            return _MESSAGE_BYTES + len(name)
        case Clear():
            return 0
        case _:
            return _MESSAGE_BYTES
