"""The lines of one relay's transcript: numbered, kept, and sent on, each once and in order.

A line is kept in the Streams table first: the table alone says what has been transcribed. Then the
line is sent on. Both are repeated while a service does not answer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, Never, Protocol

from msgspec.structs import replace

from callstream.dialects.events import Track
from callstream.errors import Unavailable
from callstream.frames.records import Transcript
from callstream.transcription.transcripts import KeptLine

_logger = logging.getLogger(__name__)

_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0)
"""The pauses between tries to send a line; in seconds. Then the line is in the table alone."""
_LONGEST_PAUSE: Final = 8.0


class LineDelivery(Protocol):
    """Where the lines of a relay go. All methods are blocking, and may raise `Unavailable`."""

    def last(self, track: Track) -> KeptLine | None:
        """The last line of a track that the call has, of this relay or of one before."""

    def after(self, track: Track, number: int) -> Sequence[KeptLine]:
        """The lines of a track with higher numbers."""

    def keep(self, kept: KeptLine) -> bool:
        """Keep a line with the call; False if the call has a line of this number."""

    def send(self, kept: KeptLine, *, again: bool) -> None:
        """Send a kept line on. `again`: the line may have been sent before."""


class _Waiting(NamedTuple):
    stream_id: str
    line: Transcript


class TranscriptLines:
    """The lines of one run of a relay.

    Args:
        delivery: takes the lines.
        relay_id: the relay.
        tracks: the tracks of the relay.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        delivery: LineDelivery,
        relay_id: str,
        tracks: Sequence[Track],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._delivery = delivery
        self._relay_id = relay_id
        self._sleep = sleep
        self._waiting: deque[_Waiting] = deque()
        self._filled, self._drained = asyncio.Event(), asyncio.Event()
        self._drained.set()
        self._again: list[KeptLine] = []
        self.numbers: dict[Track, int] = dict.fromkeys(tracks, 0)
        """The number of the last line of each track."""
        self.last: dict[Track, Transcript] = {}
        """The last line of each track when the run began."""

    async def open(self, sent: Mapping[Track, int] | None) -> dict[Track, int]:
        """Go on after the lines that the call has.

        Args:
            sent: the numbers of the last lines at the checkpoint of the run before; None for the
                first run.

        Returns:
            Where this relay's last line of each track ends, in ms; 0 if there is none.
        """
        ends = dict.fromkeys(self.numbers, 0)
        for track in self.numbers:
            last = await asyncio.to_thread(self._delivery.last, track)
            if last is None:
                continue
            self.numbers[track] = last.line.number
            self.last[track] = last.line
            if last.line.relay_id == self._relay_id and sent is not None:
                ends[track] = last.line.end_ms
                self._again += await asyncio.to_thread(
                    self._delivery.after, track, sent.get(track, 0)
                )
        self._again = [kept for kept in self._again if kept.line.relay_id == self._relay_id]
        return ends

    def put(self, stream_id: str, line: Transcript) -> None:
        """Add a line of one of the call's streams. Its number is not known yet."""
        self._waiting.append(_Waiting(stream_id, line))
        self._drained.clear()
        self._filled.set()

    def pending_ms(self, track: Track) -> int | None:
        """Where the first line of a track begins that has not been sent yet; None if all have."""
        begins = (each.line.start_ms for each in self._waiting if each.line.track == track)
        return next(begins, None)

    async def drained(self) -> None:
        """Wait until all lines have been sent."""
        await self._drained.wait()

    async def run(self) -> Never:
        """Send lines."""
        for kept in self._again:
            await self._send(kept, again=True)
        self._again = []
        while True:
            while self._waiting:
                stream_id, line = self._waiting[0]
                made = await self._keep(stream_id, line)
                if made is not None:
                    await self._send(made, again=False)
                self._waiting.popleft()
            self._drained.set()
            self._filled.clear()
            await self._filled.wait()

    async def _keep(self, stream_id: str, line: Transcript) -> KeptLine | None:
        """Give a line the next number, and keep it; None if another run has kept the line."""
        pause = 1.0
        while True:
            kept = KeptLine(stream_id, replace(line, number=self.numbers[line.track] + 1))
            try:
                if await asyncio.to_thread(self._delivery.keep, kept):
                    self.numbers[line.track] += 1
                    return kept
                # Another run has this number.
                last = await asyncio.to_thread(self._delivery.last, line.track)
            except Unavailable as error:
                _logger.warning("a line is not kept yet: %s", error, extra=self._extra)
                await self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if last is not None:
                self.numbers[line.track] = last.line.number
                if _is_told(line, last.line):
                    return kept if last.line == kept.line else None

    async def _send(self, kept: KeptLine, *, again: bool) -> None:
        for pause in (*_PAUSES, None):
            try:
                await asyncio.to_thread(self._delivery.send, kept, again=again)
            except Unavailable as error:
                _logger.warning("a line is not sent yet: %s", error, extra=self._extra)
                if pause is not None:
                    await self._sleep(pause)
            else:
                return
        _logger.error("a line is kept, and was not sent", extra=self._extra)

    @property
    def _extra(self) -> dict[str, str]:
        return {"relay_id": self._relay_id}


def _is_told(line: Transcript, last: Transcript) -> bool:
    """Whether the call's last line has this line, or a later one of the same relay."""
    return last.relay_id == line.relay_id and last.end_ms > line.start_ms
