"""An engine whose speech are numbers: a sound of constant samples `7` is the word `7`.

A word's text has its length, so that a word of which a part is missing or repeated shows.
"""

import asyncio
import math
from array import array
from collections import deque
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from callstream.frames.records import Word
from callstream.transcription.engine import (
    EngineFailed,
    SessionSettings,
    Utterance,
)

MS: Final = 8
"""Samples of a millisecond."""
PAUSE_MS: Final = 300
"""An utterance ends after so much quiet."""


def sound(word: int, length_ms: int) -> bytes:
    """The samples of a word; 0 is silence."""
    return array("h", [word] * (length_ms * MS)).tobytes()


@dataclass
class ScriptedSession:
    """One session. `fails_at` is after how many ms of audio the session fails."""

    settings: SessionSettings
    fails_at: float = math.inf
    failure: EngineFailed = field(default_factory=lambda: EngineFailed("broken"))
    fed: list["array[int]"] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        self.fed = [array("h") for _ in range(self.settings.channels)]
        self._pending: list[list[Word]] = [[] for _ in self.fed]
        self._read = [0 for _ in self.fed]
        self._ready: deque[Utterance] = deque()
        self._news = asyncio.Event()
        self._finished = False
        self._failed: EngineFailed | None = None

    @property
    def fed_ms(self) -> int:
        return len(self.fed[0]) // MS

    async def feed(self, audio: bytes) -> None:
        await asyncio.sleep(0)
        if self._failed is not None:
            raise self._failed
        samples = array("h", audio)
        assert len(samples) % len(self.fed) == 0
        assert 0 < len(samples) <= len(self.fed) * 1000 * MS
        for channel, heard in enumerate(self.fed):
            heard.extend(samples[channel :: len(self.fed)])
        if self.fed_ms >= self.fails_at:
            self.fail(self.failure)
            raise self.failure
        self._listen()

    def fail(self, failure: EngineFailed) -> None:
        self._failed = failure
        self._news.set()

    async def finish(self) -> None:
        self._finished = True
        self._listen()

    async def receive(self) -> Utterance | None:
        while True:
            if self._failed is not None:
                raise self._failed
            if self._ready:
                return self._ready.popleft()
            if self._finished:
                return None
            self._news.clear()
            await self._news.wait()

    def settled_ms(self, channel: int) -> int:
        begins = [each.start_ms for each in self._ready if each.channel == channel]
        begins += [each.start_ms for each in self._pending[channel][:1]]
        return min(begins, default=self._read[channel] // MS)

    async def close(self) -> None:
        self.closed = True

    def _listen(self) -> None:
        for channel, heard in enumerate(self.fed):
            at = self._read[channel]
            while at < len(heard):
                value, begin = heard[at], at
                while at < len(heard) and heard[at] == value:
                    at += 1
                if (
                    at == len(heard)
                    and not self._finished
                    and (value or at - begin < PAUSE_MS * MS)
                ):
                    break
                self._take(channel, value, begin // MS, at // MS)
                self._read[channel] = at
            if self._finished:
                self._end(channel)
        self._news.set()

    def _take(self, channel: int, value: int, begin_ms: int, end_ms: int) -> None:
        if value:
            text = f"{value}:{end_ms - begin_ms}"
            self._pending[channel].append(Word(text, begin_ms, end_ms))
        elif end_ms - begin_ms >= PAUSE_MS:
            self._end(channel)

    def _end(self, channel: int) -> None:
        words, self._pending[channel] = tuple(self._pending[channel]), []
        if words:
            text = " ".join(word.text for word in words)
            begin, end = words[0].start_ms, words[-1].end_ms
            self._ready.append(Utterance(channel, begin, end, text, words))


class ScriptedEngine:
    """The engine. `next_session` may change a session, or raise, before it is used."""

    languages: AbstractSet[str] = frozenset({"en-US"})

    def __init__(self, next_session: Callable[[ScriptedSession], None] = lambda _: None) -> None:
        self.longest_session_s = math.inf
        self.next_session = next_session
        self.sessions: list[ScriptedSession] = []

    async def open(self, settings: SessionSettings) -> ScriptedSession:
        await asyncio.sleep(0)
        session = ScriptedSession(settings)
        self.next_session(session)
        self.sessions.append(session)
        return session

    @property
    def fed(self) -> set[int]:
        """All words of which an engine has got a sample."""
        return {
            value for each in self.sessions for channel in each.fed for value in channel if value
        }
