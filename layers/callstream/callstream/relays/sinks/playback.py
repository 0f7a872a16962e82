"""Plays the replies of a virtual agent to the carrier's legs, and knows how far each has come.

After each reply a mark follows, which the carrier returns when the reply has been played. The
carrier gets audio somewhat ahead, so `played_ms` of a reply is how much the carrier has got: the
next run goes on from there. A run notes that every second: if the run dies, up to a second and a
half of audio is repeated, because carriers get audio a little faster than in real time.

Some marks never return, for example from a one-way stream. Such a reply counts as played when its
audio should be over, and 2 seconds more.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Never, Protocol

from msgspec import Struct

from callstream.audio.conversion import UnusableAudio
from callstream.audio.formats import AudioFormat
from callstream.dialects.events import Clear, ReturnEvent, ReturnMark, ReturnMedia
from callstream.dialogues.kept_replies import KeptReply
from callstream.errors import Unavailable
from callstream.relays.sinks.posting import LegSender, Posting
from callstream.relays.sinks.refusals import Refusals
from callstream.relays.sinks.return_queue import ReturnQueue
from callstream.relays.sinks.sink import MarkFeed

_logger = logging.getLogger(__name__)

_MARK_PATIENCE: Final = 2.0
"""So many seconds after its audio a reply counts as played, even if its mark does not return."""
_NOTE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.2
_TOO_MUCH: Final = "a reply is left out: too much audio waits to be played"


class PlaybackNotes(Protocol):
    """Where playback notes how far replies have come: `callstream.dialogues.kept_replies`."""

    def note(self, number: int, played_ms: int, *, is_done: bool) -> None:
        """Note how much of a reply the carrier has got. Blocking; may raise `Unavailable`."""


class _Playing(Struct):
    """A reply that is being played. `posted` and `noted` are bytes of its audio.

    `ends_at` is when it counts as played without its mark, once the mark was posted.
    """

    number: int
    size: int
    posted: int
    noted: int
    is_uninterruptible: bool
    ahead: float
    ends_at: float | None = None


class Playback:
    """The playback of one run.

    `run` must run as a task. The other methods may be called before that, too.

    Args:
        relay_id: the relay, whose marks nobody else has.
        reply_format: the format of the replies' audio: bare audio at a constant rate.
        legs: the carriers' side.
        marks: brings the marks of the call's other legs.
        notes: keeps how far each reply has come.
        clock: time in seconds.
    """

    def __init__(
        self,
        relay_id: str,
        reply_format: AudioFormat,
        legs: LegSender,
        *,
        marks: MarkFeed,
        notes: PlaybackNotes,
        clock: Callable[[], float],
    ) -> None:
        self._relay_id = relay_id
        self._clock = clock
        self._queue = ReturnQueue(reply_format, legs.l16_byte_order, clock)
        self._refusals = Refusals(relay_id)
        self._posting = Posting(legs, marks, self._refusals, clock)
        self._bytes_a_ms = reply_format.byte_rate / 1000
        # In the order of their audio.
        self._playing: deque[_Playing] = deque()
        self._progress = _Progress(notes, self._bytes_a_ms, relay_id)
        # Held while a message is posted.
        self._sending = asyncio.Lock()
        self._has_left = False
        self._silent = asyncio.Event()
        self._silent.set()
        self._changed = asyncio.Event()
        self.silent_since = clock()
        """Since when nothing plays, by the clock; before the first reply, since the beginning."""

    @property
    def is_playing(self) -> bool:
        """Whether a reply is being played, or waits to be."""
        return bool(self._playing)

    @property
    def is_uninterruptible(self) -> bool:
        """Whether one of the replies that play or wait must not be cut off."""
        return any(reply.is_uninterruptible for reply in self._playing)

    def play(self, reply: KeptReply) -> None:
        """Play a reply after the others; one that a run before has begun goes on."""
        posted = min(round(reply.played_ms * self._bytes_a_ms), len(reply.audio))
        new = _Playing(
            number=reply.number,
            size=len(reply.audio),
            posted=posted,
            noted=posted,
            is_uninterruptible=reply.is_uninterruptible,
            # The carrier may have all that in hand, and nothing of it played yet.
            ahead=reply.played_ms / 1000,
        )
        if not reply.audio:
            self._end(new)
            return
        rest = reply.audio[posted:]
        is_taken = not rest or self._queue.put(ReturnMedia(rest))
        if not (is_taken and self._queue.put(ReturnMark(f"{self._relay_id}/{reply.number}"))):
            self._refusals.count_lost(_TOO_MUCH, self._clock())
            self._end(new)
            return
        self._playing.append(new)
        self._silent.clear()
        self._changed.set()

    def take_mark(self, name: str) -> None:
        """Take a mark that a carrier returns; the marks of others are left alone."""
        owner, _, number = name.rpartition("/")
        if owner != self._relay_id or not number.isdecimal():
            return
        for place, reply in enumerate(self._playing):
            if reply.number == int(number) and reply.ends_at is not None:
                # The marks of the replies before are lost.
                self._end_first(place + 1)
                return

    def interrupt(self) -> list[int]:
        """Cut off all replies, because the person speaks; none if one is uninterruptible.

        Returns:
            The numbers of the replies that are cut off.
        """
        return [] if self.is_uninterruptible else self._cut_off()

    async def run(self) -> Never:
        """Post the replies; runs until it is cancelled."""
        watching = asyncio.create_task(self._watch())
        try:
            await self._posting.subscribe_early()
            while True:
                event = await self._queue.take()
                async with self._sending:
                    if not self._has_left:
                        await self._send(event)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self._posting.stop()
            self._refusals.log_counts(self._queue.damaged)

    async def played(self) -> None:
        """Wait until nothing plays any more."""
        await self._silent.wait()

    async def leave(self, patience: float = 0.0) -> None:
        """Note exactly how far each reply has come, for the next run; then nothing more is posted.

        Args:
            patience: for so many seconds, what waits is posted as fast as the carrier takes it. The
                next run takes its time to go on, and the carrier would fall silent meanwhile.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._queue.drained()
        async with self._sending:
            self._has_left = True
        await self._progress.note(self._playing)

    async def stop(self) -> list[int]:
        """Silence the agent, because the dialogue is over: cut off every reply, as `interrupt`.

        Returns:
            The numbers of the replies that are cut off.
        """
        cut = self._cut_off()
        if cut:
            # Also after `leave`, which lets the carrier have audio that is not played yet.
            async with self._sending:
                await self._send(Clear())
                self._has_left = True
        await self.leave()
        return cut

    def _cut_off(self) -> list[int]:
        numbers = [reply.number for reply in self._playing]
        if numbers:
            self._queue.clear(Clear())
            self._end_first(len(numbers))
        return numbers

    async def _send(self, event: ReturnEvent) -> None:
        # `interrupt` may come meanwhile.
        reply = next((each for each in self._playing if each.ends_at is None), None)
        is_reached = False
        if reply is not None and isinstance(event, ReturnMark):
            reply.ends_at = math.inf
        try:
            is_reached = await self._posting.post(
                event, self._queue.format, ends_speech=self._queue.ends_speech
            )
        except UnusableAudio as unusable:
            self._refusals.count_lost(str(unusable), self._clock())
        if reply is None:
            return
        if isinstance(event, ReturnMedia):
            reply.posted = min(reply.size, reply.posted + len(event.audio))
        elif isinstance(event, ReturnMark):
            now = self._clock()
            ends_at = max(now, self._queue.played_at) + reply.ahead
            reply.ends_at = ends_at + (_MARK_PATIENCE if is_reached else 0)

    async def _watch(self) -> Never:
        """End replies whose marks are lost, and note how far the replies have come."""
        noted_at = self._clock()
        while True:
            if not (self._playing or self._progress.is_waiting):
                self._changed.clear()
                await self._changed.wait()
            now = self._clock()
            lost = [place for place, each in enumerate(self._playing, 1) if _is_over(each, now)]
            self._end_first(max(lost, default=0))
            if self._progress.is_waiting or now - noted_at >= _NOTE_SECONDS:
                noted_at = now
                if not await self._progress.note(self._playing):
                    await asyncio.sleep(_NOTE_SECONDS)
            await asyncio.sleep(_LOOK_SECONDS)

    def _end_first(self, count: int) -> None:
        for _ in range(count):
            self._end(self._playing.popleft())
        if count and not self._playing:
            self.silent_since = self._clock()
            self._silent.set()

    def _end(self, reply: _Playing) -> None:
        self._progress.end(reply)
        self._changed.set()


