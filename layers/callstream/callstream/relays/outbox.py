"""The messages that wait to be sent to a consumer."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outbox:
    """A bounded queue of messages, which drops the oldest audio, and refuses new other messages.

    A slow consumer costs neither memory nor delays, to its own call or to another. If more
    than `limit` messages wait that are no audio, new ones are refused.
    """

    limit: int
    dropped: int = 0
    """Frames of audio that were dropped because the consumer was too slow."""
    refused: int = 0
    """Other messages that were refused because the outbox was crowded."""
    _waiting: deque[tuple[str, bool]] = field(default_factory=deque)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, texts: Sequence[str], *, is_audio: bool) -> None:
        """Add messages in their order."""
        if self.is_crowded and not is_audio:
            self.refused += len(texts)
            return
        self._waiting.extend((text, is_audio) for text in texts)
        while len(self._waiting) > self.limit and self._drop_oldest():
            self.dropped += 1
        if self._waiting:
            self._filled.set()
            self._idle.clear()

    async def take(self) -> str:
        """Wait for the next message. The call means that the message before has been sent."""
        while not self._waiting:
            self._filled.clear()
            self._idle.set()
            await self._filled.wait()
        return self._waiting.popleft()[0]

    @property
    def idle(self) -> bool:
        """Whether all messages have been sent."""
        return self._idle.is_set()

    async def drained(self) -> None:
        """Wait until all messages have been sent."""
        await self._idle.wait()

    @property
    def is_crowded(self) -> bool:
        """Whether more than `limit` messages wait, and none of them is audio to drop."""
        return len(self._waiting) > self.limit

    def take_rest(self) -> list[str]:
        """Take all messages that wait."""
        texts = [text for text, _ in self._waiting]
        self._waiting.clear()
        self._idle.set()
        return texts

    def _drop_oldest(self) -> bool:
        for place, (_, is_audio) in enumerate(self._waiting):
            if is_audio:
                del self._waiting[place]
                return True
        return False
