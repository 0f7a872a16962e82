"""The replies of a virtual agent: numbered, and kept in their order, while they are played.

A kept reply is the truth: the audio of its turn is not given to the agent again, and what is not
played yet is played by the next run. So the replies of a turn are kept once the turn is over: if a
run dies before, the next run repeats the turn.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Final, NamedTuple, Never, Protocol, override

from msgspec.structs import replace

from callstream.dialogues.kept_replies import KeptReply
from callstream.dialogues.virtual_agent import DialogueEnd, KeysWanted, Reply
from callstream.errors import CallError, Unavailable
from callstream.relays.sinks.incoming_audio import swapped
from callstream.relays.sinks.playback import PlaybackNotes

_logger = logging.getLogger(__name__)

_PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 4.0)
"""The pauses between tries to keep a reply; in seconds. Then the reply is not kept."""


class ReplyKeeper(PlaybackNotes, Protocol):
    """Keeps the replies of one relay. Blocking; every method may raise `Unavailable`."""

    def keep(self, reply: KeptReply) -> object:
        """Keep a reply. Raises `UnknownCall`."""

    def unfinished(self) -> list[KeptReply]:
        """The replies that are not played to their ends, in their order."""

    def last(self) -> KeptReply | None:
        """The last reply; None if there is none."""


class Place(NamedTuple):
    """Up to where the agent has got what the person has said, and all was reported.

    `until_ms` is in the call's time; `keys_until` is when the last key was received, in
    milliseconds since 1970; `reports` is the number of the last report.
    """

    until_ms: int = 0
    keys_until: int = 0
    reports: int = 0


class _Kept(NamedTuple):
    replies: tuple[KeptReply, ...]
    place: Place


class Replies(PlaybackNotes):
    """The replies of one run of a relay.

    Args:
        keeper: keeps the replies.
        relay_id: the relay.
    """

    def __init__(self, keeper: ReplyKeeper, relay_id: str) -> None:
        self._keeper = keeper
        self._extra = {"relay_id": relay_id}
        self._swaps_bytes = False
        self._spoken: list[KeptReply] = []
        self._waiting: deque[_Kept] = deque()
        self._filled, self._drained = asyncio.Event(), asyncio.Event()
        self._drained.set()
        # Notes come from other threads. Some come before their replies are kept.
        self._lock = Lock()
        self._kept_number = 0
        self._early: dict[int, tuple[int, bool]] = {}
        self.number = 0
        """The number of the last reply."""
        self.end: DialogueEnd | None = None
        """What the agent has said about the end, once the dialogue is over."""
        self.keys: KeysWanted | None = None
        """The keys that the agent took after the last reply of the runs before."""
        self.done = Place()
        """The place up to which the replies are kept."""

    async def open(self, number: int, place: Place, *, swaps_bytes: bool) -> list[KeptReply]:
        """Go on after the runs before; returns the replies that are still to be played.

        Args:
            number: the number of the last reply when the checkpoint was made.
            place: where the agent was then.
            swaps_bytes: whether the legs have L16 in another byte order than the agent.

        Raises:
            Unavailable: the replies cannot be read.
        """
        self.number, self.done, self._swaps_bytes = number, place, swaps_bytes
        last = await asyncio.to_thread(self._keeper.last)
        if last is not None:
            self.number, self.end, self.keys = max(number, last.number), last.end, last.keys
            kept = Place(last.until_ms, last.keys_until, last.reports)
            self.done = Place(*map(max, zip(place, kept, strict=True)))
        self._kept_number = self.number
        return await asyncio.to_thread(self._keeper.unfinished)

    def add(self, reply: Reply, *, is_played: bool = True) -> KeptReply:
        """Number a reply, which is kept with the next `keep`."""
        self.number += 1
        made = KeptReply(
            number=self.number,
            until_ms=0,
            audio=swapped(reply.audio) if self._swaps_bytes else reply.audio,
            is_uninterruptible=reply.is_uninterruptible,
            is_done=not is_played,
            end=reply.end,
            keys=reply.keys,
        )
        self.end = reply.end or self.end
        self._spoken.append(made)
        return made

    def keep(self, place: Place) -> None:
        """Keep the replies that were added: the agent has got what came before a place."""
        # If a run dies between them, the turn is repeated: so only the last has the new place.
        before = self._waiting[-1].place if self._waiting else self.done
        place = Place(*map(max, zip(place, before, strict=True)))
        places = [before] * (len(self._spoken) - 1) + [place]
        replies = tuple(
            replace(each, until_ms=at.until_ms, keys_until=at.keys_until, reports=at.reports)
            for each, at in zip(self._spoken, places, strict=False)
        )
        self._spoken.clear()
        self._waiting.append(_Kept(replies, place))
        self._drained.clear()
        self._filled.set()

    @override
    def note(self, number: int, played_ms: int, *, is_done: bool) -> None:
        with self._lock:
            if number > self._kept_number:
                self._early[number] = (played_ms, is_done)
                return
        self._keeper.note(number, played_ms, is_done=is_done)

    @property
    def is_keeping(self) -> bool:
        """Whether replies wait to be kept."""
        return bool(self._waiting)

    async def run(self) -> Never:
        """Keep replies."""
        while True:
            while self._waiting:
                replies, place = self._waiting[0]
                for reply in replies:
                    await self._try(partial(self._keeper.keep, reply))
                    await self._note_early(reply.number)
                self.done = place
                self._waiting.popleft()
            self._drained.set()
            self._filled.clear()
            await self._filled.wait()

    async def drained(self) -> None:
        """Wait until no reply waits to be kept."""
        await self._drained.wait()

    async def _note_early(self, number: int) -> None:
        with self._lock:
            self._kept_number = number
            early = self._early.pop(number, None)
        if early is not None:
            played_ms, is_done = early
            await self._try(lambda: self._keeper.note(number, played_ms, is_done=is_done))

    async def _try(self, write: Callable[[], object]) -> None:
        for pause in (*_PAUSES, None):
            try:
                await asyncio.to_thread(write)
            except (Unavailable, CallError) as error:
                if pause is None or isinstance(error, CallError):
                    _logger.error("a reply is not kept: %s", error, extra=self._extra)  # noqa: TRY400
                    return
                _logger.warning("a reply is not kept yet: %s", error, extra=self._extra)
                await asyncio.sleep(pause)
            else:
                return