def _is_over(reply: _Playing, now: float) -> bool:
    return reply.ends_at is not None and now >= reply.ends_at


class _Progress:
    """Notes how far replies have come."""

    def __init__(self, notes: PlaybackNotes, bytes_a_ms: float, relay_id: str) -> None:
        self._notes = notes
        self._bytes_a_ms = bytes_a_ms
        self._extra = {"relay_id": relay_id}
        # The replies that are over, until that is noted.
        self._over: dict[int, _Playing] = {}
        self._writing = asyncio.Lock()

    @property
    def is_waiting(self) -> bool:
        """Whether a reply is over, and that is not noted."""
        return bool(self._over)

    def end(self, reply: _Playing) -> None:
        """A reply is over."""
        self._over[reply.number] = reply

    async def note(self, playing: Iterable[_Playing]) -> bool:
        """Note what is new of replies that are over or play; False if that cannot be written."""
        async with self._writing:
            try:
                for number, reply in [*self._over.items()]:
                    await self._write(reply, is_done=True)
                    del self._over[number]
                for reply in [*playing]:
                    if reply.posted > reply.noted and reply.number not in self._over:
                        await self._write(reply, is_done=False)
            except Unavailable as error:
                _logger.warning("not noted how much is played: %s", error, extra=self._extra)
                return False
        return True

    async def _write(self, reply: _Playing, *, is_done: bool) -> None:
        posted = reply.posted
        played_ms = round(posted / self._bytes_a_ms)
        await asyncio.to_thread(self._notes.note, reply.number, played_ms, is_done=is_done)
        reply.noted = posted
