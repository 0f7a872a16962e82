"""Holds a consumer's messages until they are posted: in order, bounded, in even pieces."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from callstream.audio.formats import AudioFormat
from callstream.audio.packetizer import PIECE_SECONDS, Packetizer
from callstream.dialects.events import Clear, ReturnDtmf, ReturnEvent, ReturnMark, ReturnMedia

MOST_SECONDS: Final = 60
"""How much audio may wait to be posted."""
MOST_PIECES: Final = round(MOST_SECONDS / PIECE_SECONDS)
# The same limit in bytes of the widest audio: the duration of packets is not known.
_MOST_BYTES: Final = 6_000_000
_SOON: Final = 0.1
"""An incomplete piece waits for the next audio for at least so many seconds."""


class ReturnQueue:
    """The messages of one consumer that wait to be posted.

    Args:
        return_format: the format of the consumer's audio.
        clock: time in seconds.
    """

    def __init__(self, return_format: AudioFormat, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._packetizer = Packetizer(return_format)
        self._waiting: deque[ReturnEvent] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        # When the carrier will have played all that was taken, as far as is known.
        self._played_at = 0.0

    def put(self, event: ReturnEvent) -> bool:
        """Add a message; False if there is no room for it."""
        if isinstance(event, ReturnMedia):
            return self._put_audio(event.audio)
        if len(self._waiting) >= MOST_PIECES or self._bytes > _MOST_BYTES:
            return False
        if isinstance(event, ReturnMark):
            # A mark ends the message before: the next audio is not joined to it.
            self._append_audio(self._packetizer.rest())
        self._append(event)
        return True

    def clear(self, clear: Clear) -> list[str]:
        """Forget the audio, and let `clear` be the next message. DTMF stays.

        Returns:
            The names of the marks that were forgotten.
        """
        forgotten, self._waiting, self._bytes = self._waiting, deque(), 0
        self._packetizer.forget()
        self._played_at = self._clock()
        self._append(clear)
        for event in forgotten:
            if isinstance(event, ReturnDtmf):
                self._append(event)
        return [event.name for event in forgotten if isinstance(event, ReturnMark)]

    async def take(self) -> ReturnEvent:
        """Wait for the next message. The call means that the message before has been posted."""
        while not self._waiting:
            self._idle.set()
            self._changed.clear()
            try:
                async with asyncio.timeout(self.patience):
                    await self._changed.wait()
            except TimeoutError:
                self._append_audio(self._packetizer.rest())
        event = self._waiting.popleft()
        self._bytes -= _size(event)
        if isinstance(event, ReturnMedia):
            self._played_at = max(self._played_at, self._clock()) + PIECE_SECONDS
        return event

    async def drained(self) -> None:
        """Wait until all messages have been posted, the last incomplete piece too."""
        self._append_audio(self._packetizer.rest())
        await self._idle.wait()

    @property
    def patience(self) -> float | None:
        """For how many seconds an incomplete piece may wait: until the carrier falls silent."""
        if not self._packetizer.waits:
            return None
        return max(_SOON, self._played_at - self._clock() - _SOON)

    def _put_audio(self, audio: bytes) -> bool:
        pieces = self._packetizer.cut(audio)
        too_many = len(self._waiting) + len(pieces) > MOST_PIECES
        if too_many or self._bytes + len(audio) > _MOST_BYTES:
            self._packetizer.forget()
            return False
        self._append_audio(pieces)
        self._changed.set()
        return True

    def _append_audio(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._append(ReturnMedia(piece))

    def _append(self, event: ReturnEvent) -> None:
        self._waiting.append(event)
        self._bytes += _size(event)
        self._idle.clear()
        self._changed.set()


def _size(event: ReturnEvent) -> int:
    match event:
        case ReturnMedia(audio=audio):
            return len(audio)
        case ReturnMark(name=name):
            return len(name)
        case _:
            return 0
