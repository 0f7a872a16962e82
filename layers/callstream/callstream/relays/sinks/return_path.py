"""The return path of a fork: takes a consumer's messages to the carrier.

A consumer may send an hour of audio at once. `clear` drops all audio that is not posted yet, and
returns its marks to the consumer. So one task takes messages at once, and another posts them.

The return path is bounded, so that no consumer can make it grow without end. Messages beyond the
limits are refused; some of the refusals go to the consumer and the log.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Never

from callstream.audio.conversion import UnusableAudio
from callstream.audio.file_headers import file_kind
from callstream.audio.mp3_frames import NotMp3
from callstream.audio.packetizer import MP3
from callstream.dialects.events import (
    Clear,
    Refusal,
    ReturnDtmf,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
)
from callstream.errors import UnreadableMessage
from callstream.relays.sinks.fork import ForkProtocol, given_name
from callstream.relays.sinks.posting import LegSender, Posting
from callstream.relays.sinks.refusals import TOO_MANY_FILES, UNHEARD, Refusals
from callstream.relays.sinks.return_queue import MOST_MARKS, MOST_MEGABYTES, ReturnQueue
from callstream.relays.sinks.sink import MarkFeed
from callstream.token_bucket import TokenBucket

_logger = logging.getLogger(__name__)

MESSAGES_A_SECOND: Final = 1000
"""So many messages are read in the long run. Reading 20 times faster than real time wastes CPU."""
MESSAGES_AT_ONCE: Final = 15_000
"""So many messages are read at once: five minutes of pieces of 20 ms."""

# For the consumer and the log.
_DETAILS: Final[Mapping[Refusal, str]] = {
    "malformed": "The frame was not formed correctly",
    "not_base64": "Media is not encoded in base64",
    "too_many": "Too many requests",
}
_TOO_MUCH: Final = (
    f"Too many requests: more than {MOST_MEGABYTES} MB of audio or {MOST_MARKS} marks are waiting"
)
_LEFT: Final = (
    "Too many requests: more audio is waiting than can be posted before the connection ends"
)
_JITTER: Final = 0.25
"""A file may arrive so many seconds early, if the next does not."""
_MOST_HELD: Final = 1000
_MOST_HELD_CHARACTERS: Final = 1_000_000
"""How many marks of unheard audio wait for a clear, and how long all their names may be."""


class ReturnPath:
    """The return path of one fork.

    Args:
        fork: reads the consumer's messages, and renders the answers.
        legs: the carriers' side.
        marks: brings the marks of the call's other legs.
        answer: sends messages to the consumer.
        clock: time in seconds.
    """

    def __init__(
        self,
        fork: ForkProtocol,
        legs: LegSender,
        marks: MarkFeed,
        answer: Callable[[Sequence[str]], None],
        clock: Callable[[], float],
    ) -> None:
        self._fork = fork
        self._answer = answer
        self._clock = clock
        self._queue = ReturnQueue(fork.return_format, legs.l16_byte_order, clock)
        self._messages = TokenBucket(MESSAGES_AT_ONCE, MESSAGES_A_SECOND)
        # Telnyx takes one message with MP3 a second.
        self._files = TokenBucket(1 + _JITTER, 1)
        self._refusals = Refusals(fork.stream_id)
        self._posting = Posting(legs, marks, self._refusals, clock)
        # Audio is refused when it arrives, or when it is posted.
        self._arriving, self._posted = _Speech(), _Speech()
        # Marks whose audio nobody has heard; the latest are kept.
        self._held: deque[str] = deque(maxlen=_MOST_HELD)

    async def receive(self, text: str | bytes) -> None:
        """Take a message of the consumer's; waits only if the consumer sends far too many."""
        now = self._clock()
        event = self._read(text, now)
        if isinstance(event, Clear):
            self._arriving, self._posted = _Speech(), _Speech()
            self._give_back([*self._held, *self._queue.clear(event)])
            self._held.clear()
        elif event is not None:
            self._put(event, now)
        if not self._messages.take(now):
            # Read a flooding consumer more slowly: the network makes the consumer wait.
            await asyncio.sleep(1 / MESSAGES_A_SECOND)

    async def post(self) -> Never:
        """Post the consumer's messages to the carrier, one by one; runs until it is cancelled."""
        try:
            # A consumer in mode mp3 often sends nothing, and records of a subscription cost money.
            if self._fork.return_format.encoding != MP3 or self._fork.counters.pending:
                await self._posting.subscribe_early()
            while True:
                try:
                    event = await self._queue.take()
                except NotMp3 as error:
                    self._posted.add(is_heard=False)
                    self._refuse("unusable", self._clock(), str(error))
                else:
                    await self._post(event)
        finally:
            self._posting.stop()
            self._refusals.log_counts(self._queue.damaged)

    async def flush(self, patience: float) -> None:
        """Post the messages that wait, in at most `patience` seconds. The rest is refused.

        Marks of unheard audio come back: no `clear` can reach this run any more.
        """
        try:
            async with asyncio.timeout(patience):
                await self._queue.drained()
        except TimeoutError:
            self._give_back(self._queue.forget())
            self._refuse("too_many", self._clock(), _LEFT)
        self._give_back([*self._held])
        self._held.clear()

    def _read(self, text: str | bytes, now: float) -> ReturnEvent | None:
        try:
            return self._fork.receive(text)
        except UnreadableMessage as unreadable:
            # msgspec names the place of a value that does not fit; a missing field has no place.
            is_media = "base64" in unreadable.detail and "$.media.payload" in unreadable.detail
            if is_media:
                self._arriving.add(is_heard=False)
            self._refuse("not_base64" if is_media else "malformed", now)
            return None

    def _put(self, event: ReturnMedia | ReturnMark | ReturnDtmf, now: float) -> None:
        if isinstance(event, ReturnMark) and self._arriving.is_unheard():
            self._hold(event)
            return
        encoding = self._fork.return_format.encoding
        audio = event.audio if isinstance(event, ReturnMedia) else b""
        is_taken = False
        if audio and encoding == MP3 and not self._files.take(now):
            self._refuse("too_many", now, TOO_MANY_FILES)
        elif mistake := _mistake(audio, encoding):
            self._refuse("unusable", now, mistake)
        elif is_taken := self._queue.put(event):
            pass
        else:
            if isinstance(event, ReturnMark):
                self._fork.withdraw()
            self._refuse("too_many", now, _TOO_MUCH)
        if audio:
            self._arriving.add(is_heard=is_taken)

    async def _post(self, event: ReturnEvent) -> None:
        is_audio = isinstance(event, ReturnMedia) and bool(event.audio)
        if isinstance(event, ReturnMark) and self._posted.is_unheard():
            self._hold(event)
            return
        is_heard = False
        try:
            is_heard = await self._posting.post(
                event, self._queue.format, ends_speech=self._queue.ends_speech
            )
        except UnusableAudio as unusable:
            if isinstance(event, ReturnMark):
                # No audio came before the mark, so the mark is reached.
                self._give_back([event.name])
            self._refuse("unusable", self._clock(), str(unusable))
        if is_audio:
            self._posted.add(is_heard=is_heard)

    def _hold(self, mark: ReturnMark) -> None:
        """Keep a mark from coming back as if audio that nobody has heard had been played."""
        self._held.append(mark.name)
        while sum(map(len, self._held)) > _MOST_HELD_CHARACTERS:
            self._held.popleft()
        if self._refusals.count("unusable", UNHEARD, self._clock()):
            # The name is the consumer's own, and stays out of the log.
            detail = f"{UNHEARD}: {given_name(mark.name)}"
            self._answer(self._fork.refuse("unusable", detail))

    def _give_back(self, marks: Sequence[str]) -> None:
        for mark in marks:
            self._answer(self._fork.give_back(mark))

    def _refuse(self, refusal: Refusal, now: float, detail: str | None = None) -> None:
        detail = detail or _DETAILS[refusal]
        if self._refusals.count(refusal, detail, now):
            self._answer(self._fork.refuse(refusal, detail))


def _mistake(audio: bytes, encoding: str) -> str | None:
    """Which file a payload begins with instead of the audio that is due; None if it does not."""
    kind = file_kind(audio)
    if kind is None or kind == encoding.upper():
        return None
    article = "an" if kind[0] in "AMO" else "a"
    instead = "MP3" if encoding == MP3 else f"raw {encoding}"
    return f"The payload begins with {article} {kind} header: send {instead}"


class _Speech:
    """Whether the audio before the next mark has been heard.

    A mark is unheard if audio before it was refused, and none since the last mark that is heard was
    taken. One bad message in a speech does not keep the speech's mark back.
    """

    def __init__(self) -> None:
        self._was_refused = self._was_heard = False

    def add(self, *, is_heard: bool) -> None:
        """Audio was taken or refused."""
        self._was_heard = self._was_heard or is_heard
        self._was_refused = self._was_refused or not is_heard

    def is_unheard(self) -> bool:
        """Whether the mark that comes now is unheard."""
        self._was_refused = self._was_refused and not self._was_heard
        self._was_heard = False
        return self._was_refused
